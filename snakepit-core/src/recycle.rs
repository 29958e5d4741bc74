//! The contract of recycle policies: when is a worker due for replacement? Knows no policy and never kills.

use std::fmt;
use std::time::Instant;

use crate::ids::WorkerId;

/// Decides when a worker is due for replacement. Pure: no I/O, no clock of its own.
///
/// The pool asks after each call and at the times [`recheck_at`](Self::recheck_at) names. A worker that is due goes on
/// serving until its replacement is ready.
pub trait RecyclePolicy: fmt::Debug + Send + Sync + 'static {
    /// Judges one worker.
    fn assess(&self, worker: &WorkerView, now: Instant) -> Verdict;

    /// When to ask again even if nothing happens.
    fn recheck_at(&self, _worker: &WorkerView, _now: Instant) -> Option<Instant> {
        None
    }
}

/// What a policy may know of a worker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WorkerView {
    /// The worker.
    pub worker: WorkerId,
    /// When it became ready.
    pub ready_at: Instant,
    /// Calls it has finished.
    pub served: u64,
    /// Lanes in use now.
    pub busy: usize,
    /// Since when no lane is in use.
    pub idle_since: Option<Instant>,
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Leave it.
    Keep,
    /// Replace it, then let it finish and stop; the words go into events.
    Retire(String),
}
