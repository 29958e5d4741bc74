//! What is known of processes where there is no `/proc`: nothing.

use std::time::Duration;

use super::Unmeasurable;
use super::economy::Seen;

/// A process that cannot be looked at.
#[derive(Debug)]
pub(super) struct Process;

/// A look that never happened.
pub(super) struct Look {
    pub(super) cpu: Duration,
    pub(super) seen: Seen,
}

impl Process {
    pub(super) fn find(_process: u32) -> Result<Self, Unmeasurable> {
        Err(Unmeasurable::Hidden("only Linux has it".into()))
    }

    pub(super) fn look(&self) -> Result<Look, Unmeasurable> {
        Err(Unmeasurable::Hidden("only Linux has it".into()))
    }
}

impl Look {
    pub(super) fn private(&self) -> Result<u64, Unmeasurable> {
        Err(Unmeasurable::Hidden("only Linux has it".into()))
    }
}

/// Processor time this thread has used.
pub(super) fn thread_time() -> Duration {
    Duration::ZERO
}
