//! Whether a pool can do its work, and why not. Pure: judges what it is told.

use std::fmt;
use std::time::Duration;

use super::shared::Phase;
use crate::error::LaunchError;

/// How well a pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthStatus {
    /// As many lanes answered as are wanted.
    Ready,
    /// It serves calls, but not as it should.
    Degraded,
    /// It serves no calls.
    Down,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Down => "down",
        })
    }
}

/// A pool's health at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// How well it is.
    pub status: HealthStatus,
    /// Why it is not ready: one fragment each. Empty when it is.
    pub reasons: Vec<String>,
    /// Lanes that take calls now, and whose workers give signs of life.
    pub lanes: usize,
    /// Workers that take calls now.
    pub workers: usize,
    /// Workers wanted.
    pub wanted: usize,
}

/// Whether launching workers goes on after deaths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerState {
    /// Workers are launched as needed.
    Closed,
    /// None is launched for this long.
    Open {
        /// The break.
        pause: Duration,
    },
    /// One was launched to see whether it lives.
    HalfOpen,
}

/// What a pool's health depends on. Cheap to compare: it is looked at after every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vitals {
    pub(super) phase: Phase,
    pub(super) wanted: usize,
    pub(super) ready: usize,
    /// Workers that are ready and have not given a sign for too long.
    pub(super) silent: usize,
    /// Launches that failed since one last worked.
    pub(super) failing: u32,
    pub(super) gave_up: bool,
    pub(super) breaker: BreakerState,
    /// Policies that were stopped.
    pub(super) stopped: usize,
}

impl Vitals {
    pub(super) fn status(&self) -> HealthStatus {
        let answering = self.ready.saturating_sub(self.silent);
        let well = answering >= self.wanted
            && self.failing == 0
            && !self.gave_up
            && self.breaker == BreakerState::Closed
            && self.stopped == 0;
        match (self.phase, answering, well) {
            (Phase::Draining | Phase::Closed, _, _) | (_, 0, _) => HealthStatus::Down,
            (_, _, false) => HealthStatus::Degraded,
            (_, _, true) => HealthStatus::Ready,
        }
    }

    /// Why the pool is not ready, but for what needs more than numbers.
    pub(super) fn reasons(&self, last_failure: Option<&LaunchError>) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.phase {
            Phase::Open => {}
            Phase::Draining => reasons.push("the pool is draining".to_owned()),
            Phase::Closed => return vec!["the pool is closed".to_owned()],
        }
        if self.ready < self.wanted {
            reasons.push(format!(
                "{} of {} workers are ready",
                self.ready, self.wanted
            ));
        }
        match last_failure {
            Some(cause) if self.gave_up => {
                reasons.push(format!("launching workers was given up: {cause}"));
            }
            Some(cause) if self.failing > 0 => {
                reasons.push(format!("launching workers fails: {cause}"));
            }
            _ => {}
        }
        match self.breaker {
            BreakerState::Closed => {}
            BreakerState::Open { pause } => reasons.push(format!(
                "workers died faster than they were of use: none is launched for {pause:?}"
            )),
            BreakerState::HalfOpen => {
                reasons
                    .push("workers died faster than they were of use: one is being tried".into());
            }
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::LaunchErrorKind;

    const WELL: Vitals = Vitals {
        phase: Phase::Open,
        wanted: 2,
        ready: 2,
        silent: 0,
        failing: 0,
        gave_up: false,
        breaker: BreakerState::Closed,
        stopped: 0,
    };

    #[test]
    fn each_fault_shows_in_the_status_and_has_a_reason() {
        let cause = LaunchError::new(LaunchErrorKind::Interpreter("none".into()));
        let pause = Duration::from_secs(1);
        let faults: [(Vitals, HealthStatus, &str); 8] = [
            (
                Vitals { ready: 1, ..WELL },
                HealthStatus::Degraded,
                "1 of 2 workers are ready",
            ),
            (
                Vitals { ready: 0, ..WELL },
                HealthStatus::Down,
                "0 of 2 workers are ready",
            ),
            (
                Vitals { failing: 1, ..WELL },
                HealthStatus::Degraded,
                "launching workers fails: interpreter: none",
            ),
            (
                Vitals {
                    gave_up: true,
                    failing: 1,
                    ..WELL
                },
                HealthStatus::Degraded,
                "launching workers was given up: interpreter: none",
            ),
            (
                Vitals {
                    breaker: BreakerState::Open { pause },
                    ..WELL
                },
                HealthStatus::Degraded,
                "workers died faster than they were of use: none is launched for 1s",
            ),
            (
                Vitals {
                    breaker: BreakerState::HalfOpen,
                    ..WELL
                },
                HealthStatus::Degraded,
                "workers died faster than they were of use: one is being tried",
            ),
            (
                Vitals {
                    phase: Phase::Draining,
                    ..WELL
                },
                HealthStatus::Down,
                "the pool is draining",
            ),
            (
                Vitals {
                    phase: Phase::Closed,
                    ..WELL
                },
                HealthStatus::Down,
                "the pool is closed",
            ),
        ];
        for (vitals, status, reason) in faults {
            assert_eq!(vitals.status(), status, "{vitals:?}");
            assert_eq!(vitals.reasons(Some(&cause)), [reason], "{vitals:?}");
        }
        assert_eq!(WELL.status(), HealthStatus::Ready);
        assert!(WELL.reasons(Some(&cause)).is_empty());
    }

    #[test]
    fn lanes_that_do_not_answer_do_not_count() {
        assert_eq!(
            Vitals { silent: 1, ..WELL }.status(),
            HealthStatus::Degraded
        );
        assert_eq!(Vitals { silent: 2, ..WELL }.status(), HealthStatus::Down);
    }
}
