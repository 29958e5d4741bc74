//! The machine in `docs/lifecycle.md` is the one in the code.

use std::collections::BTreeSet;

use super::super::state::TRANSITIONS;
use super::WorkerState;

const DOCUMENT: &str = include_str!("../../../../docs/lifecycle.md");

#[test]
fn the_document_has_the_same_transitions_as_the_code() {
    let name = |state: &Option<WorkerState>, none| state.map_or(none, WorkerState::name);
    let in_code: BTreeSet<_> = TRANSITIONS
        .iter()
        .map(|(from, to, event)| (name(from, "wanted"), name(to, "gone"), *event))
        .collect();
    assert_eq!(
        in_code.len(),
        TRANSITIONS.len(),
        "a transition is told twice"
    );
    let in_document: BTreeSet<_> = DOCUMENT.lines().filter_map(row).collect();
    assert_eq!(in_document, in_code);
}

/// A row of the table: ``| from | to | `Event` | when |``.
fn row(line: &str) -> Option<(&str, &str, &str)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let (from, to, event) = (cells.next()?, cells.next()?, cells.next()?);
    let event = event.strip_prefix('`')?.strip_suffix('`')?;
    Some((from, to, event))
}
