//! `worker_ttl`: a worker serves for so long. Knows only its age.

use std::time::{Duration, Instant};

use snakepit_core::{Recheck, RecyclePolicy, Verdict, WorkerView};

use super::{Jitter, jitter, words};

/// Retires a worker some time after it became ready.
///
/// The time differs from worker to worker by the jitter, to both sides.
#[derive(Clone, Debug)]
pub struct Ttl {
    ttl: Duration,
    jitter: Jitter,
}

impl Ttl {
    /// The name in configuration and events.
    pub const NAME: &str = "worker_ttl";

    /// A limit on how long a worker serves, with the usual [`Jitter`].
    pub fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            jitter: Jitter::default(),
        }
    }

    /// With a jitter of its own.
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// How long this worker serves.
    fn of(&self, worker: &WorkerView) -> Duration {
        let fraction = jitter::fraction(worker.worker.get(), self.jitter.seed);
        let factor = 1.0 + self.jitter.share * (2.0 * fraction - 1.0);
        Duration::try_from_secs_f64(self.ttl.as_secs_f64() * factor).unwrap_or(Duration::MAX)
    }
}

impl RecyclePolicy for Ttl {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn assess(&self, worker: &WorkerView, now: Instant) -> Verdict {
        let age = now.saturating_duration_since(worker.ready_at);
        if age < self.of(worker) {
            return Verdict::Keep;
        }
        Verdict::Retire(format!(
            "it has been ready for {}, `{}` is {}",
            words::time(age),
            Self::NAME,
            words::time(self.ttl)
        ))
    }

    fn recheck(&self, worker: &WorkerView, _now: Instant) -> Recheck {
        Recheck {
            // None when that is beyond what a clock can show.
            at: worker.ready_at.checked_add(self.of(worker)),
            ..Recheck::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use snakepit_core::WorkerId;

    use super::*;

    proptest! {
        #[test]
        fn a_worker_is_due_at_its_recheck_and_not_before(
            ttl in 1..10_000_000_u64,
            worker in any::<u64>(),
            seed in any::<u64>(),
        ) {
            let start = Instant::now();
            let ttl = Duration::from_millis(ttl);
            let policy = Ttl::new(ttl).jitter(Jitter::default().seeded(seed));
            let view = WorkerView::new(WorkerId::new(worker), start);
            let due = policy.recheck(&view, start).at.unwrap();
            prop_assert!(due >= start + ttl.mul_f64(0.899) && due <= start + ttl.mul_f64(1.101));
            prop_assert_eq!(policy.assess(&view, due.checked_sub(Duration::from_nanos(1)).unwrap()), Verdict::Keep);
            prop_assert!(matches!(policy.assess(&view, due), Verdict::Retire(_)));
            prop_assert!(matches!(policy.assess(&view, due + ttl), Verdict::Retire(_)));
        }
    }

    #[test]
    fn workers_born_together_do_not_expire_together() {
        let start = Instant::now();
        let policy = Ttl::new(Duration::from_secs(3600));
        let due = |id| {
            policy
                .recheck(&WorkerView::new(WorkerId::new(id), start), start)
                .at
        };
        assert_eq!((1..=100).map(due).collect::<HashSet<_>>().len(), 100);
    }

    #[test]
    fn without_jitter_it_is_the_time_that_was_asked_for() {
        let start = Instant::now();
        let policy = Ttl::new(Duration::from_secs(10)).jitter(Jitter::none());
        let view = WorkerView::new(WorkerId::new(7), start);
        assert_eq!(
            policy.recheck(&view, start).at,
            Some(start + Duration::from_secs(10))
        );
        let Verdict::Retire(why) = policy.assess(&view, start + Duration::from_secs(12)) else {
            panic!("it is due");
        };
        assert_eq!(why, "it has been ready for 12s, `worker_ttl` is 10s");
    }

    #[test]
    fn no_time_is_too_long() {
        let start = Instant::now();
        let policy = Ttl::new(Duration::MAX);
        let view = WorkerView::new(WorkerId::new(7), start);
        assert_eq!(
            policy.assess(&view, start + Duration::from_secs(1 << 30)),
            Verdict::Keep
        );
    }
}
