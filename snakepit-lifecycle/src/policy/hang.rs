//! `hang_timeout`: a worker that is silent and does nothing is killed. Knows heartbeats and processor time only.

use std::time::{Duration, Instant};

use snakepit_core::{Needs, Recheck, RecyclePolicy, Usage, Verdict, WorkerView};

use super::words;

/// How many heartbeats and readings there are in the time.
const LOOKS: u32 = 4;

/// Readings within the silence it takes to be sure. A host that was itself stopped for a while finds all its workers
/// silent, but has not measured any of them.
const READINGS: usize = 3;

/// Over how much of the silence, or of [`LONG`], readings have to reach.
const LONG: Duration = Duration::from_secs(2);

/// What a process that does nothing may use of the time, in thousandths of a core: in CPython each thread that waits for
/// the GIL looks for it 200 times a second, which was measured to cost 4. There is one for each busy lane but the one
/// that holds the GIL, and the worker's own.
const WAITING: u32 = 5;
const OWN_THREADS: u32 = 2;

/// Readings of processor time are this coarse.
const TICKS: Duration = Duration::from_millis(20);

/// Has a worker killed that has given no sign for some time and used no processor meanwhile.
///
/// Silence alone is no proof: native code that computes with the GIL held answers no heartbeat either, but it uses the
/// processor. So nothing is ever killed where nothing can be measured.
///
/// Killed are workers that were stopped (`SIGSTOP`, a debugger), ones in an uninterruptible wait of the kernel, such as
/// for a network file system that is gone, and ones whose native code waits with the GIL held. Those might go on one day,
/// but until then they take calls and answer none. Code that waits as it should, with the GIL released, does not keep its
/// worker from answering; a call that takes too long is a matter of its timeout.
///
/// Readings are kept for the last 16 times. Where another policy has them taken much more often than a quarter of the
/// time, they cover only the end of the silence.
#[derive(Clone, Debug)]
pub struct Hang {
    timeout: Duration,
}

impl Hang {
    /// The name in configuration and events.
    pub const NAME: &str = "hang_timeout";

    /// Below this, a worker that only waits for a processor looks dead.
    pub(crate) const LEAST: Duration = Duration::from_millis(500);

    /// A limit on how long a worker is silent and does nothing; half a second at least, since with less a worker that only
    /// waits for a processor would look dead.
    pub fn new(timeout: Duration) -> Self {
        let timeout = timeout.max(Self::LEAST);
        Self { timeout }
    }

    /// Whether the readings taken in the silence show that nothing was done.
    fn is_still(&self, worker: &WorkerView) -> bool {
        let silent: Vec<&Usage> = worker
            .readings
            .iter()
            .filter(|usage| usage.at > worker.heard_at)
            .collect();
        let (Some(first), Some(last)) = (silent.first(), silent.last()) else {
            return false;
        };
        let span = last.at.saturating_duration_since(first.at);
        if silent.len() < READINGS || span < LONG.min(self.timeout / LOOKS) {
            return false;
        }
        let threads = u32::try_from(worker.busy)
            .unwrap_or(u32::MAX)
            .saturating_add(OWN_THREADS);
        let waiting = span.saturating_mul(threads.saturating_mul(WAITING)) / 1000;
        last.cpu.saturating_sub(first.cpu) <= waiting.max(TICKS)
    }
}

impl RecyclePolicy for Hang {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn assess(&self, worker: &WorkerView, now: Instant) -> Verdict {
        let silence = now.saturating_duration_since(worker.heard_at);
        if silence < self.timeout || !self.is_still(worker) {
            return Verdict::Keep;
        }
        Verdict::Kill(format!(
            "it was silent for {} without using the processor, `{}` is {}",
            words::time(silence),
            Self::NAME,
            words::time(self.timeout)
        ))
    }

    fn recheck(&self, worker: &WorkerView, now: Instant) -> Recheck {
        Recheck {
            // Later on, each reading asks again.
            at: worker
                .heard_at
                .checked_add(self.timeout)
                .filter(|at| *at > now),
            ..Recheck::default()
        }
    }

    fn needs(&self) -> Needs {
        let every = Some(self.timeout / LOOKS);
        Needs {
            usage: every,
            heartbeat: every,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use snakepit_core::WorkerId;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    /// A worker heard of at the start, that used so many milliseconds of processor time before each reading.
    fn view(start: Instant, every: Duration, used: &[u64]) -> WorkerView {
        let mut view = WorkerView::new(WorkerId::new(1), start);
        view.busy = 1;
        let (mut at, mut cpu) = (start, Duration::ZERO);
        for used in used {
            at += every;
            cpu += Duration::from_millis(*used);
            view.readings.push(Usage::new(at, 1, cpu));
        }
        view
    }

    fn judged(view: &WorkerView, after: Duration) -> Verdict {
        Hang::new(TIMEOUT).assess(view, view.heard_at + after)
    }

    #[test]
    fn silence_without_work_is_death() {
        let view = view(Instant::now(), TIMEOUT / 4, &[0; 4]);
        let why = "it was silent for 1m without using the processor, `hang_timeout` is 1m";
        assert_eq!(judged(&view, TIMEOUT), Verdict::Kill(why.into()));
        assert_eq!(judged(&view, TIMEOUT.mul_f64(0.99)), Verdict::Keep);
    }

    #[test]
    fn native_code_that_waits_with_the_gil_held_is_dead_too() {
        // What the threads that wait for the GIL use meanwhile.
        let view = view(Instant::now(), TIMEOUT / 4, &[9000, 60, 60, 60]);
        assert!(matches!(judged(&view, TIMEOUT), Verdict::Kill(_)));
    }

    #[test]
    fn native_code_that_computes_is_alive_even_with_a_small_share_of_a_core() {
        let view = view(Instant::now(), TIMEOUT / 4, &[0, 300, 300, 300]);
        assert_eq!(judged(&view, TIMEOUT), Verdict::Keep);
    }

    #[test]
    fn silence_alone_is_no_proof() {
        let start = Instant::now();
        for readings in 0..READINGS {
            let mut view = view(start, TIMEOUT / 4, &vec![0; readings]);
            assert_eq!(judged(&view, TIMEOUT * 100), Verdict::Keep);
            // Those from before the silence say nothing about it.
            view.heard_at += TIMEOUT;
            assert_eq!(judged(&view, TIMEOUT * 100), Verdict::Keep);
        }
    }

    #[test]
    fn no_worker_is_looked_at_all_the_time() {
        let every = Hang::new(Duration::ZERO).needs().heartbeat;
        assert_eq!(every, Some(Duration::from_millis(125)));
    }

    #[test]
    fn a_few_readings_at_once_prove_nothing() {
        let view = view(Instant::now(), Duration::from_millis(10), &[0; 16]);
        assert_eq!(judged(&view, TIMEOUT), Verdict::Keep);
    }

    #[test]
    fn frequent_readings_cover_the_end_of_the_silence() {
        let view = view(Instant::now(), Duration::from_millis(250), &[0; 16]);
        assert!(matches!(judged(&view, TIMEOUT), Verdict::Kill(_)));
    }

    proptest! {
        #[test]
        fn a_worker_heard_of_in_time_is_never_killed(
            used in proptest::collection::vec(0..10_000_u64, 0..16),
            after in 0..60_000_u64,
        ) {
            let view = view(Instant::now(), TIMEOUT / 4, &used);
            prop_assert_eq!(judged(&view, Duration::from_millis(after)), Verdict::Keep);
        }

        #[test]
        fn a_worker_that_used_a_tenth_of_a_core_is_never_killed(
            used in proptest::collection::vec(1500..15_000_u64, 0..16),
        ) {
            let view = view(Instant::now(), TIMEOUT / 4, &used);
            prop_assert_eq!(judged(&view, TIMEOUT * 5), Verdict::Keep);
        }
    }

    #[test]
    fn it_is_looked_at_when_it_may_be_due_and_no_later() {
        let start = Instant::now();
        let view = view(start, TIMEOUT, &[]);
        let policy = Hang::new(TIMEOUT);
        assert_eq!(policy.recheck(&view, start).at, Some(start + TIMEOUT));
        assert_eq!(policy.recheck(&view, start + TIMEOUT).at, None);
        assert_eq!(policy.needs().heartbeat, Some(TIMEOUT / 4));
    }
}
