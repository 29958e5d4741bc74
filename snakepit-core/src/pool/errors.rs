//! Why a pool did not do what its owner asked for. Knows no scheduler.

use thiserror::Error;

use crate::ids::WorkerId;

/// Why a worker was not recycled.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecycleError {
    /// There is no such worker, or no longer.
    #[error("there is no worker {worker}")]
    UnknownWorker {
        /// The number asked for.
        worker: WorkerId,
    },
    /// It does not serve: it is being launched, or on its way out already.
    #[error("worker {worker} is {state}")]
    NotServing {
        /// The worker.
        worker: WorkerId,
        /// Its state.
        state: &'static str,
    },
    /// The pool drains or is closed.
    #[error("the pool is shutting down")]
    Closed,
}

/// Why a pool was not resized.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResizeError {
    /// A pool has at least one worker; one without any is a pool that is drained.
    #[error("a pool needs at least one worker")]
    Zero,
    /// The fewest are more than the most.
    #[error("the least of {min} workers is more than the most of {max}")]
    Reversed {
        /// The fewest.
        min: usize,
        /// The most.
        max: usize,
    },
    /// More than can be run.
    #[error("{asked} workers are more than the {most} there can be: {why}")]
    TooMany {
        /// Workers asked for.
        asked: usize,
        /// The most possible.
        most: usize,
        /// What stands in the way of more.
        why: String,
    },
    /// The pool drains or is closed.
    #[error("the pool is shutting down")]
    Closed,
}

/// What [`Pool::reload`](crate::Pool::reload) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReloadReport {
    /// Workers that were replaced.
    pub replaced: usize,
}
