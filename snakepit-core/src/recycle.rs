//! The contract of recycle policies: when is a worker due for replacement? Knows no policy and never kills.

use std::fmt;
use std::time::{Duration, Instant};

use crate::ids::WorkerId;
use crate::usage::Usage;

/// Decides when a worker is due for replacement. Pure: no I/O, no clock of its own.
///
/// The pool asks when a worker becomes ready, with each reading of its usage, with each silent heartbeat, and whenever
/// [`recheck`](Self::recheck) says so. A worker that is due goes on serving until its replacement is ready. One that panics
/// is asked no more, and [`RecyclingStopped`](crate::EventKind::RecyclingStopped) tells so.
pub trait RecyclePolicy: fmt::Debug + Send + Sync + 'static {
    /// The name in configuration and events, such as `worker_ttl`.
    fn name(&self) -> &str;

    /// Judges one worker.
    fn assess(&self, worker: &WorkerView, now: Instant) -> Verdict;

    /// When to ask again even if nothing else happens.
    fn recheck(&self, _worker: &WorkerView, _now: Instant) -> Recheck {
        Recheck::default()
    }

    /// What the pool has to find out for this policy.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// Judges a worker that has just become ready, before it takes its first call. An error says that the limit cannot
    /// work and shows both numbers; it stops the pool.
    fn admit(&self, _boot: &Usage) -> Result<(), String> {
        Ok(())
    }

    /// Whether retiring worker after worker of little use is a mistake in the settings, and to be stopped. Not so for
    /// limits that say plainly how long a worker is to be used.
    fn is_guarded(&self) -> bool {
        false
    }
}

/// When a policy wants to be asked again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recheck {
    /// At this time.
    pub at: Option<Instant>,
    /// When the worker has finished this many calls.
    pub served: Option<u64>,
}

/// What a pool finds out for a policy; costs nothing when no policy asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// How often to measure what each worker uses, [`WorkerView::readings`].
    pub usage: Option<Duration>,
    /// How often to ask each worker whether it is there, [`WorkerView::heard_at`].
    pub heartbeat: Option<Duration>,
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
    /// Whether the pool may do without it: more workers are ready than `pool_size.min`, and no call waits.
    pub spare: bool,
    /// When it last gave a sign: it became ready, answered a heartbeat, or finished a call.
    pub heard_at: Instant,
    /// What it used when it became ready.
    pub boot: Option<Usage>,
    /// The first reading after its first call was over.
    pub first_call: Option<Usage>,
    /// The latest readings, newest last, at most 16.
    pub readings: Vec<Usage>,
    /// When it last had given back what memory it could, [`Verdict::Trim`].
    pub trimmed_at: Option<Instant>,
    /// Whether the kernel enforces the pool's `worker_hard_memory` on it.
    pub memory_enforced: bool,
}

impl WorkerView {
    /// A worker that has just become ready and was never measured.
    pub fn new(worker: WorkerId, ready_at: Instant) -> Self {
        Self {
            worker,
            ready_at,
            served: 0,
            busy: 0,
            idle_since: Some(ready_at),
            spare: false,
            heard_at: ready_at,
            boot: None,
            first_call: None,
            readings: Vec::new(),
            trimmed_at: None,
            memory_enforced: false,
        }
    }
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Leave it.
    Keep,
    /// Have it give memory back (in Python: a full garbage collection), then measure again.
    Trim,
    /// End it without a replacement, if the pool may shrink.
    Release(String),
    /// Replace it, then let it finish and stop; the words go into events.
    Retire(String),
    /// Kill and replace it at once. Its calls fail with these words as the reason.
    Kill(String),
}
