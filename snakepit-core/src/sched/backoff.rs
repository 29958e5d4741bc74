//! How long to wait before the next launch after failures; knows no clock, and of workers only their ids.

use std::time::{Duration, Instant};

use super::jitter::Jitter;
use super::rounds::Rounds;
use crate::ids::WorkerId;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Exponential delay with jitter, from 100 ms to 30 s. It grows with each round of failures, not with each worker: ten
/// workers that fail together have failed once.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: Rounds,
    /// Those of the failures that were launches with a cause; the others were workers that died young.
    launch_failures: Rounds,
    failed_at: Option<Instant>,
    not_before: Option<Instant>,
    gave_up: bool,
    jitter: Jitter,
}

/// A worker that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    pub(super) worker: WorkerId,
    /// The last worker that was launched, which may be the same.
    pub(super) youngest: WorkerId,
}

impl Failed {
    fn count(self, rounds: &mut Rounds) {
        rounds.count(self.worker, self.youngest);
    }
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            failures: Rounds::default(),
            launch_failures: Rounds::default(),
            failed_at: None,
            not_before: None,
            gave_up: false,
            jitter: Jitter::new(seed),
        }
    }

    /// A launch failed, and it is known why.
    pub(super) fn launch_failed(&mut self, failed: Failed, now: Instant) {
        failed.count(&mut self.launch_failures);
        self.failed(failed, now);
    }

    /// A launch came to nothing, nobody knows why.
    pub(super) fn failed(&mut self, failed: Failed, now: Instant) {
        failed.count(&mut self.failures);
        self.failed_at = Some(now);
        self.hold_back(now);
    }

    /// A worker was launched but died before it was of any use. The first round of such deaths may be an accident and costs
    /// nothing; more of them are treated as failed launches.
    pub(super) fn died_young(&mut self, failed: Failed, now: Instant) {
        failed.count(&mut self.failures);
        self.failed_at = Some(now);
        if self.failures.total() > 1 || self.not_before.is_some() {
            self.hold_back(now);
        }
    }

    fn hold_back(&mut self, now: Instant) {
        let doublings = self.failures.total().saturating_sub(1).min(16);
        let doubled = FIRST.saturating_mul(1 << doublings).min(LONGEST);
        self.not_before = Some(now + self.jitter.spread(doubled));
    }

    /// A launch failed in a way that trying again cannot mend.
    pub(super) fn give_up(&mut self, failed: Failed) {
        failed.count(&mut self.launch_failures);
        self.gave_up = true;
    }

    /// A worker that was ready at `ready_at` was of use. True if that ends the delays: one that was there before the last
    /// failure says nothing of launches since.
    pub(super) fn worked(&mut self, ready_at: Instant) -> bool {
        let mended = !self.gave_up && self.failed_at.is_some_and(|at| at < ready_at);
        if mended {
            self.forget();
        }
        mended
    }

    /// What made launches fail may be mended.
    pub(super) fn forget(&mut self) {
        self.failures = Rounds::default();
        self.launch_failures = Rounds::default();
        self.failed_at = None;
        self.not_before = None;
        self.gave_up = false;
    }

    pub(super) fn may_launch(&self, now: Instant) -> bool {
        !self.gave_up && self.not_before.is_none_or(|at| at <= now)
    }

    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    pub(super) fn gave_up(&self) -> bool {
        self.gave_up
    }

    /// Rounds of launches that failed with a cause since one last worked.
    pub(super) fn launch_failures(&self) -> u32 {
        self.launch_failures.total()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The failure of a worker that was launched alone.
    fn alone(worker: u64) -> Failed {
        let worker = WorkerId::new(worker);
        let youngest = worker;
        Failed { worker, youngest }
    }

    #[test]
    fn delays_grow_with_jitter_and_stay_bounded() {
        let now = Instant::now();
        let mut backoff = Backoff::new(7);
        let mut delays = Vec::new();
        for worker in 0..20 {
            backoff.failed(alone(worker), now);
            delays.push(backoff.not_before().expect("a delay was set") - now);
        }
        assert!(
            delays[0] >= FIRST * 8 / 10 && delays[0] <= FIRST * 12 / 10,
            "{:?}",
            delays[0]
        );
        assert!(delays[4] > delays[0] * 8, "{delays:?}");
        assert!(
            delays.iter().all(|delay| *delay <= LONGEST * 12 / 10),
            "{delays:?}"
        );
    }

    #[test]
    fn success_of_a_worker_launched_since_forgets_failures() {
        let now = Instant::now();
        let mut backoff = Backoff::new(7);
        backoff.launch_failed(alone(1), now);
        assert!(!backoff.worked(now), "it was there before");
        assert!(!backoff.may_launch(now));
        assert!(backoff.worked(now + FIRST));
        assert!(backoff.may_launch(now));
        assert_eq!(backoff.launch_failures(), 0);
    }

    #[test]
    fn success_does_not_mend_what_trying_again_cannot() {
        let now = Instant::now();
        let mut backoff = Backoff::new(7);
        backoff.failed(alone(1), now);
        backoff.give_up(alone(2));
        assert!(!backoff.worked(now + FIRST));
        assert!(backoff.gave_up());
    }

    #[test]
    fn one_early_death_costs_nothing_a_second_does() {
        let now = Instant::now();
        let mut backoff = Backoff::new(7);
        backoff.died_young(alone(1), now);
        assert!(backoff.may_launch(now));
        backoff.died_young(alone(2), now);
        assert!(!backoff.may_launch(now));
    }
}
