//! Whether a call whose worker was lost is tried again. Pure: knows no clock, no pool.

use std::sync::Arc;

use crate::error::{CallError, Delivery, ExitReport, Stage};

/// How often a call is tried again that never reached its worker: a pool whose workers die faster than they can be called
/// must not keep a caller busy for ever.
const UNSENT: u32 = 10;

/// Tries one retry is worth, in tokens.
const PRICE: u32 = 5;

/// Tokens a new pool has: 10 retries.
const FIRST: u32 = 10 * PRICE;

/// The most tokens: 100 retries.
const MOST: u32 = 100 * PRICE;

/// What the calls of a pool may spend on being tried again after user code may have run: one retry for every five
/// calls that got a lane, so that retries never multiply a pool's load when its workers die.
#[derive(Debug)]
pub(super) struct Budget(u32);

impl Default for Budget {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Budget {
    /// A call got a lane, for the first time.
    pub(super) fn earn(&mut self) {
        self.0 = (self.0 + 1).min(MOST);
    }

    /// Pays for one retry. False if there is not enough.
    pub(super) fn spend(&mut self) -> bool {
        let paid = self.0.checked_sub(PRICE);
        self.0 = paid.unwrap_or(self.0);
        paid.is_some()
    }
}

/// What became of a call so far.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    unsent: u32,
    deaths: Vec<Arc<ExitReport>>,
}

/// What is next for a call whose worker was lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is tried again.
    Again,
    /// It is tried again, if the pool's [`Budget`] allows.
    Paid,
    /// It failed.
    Fail,
    /// It took too many workers along.
    Poisoned(Vec<Arc<ExitReport>>),
}

impl Attempts {
    /// One more worker was lost.
    pub(super) fn lost(&mut self, report: &Arc<ExitReport>, idempotent: bool, most: u32) -> Next {
        match report.delivery {
            Delivery::NotSent => {
                self.unsent += 1;
                if self.unsent <= UNSENT {
                    Next::Again
                } else {
                    Next::Fail
                }
            }
            Delivery::MaybeExecuted if idempotent => {
                self.deaths.push(Arc::clone(report));
                if self.deaths.len() < most as usize {
                    Next::Paid
                } else {
                    Next::Poisoned(std::mem::take(&mut self.deaths))
                }
            }
            Delivery::MaybeExecuted => Next::Fail,
        }
    }

    /// What to tell the caller in the end: an error that says the call never ran is true of the last attempt only.
    pub(super) fn honest(&self, error: CallError) -> CallError {
        match (self.deaths.last(), &error) {
            (Some(_), CallError::Cancelled { why, .. }) => CallError::Cancelled {
                stage: Stage::Run,
                why,
            },
            (Some(death), _) if error.delivery() == Delivery::NotSent => {
                CallError::WorkerLost(Arc::clone(death))
            }
            _ => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ExitStatus;

    fn death() -> Arc<ExitReport> {
        Arc::new(ExitReport::new("p/1", ExitStatus::Signal(11)))
    }

    fn unsent() -> Arc<ExitReport> {
        Arc::new(ExitReport::new("p/1", ExitStatus::Signal(11)).not_sent())
    }

    #[test]
    fn what_may_have_run_is_repeated_only_if_it_may_run_twice() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.lost(&death(), false, 5), Next::Fail);
        assert_eq!(attempts.lost(&death(), true, 5), Next::Paid);
    }

    #[test]
    fn a_call_that_killed_too_many_is_given_up_with_all_reports() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.lost(&death(), true, 3), Next::Paid);
        assert_eq!(attempts.lost(&unsent(), true, 3), Next::Again);
        assert_eq!(attempts.lost(&death(), true, 3), Next::Paid);
        let reports = vec![death(), death(), death()];
        assert_eq!(attempts.lost(&death(), true, 3), Next::Poisoned(reports));
    }

    #[test]
    fn a_call_that_may_have_run_once_is_not_said_never_to_have_run() {
        let timeout = || CallError::TimedOut {
            command: "f".to_owned(),
            stage: Stage::Queue,
            after: std::time::Duration::ZERO,
        };
        let stopped = CallError::Cancelled {
            stage: Stage::Queue,
            why: "why",
        };
        let mut attempts = Attempts::default();
        assert_eq!(attempts.lost(&unsent(), true, 3), Next::Again);
        assert_eq!(attempts.honest(timeout()).delivery(), Delivery::NotSent);
        assert_eq!(attempts.lost(&death(), true, 3), Next::Paid);
        let error = attempts.honest(timeout());
        assert!(matches!(error, CallError::WorkerLost(report) if report == death()));
        let error = attempts.honest(stopped);
        assert_eq!(
            (error.code(), error.delivery()),
            ("call.cancelled", Delivery::MaybeExecuted)
        );
    }

    #[test]
    fn what_never_arrived_is_repeated_ten_times() {
        let mut attempts = Attempts::default();
        for _ in 0..10 {
            assert_eq!(attempts.lost(&unsent(), false, 2), Next::Again);
        }
        assert_eq!(attempts.lost(&unsent(), false, 2), Next::Fail);
    }

    #[test]
    fn a_pool_pays_one_retry_for_five_calls_and_saves_a_hundred() {
        let mut budget = Budget::default();
        assert_eq!((0..1000).take_while(|_| budget.spend()).count(), 10);
        for _ in 0..5 {
            assert!(!budget.spend());
            budget.earn();
        }
        assert!(budget.spend());
        for _ in 0..100_000 {
            budget.earn();
        }
        assert_eq!((0..1000).take_while(|_| budget.spend()).count(), 100);
    }
}
