//! Every way a call, a launch or a pool can fail; knows no transport, no process and no Python.
//!
//! `Display` is one lower-case fragment that never repeats its source. What to *do* is kept apart from what happened:
//! [`CallError::delivery`], [`CallError::retry`], [`CallError::hint`].

mod debug;
mod exception;
mod exit;
mod launch;
mod object_ref;
mod rejection;
mod remote;
mod tool;
mod traceback;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::ids::PoolName;
use crate::value::ValueError;

pub use exception::{Frame, RemoteException, SyntaxPlace};
pub use exit::{ExitReport, ExitStatus, LostCall};
pub use launch::{LaunchError, LaunchErrorKind};
pub use object_ref::RefError;
pub use rejection::Rejection;
pub use remote::{RemoteError, RemoteKind};
pub use tool::ToolError;

/// Did user code possibly run?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The call certainly never reached user code: sending it again cannot do anything twice.
    NotSent,
    /// The call was handed over; its effects may or may not have happened.
    MaybeExecuted,
}

/// What a caller may do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// The same call would fail the same way.
    Never,
    /// Safe to repeat now.
    Now,
    /// Safe to repeat, but the pool needs time first.
    Later,
    /// Repeat only if the command may run twice.
    IfIdempotent,
}

impl Retry {
    /// Its name in other languages: `never`, `now`, `later`, `if_idempotent`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Now => "now",
            Self::Later => "later",
            Self::IfIdempotent => "if_idempotent",
        }
    }
}

/// Where a call was when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Waiting for a free lane.
    Queue,
    /// Handed to a worker.
    Run,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "waiting for a free lane",
            Self::Run => "running",
        })
    }
}

/// A call that did not return a value. `Debug` shows all there is to know, for people.
#[derive(Clone, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The worker answered, and the answer is an error.
    #[error("{0}")]
    Remote(Box<RemoteError>),
    /// The pool would not take the call.
    #[error("pool `{pool}` {reason}")]
    Rejected {
        /// The pool.
        pool: PoolName,
        /// Why.
        reason: Rejection,
    },
    /// The time ran out.
    #[error("`{command}` timed out after {after:?} {stage}")]
    TimedOut {
        /// The command.
        command: String,
        /// What the call was doing.
        stage: Stage,
        /// The limit that ran out.
        after: Duration,
    },
    /// The worker went away during the call.
    #[error("worker {} was lost: {}", .0.worker, .0.cause())]
    WorkerLost(Arc<ExitReport>),
    /// The call killed so many workers that it will not be tried again.
    #[error("the call killed {} workers in a row, the last one: {}", .reports.len(), last_cause(.reports))]
    Poisoned {
        /// How each of them ended, in order.
        reports: Vec<Arc<ExitReport>>,
    },
    /// Someone other than the caller stopped the call: a [`CancelHandle`](crate::CancelHandle), or a pool that drains.
    #[error("cancelled {stage}: {why}")]
    Cancelled {
        /// What the call was doing.
        stage: Stage,
        /// Who stopped it.
        why: &'static str,
    },
    /// The worker broke the protocol and was retired.
    #[error("worker {worker} broke the protocol: {detail}")]
    Protocol {
        /// The worker, as `pool/number`.
        worker: String,
        /// What was seen.
        detail: String,
    },
    /// The arguments cannot be carried.
    #[error("arguments of `{command}` cannot be sent: {source}")]
    Encode {
        /// The command.
        command: String,
        /// What is wrong and where.
        source: ValueError,
    },
    /// A handle on an object cannot be used by the call, or none can be made by it.
    #[error("{0}")]
    Ref(RefError),
    /// The result is not of the type the caller asked for.
    #[error("result of `{command}` does not fit: {source}")]
    Decode {
        /// The command.
        command: String,
        /// What is wrong and where.
        source: ValueError,
    },
}

impl CallError {
    /// A stable code for logs, metrics and other languages.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Remote(remote) => remote.kind.code(),
            Self::Rejected { reason, .. } => reason.code(),
            Self::TimedOut {
                stage: Stage::Queue,
                ..
            } => "call.queue_timeout",
            Self::TimedOut { .. } => "call.timeout",
            Self::WorkerLost(_) => "call.worker_lost",
            Self::Poisoned { .. } => "call.poisoned",
            Self::Cancelled { .. } => "call.cancelled",
            Self::Protocol { .. } => "call.protocol",
            Self::Encode { .. } => "call.encode",
            Self::Ref(error) => error.code(),
            Self::Decode { .. } => "call.decode",
        }
    }

    /// Whether user code may have run.
    pub fn delivery(&self) -> Delivery {
        match self {
            Self::Remote(remote) => remote.kind.delivery(),
            Self::Rejected { .. }
            | Self::Encode { .. }
            | Self::Ref(_)
            | Self::TimedOut {
                stage: Stage::Queue,
                ..
            }
            | Self::Cancelled {
                stage: Stage::Queue,
                ..
            } => Delivery::NotSent,
            Self::WorkerLost(report) => report.delivery,
            Self::TimedOut { .. }
            | Self::Cancelled { .. }
            | Self::Poisoned { .. }
            | Self::Protocol { .. }
            | Self::Decode { .. } => Delivery::MaybeExecuted,
        }
    }

    /// Whether repeating the call makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Remote(_)
            | Self::Encode { .. }
            | Self::Ref(_)
            | Self::Decode { .. }
            | Self::Poisoned { .. }
            | Self::Cancelled { .. } => Retry::Never,
            Self::Rejected { reason, .. } => reason.retry(),
            Self::TimedOut {
                stage: Stage::Queue,
                ..
            } => Retry::Later,
            Self::TimedOut { .. } | Self::Protocol { .. } => Retry::IfIdempotent,
            Self::WorkerLost(report) => match report.delivery {
                Delivery::NotSent => Retry::Now,
                Delivery::MaybeExecuted => Retry::IfIdempotent,
            },
        }
    }

    /// The exception the command raised, if that is what happened.
    pub fn exception(&self) -> Option<&RemoteException> {
        match self {
            Self::Remote(remote) if !remote.exception.type_name.is_empty() => {
                Some(&remote.exception)
            }
            _ => None,
        }
    }

    /// Whether the command raised an exception of a class, or of one derived from it: `ValueError`, `acme.errors.Broken`.
    pub fn is(&self, class: &str) -> bool {
        self.exception()
            .is_some_and(|exception| exception.is(class))
    }

    /// What to do about it, when there is something to do.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        Some(match self {
            Self::Remote(remote) => return remote.hint.clone().map(Cow::Owned),
            Self::Rejected { reason, .. } => return reason.hint(),
            Self::TimedOut { stage: Stage::Queue, .. } => {
                "all lanes stayed busy: raise `pool_size`, or `queue_timeout` if waiting is fine".into()
            }
            Self::TimedOut { .. } => {
                "raise the call's timeout, that of its `@tool`, or `request_timeout`; the command is interrupted".into()
            }
            Self::WorkerLost(report) => return report.hint(),
            Self::Poisoned { .. } => {
                "look at the worker's last output; the arguments of this call crash the interpreter".into()
            }
            Self::Cancelled { .. } => return None,
            Self::Protocol { .. } => {
                "code in the worker wrote to, or closed, file descriptors it does not own; the worker was replaced"
                    .into()
            }
            Self::Ref(error) => error.hint().into(),
            Self::Encode { .. } => "pass plain data: null, booleans, numbers, strings, bytes, lists, maps".into(),
            Self::Decode { .. } => "ask for `snakepit_core::Value` to see what came back".into(),
        })
    }
}

/// The cause of the last of several deaths.
fn last_cause(reports: &[Arc<ExitReport>]) -> String {
    reports
        .last()
        .map(|report| report.cause())
        .unwrap_or_default()
}
