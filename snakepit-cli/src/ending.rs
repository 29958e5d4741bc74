//! Ends pools when a signal asks for it: each signal goes one step further. Knows no command.
//!
//! ```text
//! signal ──▶ finish within the grace, if there is one ──▶ interrupt, and let Python clean up ──▶ kill
//!               over, or another signal ──▶                 over, or another signal ──▶
//! ```

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use snakepit_core::config::scalar::HumanDuration;
use snakepit_core::{DrainReport, Snakepit};
use tokio::time::{sleep, timeout};

use crate::logs::Printer;
use crate::running::{HASTE, Interrupt};

/// What was ended by force in one pool.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pool: String,
    interrupted: usize,
    killed: usize,
    rejected: usize,
    /// Workers that were there when nobody waited for them any more.
    workers: usize,
}

impl Left {
    fn is_nothing(&self) -> bool {
        let Self {
            pool: _,
            interrupted,
            killed,
            rejected,
            workers,
        } = self;
        interrupted + killed + rejected + workers == 0
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pool `{}`", self.pool)?;
        let mut separator = ":";
        for (count, one, what) in [
            (self.interrupted, "call", "interrupted"),
            (self.killed, "call", "killed together with its worker"),
            (self.rejected, "call", "rejected"),
            (self.workers, "worker", "killed"),
        ] {
            if count > 0 {
                let (plural, verb) = if count == 1 {
                    ("", "was")
                } else {
                    ("s", "were")
                };
                write!(f, "{separator} {count} {one}{plural} {verb} {what}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

/// Ends the pools after a first signal while `work` goes on as long as it may. What came of `work`, and what was ended by
/// force. Whoever drops the pools next kills what is left.
///
/// Each step lasts for its grace and `patience` at most.
pub(crate) async fn end<T>(
    pit: &Snakepit,
    mut work: Pin<&mut impl Future<Output = T>>,
    grace: Option<Duration>,
    patience: Duration,
    interrupt: &mut Interrupt,
    printer: &Printer,
) -> (Option<T>, Vec<Left>) {
    let mut result = None;
    for grace in grace.into_iter().chain([Duration::ZERO]) {
        let finishing = async {
            if result.is_none() {
                result = Some(work.as_mut().await);
            }
        };
        let drained = async { tokio::join!(finishing, pit.drain(grace)).1 };
        tokio::select! {
            reports = timeout(grace + patience, drained) => match reports {
                Ok(reports) => return (result, left(&reports)),
                Err(_) => break,
            },
            _ = interrupt.next() => {}
            never = explain(grace, printer) => match never {},
        }
    }
    (result, unfinished(pit))
}

/// Says what is waited for, and what the next signal does.
async fn explain(grace: Duration, printer: &Printer) -> Infallible {
    if grace.is_zero() {
        // Nobody wants to read of what is over before it is read.
        sleep(HASTE).await;
        printer.note("waiting for workers to clean up; a further signal kills them");
    } else {
        let grace = HumanDuration::from(grace);
        printer.note(&format!(
            "finishing what runs, for {grace} at most; a further signal interrupts it"
        ));
    }
    pending().await
}

fn left(reports: &[(snakepit_core::PoolName, DrainReport)]) -> Vec<Left> {
    let left = reports.iter().map(|(pool, report)| Left {
        pool: pool.to_string(),
        interrupted: report.interrupted.saturating_sub(report.killed),
        killed: report.killed,
        rejected: report.rejected,
        workers: 0,
    });
    left.filter(|left| !left.is_nothing()).collect()
}

fn unfinished(pit: &Snakepit) -> Vec<Left> {
    let left = pit.pools().iter().map(|pool| Left {
        pool: pool.name().to_string(),
        workers: pool.snapshot().workers.len(),
        ..Left::default()
    });
    left.filter(|left| !left.is_nothing()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_told_in_a_line() {
        let mut left = Left {
            pool: "fast".into(),
            interrupted: 1,
            ..Left::default()
        };
        assert_eq!(left.to_string(), "pool `fast`: 1 call was interrupted");
        left.rejected = 2;
        left.workers = 1;
        assert_eq!(
            left.to_string(),
            "pool `fast`: 1 call was interrupted, 2 calls were rejected, 1 worker was killed"
        );
    }
}
