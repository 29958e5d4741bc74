//! How long to wait before the next launch after failures; knows no worker and no clock.

use std::time::{Duration, Instant};

use super::jitter::Jitter;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Exponential delay with jitter, from 100 ms to 30 s.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
    gave_up: bool,
    jitter: Jitter,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            not_before: None,
            gave_up: false,
            jitter: Jitter::new(seed),
        }
    }

    /// A launch failed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
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
        } else {
            self.failed(now);
        }
    }

    /// A launch failed in a way that trying again cannot mend.
    pub(super) fn give_up(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.gave_up = true;
    }

    /// A worker proved useful.
    pub(super) fn worked(&mut self) {
        self.failures = 0;
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

    pub(super) fn failures(&self) -> u32 {
        self.failures
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
    fn success_forgets_failures() {
        let now = Instant::now();
        let mut backoff = Backoff::new(7);
        backoff.failed(now);
        assert!(!backoff.may_launch(now));
        backoff.worked();
        assert!(backoff.may_launch(now));
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
