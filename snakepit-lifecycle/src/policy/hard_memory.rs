//! `worker_hard_memory` where the kernel does not enforce it: a worker over it is killed. Knows only readings.

use std::time::{Duration, Instant};

use snakepit_core::{Needs, RecyclePolicy, Usage, Verdict, WorkerView};

use super::{admission, words};

/// How often each worker is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Has a worker killed as soon as a reading is over the limit, unless the kernel sees to that itself.
///
/// A worker that takes memory faster than it is measured can take more than the limit before it dies; only a control
/// group prevents that. [`Sampler`](crate::Sampler) looks four times a second, but measures at once only a worker that was
/// given much memory since it was last measured: 16 MiB, or an eighth of what it has. For less it may take its time, which
/// for each worker watched is fifty times as long as measuring takes: ten seconds for a hundred workers of 2 ms each.
#[derive(Clone, Debug)]
pub struct HardMemory {
    bytes: u64,
}

impl HardMemory {
    /// The name in configuration and events.
    pub const NAME: &str = "worker_hard_memory";

    /// A limit in bytes on the memory that a worker shares with no other process.
    pub fn new(bytes: u64) -> Self {
        Self { bytes }
    }
}

impl RecyclePolicy for HardMemory {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn assess(&self, worker: &WorkerView, _now: Instant) -> Verdict {
        let last = worker.readings.last();
        match last.filter(|usage| usage.private > self.bytes && !worker.memory_enforced) {
            None => Verdict::Keep,
            Some(usage) => Verdict::Kill(format!(
                "it used {} of private memory, `{}` is {} (measured by Snakepit)",
                words::memory(usage.private),
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
}

#[cfg(test)]
mod tests {
    use snakepit_core::WorkerId;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn one_reading_is_enough_if_nobody_else_enforces_it() {
        let now = Instant::now();
        let policy = HardMemory::new(100 * MIB);
        let mut view = WorkerView::new(WorkerId::new(1), now);
        assert_eq!(policy.assess(&view, now), Verdict::Keep);
        let mut read = |mib: u64| {
            let usage = Usage::new(now, mib * MIB, Duration::ZERO);
            view.readings.push(usage);
        };
        read(100);
        read(101);
        let why = "it used 101MiB of private memory, `worker_hard_memory` is 100MiB (measured by Snakepit)";
        assert_eq!(policy.assess(&view, now), Verdict::Kill(why.into()));
        view.memory_enforced = true;
        assert_eq!(policy.assess(&view, now), Verdict::Keep);
    }

    #[test]
    fn a_reading_within_the_limit_saves_it() {
        let now = Instant::now();
        let mut view = WorkerView::new(WorkerId::new(1), now);
        for mib in [200, 100] {
            view.readings
                .push(Usage::new(now, mib * MIB, Duration::ZERO));
        }
        assert_eq!(HardMemory::new(100 * MIB).assess(&view, now), Verdict::Keep);
    }
}
