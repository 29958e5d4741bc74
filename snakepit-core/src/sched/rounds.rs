//! Counts failures by rounds: workers launched together that fail are one failure, however many they are. Knows of workers
//! only their ids, which grow in the order of launches.

use crate::ids::WorkerId;

/// Rounds of failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rounds {
    count: u32,
    /// The last worker launched when the latest round was counted. The next round begins after it.
    last: Option<WorkerId>,
}

impl Rounds {
    /// A worker failed; `youngest` is the last one that was launched. True if that is a new round: one launched before the
    /// last round was counted belongs to that round.
    pub(crate) fn count(&mut self, worker: WorkerId, youngest: WorkerId) -> bool {
        let new = self.last.is_none_or(|last| worker > last);
        if new {
            self.count = self.count.saturating_add(1);
            self.last = Some(youngest);
        }
        new
    }

    /// Rounds so far.
    pub(crate) fn total(self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_all_that_were_launched_before_it_was_counted() {
        let mut rounds = Rounds::default();
        let mut fail = |worker, youngest| {
            rounds.count(WorkerId::new(worker), WorkerId::new(youngest));
            rounds.total()
        };
        assert_eq!(fail(2, 3), 1);
        assert_eq!(fail(1, 3), 1);
        assert_eq!(fail(4, 4), 2);
        assert_eq!(fail(3, 4), 2, "late");
        assert_eq!(fail(5, 5), 3);
    }
}
