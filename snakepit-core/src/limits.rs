//! Limits that those who run workers enforce, as plain data. Knows nobody who does.

use std::time::Duration;

/// What one worker may use, for its profile to enforce. What is `None` is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory of its own in bytes, `worker_hard_memory`. A worker that wants more is killed.
    pub hard_memory: Option<u64>,
    /// Files it may have open, `rlimits.nofile`.
    pub open_files: Option<u64>,
    /// Bytes of a core dump, `rlimits.core`.
    pub core_dump: Option<u64>,
    /// Bytes of address space, `rlimits.as`. Libraries reserve far more of it than they use.
    pub address_space: Option<u64>,
}

/// How many workers a profile can run here, and why not more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// The most workers.
    pub workers: usize,
    /// One fragment: "each needs 4 of the 1024 files this process may have open".
    pub why: String,
}

/// How long an interrupted call may take to let go of its lane, rung by rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelGrace {
    /// After the call was only told that it is cancelled, and may end by itself, `cooperative_grace`.
    pub cooperative: Duration,
    /// After it was interrupted (an exception, a signal), `cancel_grace`. Then the lane is stuck.
    pub interrupt: Duration,
}

impl CancelGrace {
    /// Interrupts at once, then waits for so long.
    pub const fn interrupt(after: Duration) -> Self {
        Self {
            cooperative: Duration::ZERO,
            interrupt: after,
        }
    }

    /// All of it.
    pub fn total(&self) -> Duration {
        self.cooperative.saturating_add(self.interrupt)
    }
}
