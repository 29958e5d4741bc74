//! How long to wait before the next launch after failures; knows no worker and no clock.

use std::time::{Duration, Instant};

use super::jitter::Jitter;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Exponential delay with jitter, from 100 ms to 30 s.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    /// Those of the failures that were launches with a cause; the others were workers that died young.
    launch_failures: u32,
    failed_at: Option<Instant>,
    not_before: Option<Instant>,
    gave_up: bool,
    jitter: Jitter,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            launch_failures: 0,
            failed_at: None,
            not_before: None,
            gave_up: false,
            jitter: Jitter::new(seed),
        }
    }

    /// A launch failed, and it is known why.
    pub(super) fn launch_failed(&mut self, now: Instant) {
        self.launch_failures = self.launch_failures.saturating_add(1);
        self.failed(now);
    }

    /// A launch came to nothing, nobody knows why.
    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.failed_at = Some(now);
        let doubled = FIRST
            .saturating_mul(1 << (self.failures - 1).min(16))
            .min(LONGEST);
        self.not_before = Some(now + self.jitter.spread(doubled));
    }

    /// A worker was launched but died before it was of any use. The first such death may be an accident and costs
    /// nothing; more of them are treated as failed launches.
    pub(super) fn died_young(&mut self, now: Instant) {
        if self.failures == 0 {
            self.failures = 1;
            self.failed_at = Some(now);
        } else {
            self.failed(now);
        }
    }

    /// A launch failed in a way that trying again cannot mend.
    pub(super) fn give_up(&mut self) {
        self.launch_failures = self.launch_failures.saturating_add(1);
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
        self.failures = 0;
        self.launch_failures = 0;
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

    /// Launches that failed with a cause since one last worked.
    pub(super) fn launch_failures(&self) -> u32 {
        self.launch_failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_with_jitter_and_stay_bounded() {
        let now = Instant::now();
        let mut backoff = Backoff::new(7);
        let mut delays = Vec::new();
        for _ in 0..20 {
            backoff.failed(now);
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
        backoff.launch_failed(now);
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
        backoff.failed(now);
        backoff.give_up();
        assert!(!backoff.worked(now + FIRST));
        assert!(backoff.gave_up());
    }

    #[test]
    fn one_early_death_costs_nothing_a_second_does() {
        let now = Instant::now();
        let mut backoff = Backoff::new(7);
        backoff.died_young(now);
        assert!(backoff.may_launch(now));
        backoff.died_young(now);
        assert!(!backoff.may_launch(now));
    }
}
