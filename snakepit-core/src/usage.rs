//! What a worker uses, and who measures it. Knows no process: a crate that does implements [`Meter`].

use std::fmt;
use std::time::{Duration, Instant};

/// What a worker used when someone looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// When it was measured.
    pub at: Instant,
    /// Memory no other process shares, in bytes: what its end would give back.
    pub private: u64,
    /// Processor time of all its threads since it began.
    pub cpu: Duration,
}

impl Usage {
    /// A reading.
    pub fn new(at: Instant, private: u64, cpu: Duration) -> Self {
        Self { at, private, cpu }
    }
}

/// Measures workers that are processes of this machine. One serves all pools. One that panics, or takes longer than a
/// launch may, costs no worker: the notice `meter.failed` tells so, and policies go without readings.
pub trait Meter: fmt::Debug + Send + Sync + 'static {
    /// Measures now; `None` if there is no such process, or nobody may look.
    ///
    /// # Blocking
    /// For a few milliseconds at most: it reads what the kernel keeps ready.
    fn read(&self, process: u32) -> Option<Usage>;

    /// Measures again and again until the returned guard is dropped or the process is gone, about once per `every`.
    /// `report` is called from a thread of the meter's own and must not block.
    fn watch(&self, process: u32, every: Duration, report: Report) -> Watch;
}

/// Takes readings.
pub type Report = Box<dyn FnMut(Usage) + Send>;

/// Ends a [`Meter::watch`] when dropped.
#[must_use = "dropping it ends the watch"]
pub struct Watch(#[expect(dead_code, reason = "held to be dropped")] Box<dyn Send + Sync>);

impl Watch {
    /// Wraps what ends the watch when it is dropped.
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}
