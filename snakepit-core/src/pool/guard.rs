//! The thrash guard: a policy that replaces worker after worker of little use is a mistake in the settings. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Retirements this close together are one series.
const WITHIN: Duration = Duration::from_secs(60);

/// A worker that finished as many calls was of use.
const OF_USE: u64 = 10;

/// Fewer retirements than this prove nothing, in a pool of any size.
const AT_LEAST: usize = 5;

/// Watches the retirements by one policy.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Of workers of little use, one after the other.
    recent: VecDeque<Instant>,
}

impl Guard {
    /// The policy wants to retire a worker that finished `served` calls, in a pool of `size`. Whether the policy is to be
    /// stopped instead.
    pub(super) fn retires(&mut self, served: u64, size: usize, now: Instant) -> bool {
        if served >= OF_USE {
            self.recent.clear();
            return false;
        }
        let limit = size.saturating_mul(2).max(AT_LEAST);
        self.recent.push_back(now);
        while self.recent.len() > limit
            || self
                .recent
                .front()
                .is_some_and(|at| now.duration_since(*at) > WITHIN)
        {
            self.recent.pop_front();
        }
        self.recent.len() >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped_after(size: usize, gap: Duration, served: impl Fn(usize) -> u64) -> Option<usize> {
        let start = Instant::now();
        let mut guard = Guard::default();
        (0..1000).find(|&number| {
            let at = start + gap * u32::try_from(number).expect("a small number");
            guard.retires(served(number), size, at)
        })
    }

    #[test]
    fn a_series_of_useless_workers_stops_the_policy() {
        assert_eq!(stopped_after(1, Duration::from_secs(1), |_| 0), Some(4));
        assert_eq!(stopped_after(10, Duration::from_secs(1), |_| 9), Some(19));
    }

    #[test]
    fn a_slow_series_does_not() {
        assert_eq!(stopped_after(1, Duration::from_secs(20), |_| 0), None);
    }

    #[test]
    fn a_worker_of_use_ends_the_series() {
        let served = |number| if number % 4 == 3 { 10 } else { 0 };
        assert_eq!(stopped_after(1, Duration::from_secs(1), served), None);
        assert_eq!(stopped_after(1, Duration::ZERO, |_| 1000), None);
    }
}
