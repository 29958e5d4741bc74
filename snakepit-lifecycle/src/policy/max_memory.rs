//! `worker_max_memory`: a worker that has come to use too much memory is replaced. Knows only readings.

use std::time::{Duration, Instant};

use snakepit_core::{Needs, RecyclePolicy, Usage, Verdict, WorkerView};

use super::over::{self, Over};
use super::{admission, words};

/// How often a soft limit is looked at: a worker that is to be replaced in good order is not urgent.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// How many readings in a row must be over a soft limit, unless told otherwise: one call may need much for a moment.
pub(super) const SAMPLES: usize = 3;

/// How many it may be: one less than there are kept. One within the limit has to be seen among them, or a worker that has
/// come down since it was trimmed would look as if it had not.
pub(crate) const MOST_SAMPLES: usize = 15;

/// Retires a worker whose private memory is over a limit.
///
/// It must be over it in several readings in a row, after at least one call, and still be after it was asked to give
/// memory back. A free-threaded CPython collects its garbage, but keeps the memory for its own use. A limit that a worker
/// without any call already comes close to is refused when the pool starts.
#[derive(Clone, Debug)]
pub struct MaxMemory {
    bytes: u64,
    samples: usize,
}

impl MaxMemory {
    /// The name in configuration and events.
    pub const NAME: &str = "worker_max_memory";

    /// A limit in bytes on the memory that a worker shares with no other process.
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

impl RecyclePolicy for MaxMemory {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn assess(&self, worker: &WorkerView, _now: Instant) -> Verdict {
        match over::judge(worker, self.bytes, self.samples) {
            Over::No => Verdict::Keep,
            Over::Trim => Verdict::Trim,
            Over::Still(private) => Verdict::Retire(format!(
                "it uses {} of private memory even after a collection, `{}` is {}",
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

    fn admit(&self, boot: &Usage) -> Result<(), String> {
        admission::judge(Self::NAME, self.bytes, boot)
    }

    fn is_guarded(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use snakepit_core::WorkerId;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_reason_has_both_numbers() {
        let start = Instant::now();
        let mut view = WorkerView::new(WorkerId::new(1), start);
        view.served = 1;
        let usage = |second| {
            let at = start + Duration::from_secs(second);
            Usage::new(at, 612 * MIB + 300 * 1024, Duration::ZERO)
        };
        let policy = MaxMemory::new(512 * MIB);
        view.readings = (0..3).map(usage).collect();
        assert_eq!(policy.assess(&view, start), Verdict::Trim);
        view.trimmed_at = Some(start + Duration::from_millis(2500));
        assert_eq!(policy.assess(&view, start), Verdict::Keep);
        view.readings.push(usage(3));
        let why = "it uses 612.2MiB of private memory even after a collection, `worker_max_memory` is 512MiB";
        assert_eq!(policy.assess(&view, start), Verdict::Retire(why.into()));
    }

    #[test]
    fn a_worker_that_came_down_is_trimmed_again_however_many_readings_it_takes() {
        let start = Instant::now();
        let second = |second| start + Duration::from_secs(second);
        let mut view = WorkerView::new(WorkerId::new(1), start);
        view.served = 1;
        view.trimmed_at = Some(start);
        // What is kept: the reading within the limit is among the last 16.
        view.readings = (1..=16)
            .map(|at| {
                Usage::new(
                    second(at),
                    if at == 1 { 1 } else { 200 * MIB },
                    Duration::ZERO,
                )
            })
            .collect();
        let policy = MaxMemory::new(100 * MIB).samples(usize::MAX);
        assert_eq!(policy.assess(&view, second(16)), Verdict::Trim);
    }
}
