//! `worker_max_growth`: a worker that leaks is replaced, whatever it began with. Knows only readings.

use std::time::Instant;

use snakepit_core::{Needs, RecyclePolicy, Verdict, WorkerView};

use super::max_memory::{EVERY, MOST_SAMPLES, SAMPLES};
use super::over::{self, Over};
use super::words;

/// Retires a worker whose private memory has grown by too much since its first call was over.
///
/// What the first call needed to load and keep, such as a model, does not count. Otherwise as [`MaxMemory`].
///
/// [`MaxMemory`]: super::MaxMemory
#[derive(Clone, Debug)]
pub struct Growth {
    bytes: u64,
    samples: usize,
}

impl Growth {
    /// The name in configuration and events.
    pub const NAME: &str = "worker_max_growth";

    /// A limit in bytes on how much more memory a worker uses than after its first call.
    pub fn new(bytes: u64) -> Self {
        Self {
            bytes,
            samples: SAMPLES,
        }
    }

    /// How many readings in a row must be over the limit; 3 unless set, 15 at most. They are a second apart.
    pub fn samples(mut self, samples: usize) -> Self {
        self.samples = samples.clamp(1, MOST_SAMPLES);
        self
    }
}

impl RecyclePolicy for Growth {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn assess(&self, worker: &WorkerView, _now: Instant) -> Verdict {
        let Some(first) = worker.first_call else {
            return Verdict::Keep;
        };
        let limit = first.private.saturating_add(self.bytes);
        match over::judge(worker, limit, self.samples) {
            Over::No => Verdict::Keep,
            Over::Trim => Verdict::Trim,
            Over::Still(private) => Verdict::Retire(format!(
                "its private memory grew by {} since its first call, from {} to {}, `{}` is {}",
                words::memory(private.saturating_sub(first.private)),
                words::memory(first.private),
                words::memory(private),
                Self::NAME,
                words::memory(self.bytes)
            )),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            usage: Some(EVERY),
            heartbeat: None,
        }
    }

    fn is_guarded(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use snakepit_core::{Usage, WorkerId};

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn only_what_came_after_the_first_call_counts() {
        let start = Instant::now();
        let usage = |second, mib| {
            let at = start + Duration::from_secs(second);
            Usage::new(at, mib * MIB, Duration::ZERO)
        };
        let mut view = WorkerView::new(WorkerId::new(1), start);
        view.served = 5;
        view.boot = Some(usage(0, 10));
        view.readings = vec![usage(1, 180), usage(2, 180)];
        let policy = Growth::new(100 * MIB).samples(2);
        assert_eq!(
            policy.assess(&view, start),
            Verdict::Keep,
            "nothing to compare with"
        );

        view.first_call = Some(usage(1, 80));
        assert_eq!(policy.assess(&view, start), Verdict::Keep);
        view.first_call = Some(usage(1, 79));
        assert_eq!(policy.assess(&view, start), Verdict::Trim);
        view.trimmed_at = Some(start + Duration::from_secs(3));
        view.readings.push(usage(4, 200));
        let why = "its private memory grew by 121MiB since its first call, from 79MiB to 200MiB, \
                   `worker_max_growth` is 100MiB";
        assert_eq!(policy.assess(&view, start), Verdict::Retire(why.into()));
    }
}
