//! The workloads, one file each. Each takes the contestants in turns, round by round, and returns sections of figures.

mod burst;
mod footprint;
mod latency;
mod neighbour;
mod pandas;
mod sweep;

use anyhow::Result;
use snakepit_core::Pool;

pub(crate) use self::burst::burst;
pub(crate) use self::footprint::footprint;
pub(crate) use self::latency::latency;
pub(crate) use self::neighbour::neighbour;
pub(crate) use self::pandas::pandas;
pub(crate) use self::sweep::sweeps;
use super::contestants::Contestant;
use super::section::{Row, Section, Who};
use super::verdict;
use crate::setup::Setup;

/// What all workloads need.
pub(crate) struct Context<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) contestants: &'a [Contestant],
    pub(crate) cores: usize,
}

impl Context<'_> {
    /// The pools of all who can have one; in `left_out` who cannot, and why.
    fn pools(
        &self,
        adapter: &str,
        lanes: usize,
        left_out: &mut Vec<String>,
    ) -> Vec<(&Contestant, Pool)> {
        let mut pools = Vec::new();
        for contestant in self.contestants {
            match self.setup.runtime.block_on(contestant.pool(adapter, lanes)) {
                Ok(pool) => pools.push((contestant, pool)),
                Err(error) => left_out.push(reason(&error)),
            }
        }
        pools
    }

    fn stop(&self, pools: Vec<(&Contestant, Pool)>) {
        for (_, pool) in pools {
            self.setup.runtime.block_on(pool.shutdown());
        }
    }
}

/// An error on one line.
fn reason(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let line: Vec<_> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(300) {
        Some((cut, _)) => format!("{} ...", &line[..cut]),
        None => line,
    }
}

/// Empty rows, one for each pool, with room for the samples of so many points.
fn rows<'a>(who: impl IntoIterator<Item = &'a Contestant>, points: usize) -> Vec<Row> {
    who.into_iter()
        .map(|contestant| Row {
            who: Who::from(contestant),
            samples: vec![Vec::new(); points],
        })
        .collect()
}

/// The indices of `count` contestants in the order of their turns: another one begins each round.
fn turns(count: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |turn| (turn + round) % count)
}

/// With its verdict.
fn judged(mut section: Section) -> Section {
    section.verdict = verdict::judge(&section);
    section
}

/// What a workload brings.
pub(crate) type Sections = Result<Vec<Section>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_and_begins_once() {
        assert_eq!(turns(3, 0).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(turns(3, 4).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(turns(0, 1).count(), 0);
    }

    #[test]
    fn a_reason_is_one_line_and_not_endless() {
        assert_eq!(reason(&anyhow::anyhow!("a\n  b")), "a b");
        assert!(reason(&anyhow::anyhow!("ä".repeat(1000))).ends_with(" ..."));
    }
}
