//! Why workers that are gone are gone, for whoever comes back to one. Knows no worker.

use std::collections::VecDeque;

use crate::ids::WorkerId;

/// Workers remembered. Whoever comes back to one that is gone does so soon, or is told no more than that it is gone.
const MOST: usize = 256;

/// The last workers that left, and why.
#[derive(Debug, Default)]
pub(super) struct Departed(VecDeque<(WorkerId, String)>);

impl Departed {
    /// A worker leaves. The first reason counts: what follows is how.
    pub(super) fn add(&mut self, worker: WorkerId, why: impl Into<String>) {
        if self.why(worker).is_none() {
            if self.0.len() == MOST {
                self.0.pop_front();
            }
            self.0.push_back((worker, why.into()));
        }
    }

    /// Why it left, if that is remembered.
    pub(super) fn why(&self, worker: WorkerId) -> Option<&str> {
        let mut latest_first = self.0.iter().rev();
        let (_, why) = latest_first.find(|(id, _)| *id == worker)?;
        Some(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_of_the_latest_workers_is_remembered() {
        let mut departed = Departed::default();
        for number in 0..300 {
            departed.add(WorkerId::new(number), format!("reason {number}"));
            departed.add(WorkerId::new(number), "another");
        }
        assert_eq!(departed.why(WorkerId::new(299)), Some("reason 299"));
        assert_eq!(departed.why(WorkerId::new(44)), Some("reason 44"));
        assert_eq!(departed.why(WorkerId::new(43)), None);
    }
}
