//! `worker_max_requests`: a worker serves so many calls. Knows only how many it has finished.

use std::time::Instant;

use snakepit_core::{Recheck, RecyclePolicy, Verdict, WorkerView};

use super::{Jitter, jitter};

/// Retires a worker that has finished a number of calls.
///
/// The number differs from worker to worker by the jitter, downwards only: it is never more than was asked for, except
/// for the calls that come while the replacement starts.
#[derive(Clone, Debug)]
pub struct MaxRequests {
    calls: u64,
    jitter: Jitter,
}

impl MaxRequests {
    /// The name in configuration and events.
    pub const NAME: &str = "worker_max_requests";

    /// A limit on how many calls a worker serves, at least 1, with the usual [`Jitter`].
    pub fn new(calls: u64) -> Self {
        Self {
            calls: calls.max(1),
            jitter: Jitter::default(),
        }
    }

    /// With a jitter of its own.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// How many calls this worker serves.
    fn of(&self, worker: &WorkerView) -> u64 {
        let fraction = jitter::fraction(worker.worker.get(), self.jitter.seed);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a positive number; which one exactly does not matter"
        )]
        let fewer = (self.calls as f64 * self.jitter.share * fraction) as u64;
        self.calls.saturating_sub(fewer).max(1)
    }
}

impl RecyclePolicy for MaxRequests {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn assess(&self, worker: &WorkerView, _now: Instant) -> Verdict {
        if worker.served < self.of(worker) {
            return Verdict::Keep;
        }
        Verdict::Retire(format!(
            "it has finished {} calls, `{}` is {}",
            worker.served,
            Self::NAME,
            self.calls
        ))
    }

    fn recheck(&self, worker: &WorkerView, _now: Instant) -> Recheck {
        Recheck {
            served: Some(self.of(worker)),
            ..Recheck::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use snakepit_core::WorkerId;

    use super::*;

    fn view(worker: u64, served: u64) -> WorkerView {
        let mut view = WorkerView::new(WorkerId::new(worker), Instant::now());
        view.served = served;
        view
    }

    proptest! {
        #[test]
        fn a_worker_is_due_after_its_number_of_calls_which_is_a_tenth_fewer_at_most(
            calls in 1..1_000_000_u64,
            worker in any::<u64>(),
            seed in any::<u64>(),
        ) {
            let policy = MaxRequests::new(calls).jitter(Jitter::default().seeded(seed));
            let now = Instant::now();
            let due = policy.recheck(&view(worker, 0), now).served.unwrap();
            prop_assert!(due <= calls && due >= calls - calls / 10);
            prop_assert_eq!(policy.assess(&view(worker, due - 1), now), Verdict::Keep);
            prop_assert!(matches!(policy.assess(&view(worker, due), now), Verdict::Retire(_)));
        }
    }

    #[test]
    fn a_worker_always_serves_one_call() {
        let policy = MaxRequests::new(0);
        assert_eq!(policy.assess(&view(1, 0), Instant::now()), Verdict::Keep);
        assert_eq!(
            policy.assess(&view(1, 1), Instant::now()),
            Verdict::Retire("it has finished 1 calls, `worker_max_requests` is 1".into())
        );
    }
}
