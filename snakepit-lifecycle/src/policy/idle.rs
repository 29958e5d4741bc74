//! `worker_idle_ttl`: a worker nobody needs goes. Knows only since when it is idle, and whether it is spare.

use std::time::{Duration, Instant};

use snakepit_core::{Recheck, RecyclePolicy, Verdict, WorkerView};

use super::words;

/// How often, within its time, a worker is looked at again that was idle for long enough but could not be spared: what
/// changed that, another worker becoming ready or a queue that emptied, asks no policy.
const LOOKS: u32 = 4;

/// Releases a worker that has been idle for some time, if the pool may do without it.
///
/// A pool of one size never may; see `pool_size`.
#[derive(Clone, Debug)]
pub struct Idle {
    ttl: Duration,
}

impl Idle {
    /// The name in configuration and events.
    pub const NAME: &str = "worker_idle_ttl";

    /// A limit on how long a spare worker is idle.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl }
    }
}

impl RecyclePolicy for Idle {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn assess(&self, worker: &WorkerView, now: Instant) -> Verdict {
        let Some(since) = worker.idle_since else {
            return Verdict::Keep;
        };
        let idle = now.saturating_duration_since(since);
        if !worker.spare || idle < self.ttl {
            return Verdict::Keep;
        }
        Verdict::Release(format!(
            "it has been idle for {}, `{}` is {}",
            words::time(idle),
            Self::NAME,
            words::time(self.ttl)
        ))
    }

    fn recheck(&self, worker: &WorkerView, now: Instant) -> Recheck {
        // While it is busy the time has not begun: looking a whole span later misses nothing.
        let due = worker.idle_since.unwrap_or(now).checked_add(self.ttl);
        let again = now.checked_add(self.ttl / LOOKS);
        Recheck {
            at: due
                .zip(again)
                .map(|(due, again)| if due > now { due } else { again }),
            ..Recheck::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use snakepit_core::WorkerId;

    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn view(start: Instant, idle_since: Option<Duration>, spare: bool) -> WorkerView {
        let mut view = WorkerView::new(WorkerId::new(1), start);
        view.idle_since = idle_since.map(|after| start + after);
        view.spare = spare;
        view
    }

    #[test]
    fn only_a_spare_worker_that_was_idle_for_long_is_released() {
        let start = Instant::now();
        let idle = Idle::new(TTL);
        let later = start + TTL;
        let at_once = Some(Duration::ZERO);
        assert_eq!(
            idle.assess(&view(start, at_once, true), later),
            Verdict::Release("it has been idle for 1m, `worker_idle_ttl` is 1m".into())
        );
        for kept in [
            view(start, at_once, false),
            view(start, None, true),
            view(start, Some(Duration::from_secs(1)), true),
        ] {
            assert_eq!(idle.assess(&kept, later), Verdict::Keep);
        }
    }

    proptest! {
        #[test]
        fn a_recheck_lies_ahead_and_never_beyond_the_moment_it_may_be_due(
            idle_since in proptest::option::of(0..200_u64),
            spare in any::<bool>(),
            now in 200..400_u64,
        ) {
            let start = Instant::now();
            let now = start + Duration::from_secs(now);
            let view = view(start, idle_since.map(Duration::from_secs), spare);
            let at = Idle::new(TTL).recheck(&view, now).at.unwrap();
            prop_assert!(at > now && at <= now + TTL);
            if let Some(since) = view.idle_since.filter(|since| *since + TTL > now) {
                prop_assert_eq!(at, since + TTL);
            }
        }
    }
}
