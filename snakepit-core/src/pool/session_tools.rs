//! Host tools of single sessions, from when they are offered until the session ends. Knows no call and no clock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::tools::{Tool, Toolbox};
use crate::ids::SessionId;

/// What is no longer needed. Dropping it runs code of whoever offered it, so it is handed out to be dropped without a lock.
pub(super) type Released = Vec<Leftover>;

type Leftover = Arc<dyn Send + Sync>;

/// The table.
#[derive(Default)]
pub(super) struct SessionTools {
    table: HashMap<SessionId, Offered>,
    /// Names that were no session when they were given a tool, in the order in which they are given up.
    waiting: VecDeque<(Instant, SessionId)>,
}

struct Offered {
    toolbox: Arc<Toolbox>,
    /// When to give up waiting for the first call. `None` once the session is open.
    until: Option<Instant>,
}

impl SessionTools {
    /// Adds a tool, in place of one of the same name. `until` says how long it waits for the session to be opened; `None`
    /// that it is open.
    pub(super) fn offer(
        &mut self,
        session: &SessionId,
        tool: Tool,
        until: Option<Instant>,
    ) -> Released {
        let mut released = Released::new();
        if let Some(until) = until {
            // What an earlier session of that name left, whose end was not noticed yet.
            let is_over = |offered: &Offered| offered.until.is_none();
            if self.table.get(session).is_some_and(is_over) {
                released.extend(remove(&mut self.table, session));
            }
            if !self.table.contains_key(session) {
                self.waiting.push_back((until, session.clone()));
            }
        }
        let offered = self
            .table
            .entry(session.clone())
            .or_insert_with(|| Offered {
                toolbox: Arc::default(),
                until,
            });
        if let Some(replaced) = Arc::make_mut(&mut offered.toolbox).add(tool) {
            released.push(replaced);
        }
        released
    }

    /// The session has had its first call.
    pub(super) fn opened(
        &mut self,
        session: &SessionId,
        now: impl FnOnce() -> Instant,
    ) -> Released {
        if self.table.is_empty() {
            return Released::new();
        }
        let released = self.give_up(now());
        if let Some(offered) = self.table.get_mut(session) {
            offered.until = None;
        }
        released
    }

    /// The session is no more.
    pub(super) fn ended(&mut self, session: &SessionId) -> Released {
        let mut released = Released::new();
        // What waits is for the next session of that name.
        let was_open = |offered: &Offered| offered.until.is_none();
        if self.table.get(session).is_some_and(was_open) {
            released.extend(remove(&mut self.table, session));
        }
        released
    }

    /// Lets go of what has waited for too long.
    pub(super) fn give_up(&mut self, now: Instant) -> Released {
        let mut released = Released::new();
        let waits = |offered: &Offered| offered.until.is_some_and(|until| until <= now);
        let is_due = |(until, _): &(Instant, SessionId)| *until <= now;
        let due = self.waiting.iter().take_while(|one| is_due(one)).count();
        for (_, session) in self.waiting.drain(..due) {
            if self.table.get(&session).is_some_and(waits) {
                released.extend(remove(&mut self.table, &session));
            }
        }
        released
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) -> Released {
        self.waiting.clear();
        let all = self.table.drain();
        all.map(|(_, offered)| offered.toolbox as _).collect()
    }

    /// The tools of a session.
    pub(super) fn get(&self, session: &SessionId) -> Option<Arc<Toolbox>> {
        let offered = self.table.get(session)?;
        Some(Arc::clone(&offered.toolbox))
    }
}

fn remove(table: &mut HashMap<SessionId, Offered>, session: &SessionId) -> Option<Leftover> {
    let offered = table.remove(session)?;
    Some(offered.toolbox)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ToolError;
    use crate::exchange::ToolSpec;

    const MINUTE: Duration = Duration::from_secs(60);

    fn tool(name: &str) -> Tool {
        Tool::new(ToolSpec::new(name), |()| async { Ok::<_, ToolError>(()) })
    }

    fn names(tools: &SessionTools, session: &SessionId) -> Vec<String> {
        let toolbox = tools.get(session).unwrap_or_default();
        toolbox.specs().map(|spec| spec.name.clone()).collect()
    }

    #[test]
    fn tools_are_there_until_the_session_ends() {
        let (mut tools, session, now) = (SessionTools::default(), "a".into(), Instant::now());
        tools.offer(&session, tool("early"), Some(now + MINUTE));
        tools.opened(&session, || now);
        tools.offer(&session, tool("late"), None);
        assert_eq!(tools.offer(&session, tool("late"), None).len(), 1);
        assert!(tools.give_up(now + 2 * MINUTE).is_empty());
        assert_eq!(names(&tools, &session), ["early", "late"]);
        assert!(names(&tools, &"b".into()).is_empty());
        assert_eq!(tools.ended(&session).len(), 1);
        assert!(names(&tools, &session).is_empty());
    }

    #[test]
    fn what_waits_for_a_first_call_waits_once_and_not_for_ever() {
        let (mut tools, session, now) = (SessionTools::default(), "a".into(), Instant::now());
        tools.offer(&session, tool("a"), Some(now + MINUTE));
        tools.offer(&session, tool("b"), Some(now + 2 * MINUTE));
        assert!(tools.give_up(now).is_empty());
        assert_eq!(tools.opened(&session, || now + MINUTE).len(), 1);
        assert!(names(&tools, &session).is_empty());
        assert!(tools.waiting.is_empty());
    }

    #[test]
    fn the_late_end_of_a_session_takes_nothing_from_the_next_of_its_name() {
        let (mut tools, session, now) = (SessionTools::default(), "a".into(), Instant::now());
        tools.offer(&session, tool("old"), None);
        // The old one is over, and nobody has looked yet.
        assert_eq!(
            tools.offer(&session, tool("new"), Some(now + MINUTE)).len(),
            1
        );
        assert!(tools.ended(&session).is_empty());
        tools.opened(&session, || now);
        assert_eq!(names(&tools, &session), ["new"]);
        assert_eq!(tools.clear().len(), 1);
    }
}
