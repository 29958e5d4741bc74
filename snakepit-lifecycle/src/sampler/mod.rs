//! Measures workers that are processes of this machine. Knows no policy, and no pool.
//!
//! ```text
//! watch ──▶ rounds: whose turn is it? ──▶ process: a look, cheap ──▶ economy: is an exact reading worth it? ──▶ report
//! ```

mod economy;
#[cfg(target_os = "linux")]
mod process;
#[cfg(not(target_os = "linux"))]
#[path = "elsewhere.rs"]
mod process;
mod rounds;

use std::sync::Arc;
use std::time::{Duration, Instant};

use snakepit_core::{Meter, Report, Usage, Watch};
use thiserror::Error;

use process::Process;
use rounds::Rounds;

/// Measures processes by `/proc`. One serves all pools.
///
/// Watching takes one thread however many processes there are, and none when there are none. An exact reading of memory
/// costs the kernel a walk over all pages of a process, about a millisecond for one that has imported pandas. So it is
/// taken at once when a process was given much memory; else only when it can have changed, and not so often that all of it
/// took more than a fiftieth of one core. Until then there is no reading. No process is looked at more often than 100 times
/// a second.
///
/// A process is known by its number and the time it began: another one that gets its number is never taken for it.
///
/// Private memory includes the process' share of what was moved to swap.
#[derive(Debug, Default)]
pub struct Sampler {
    rounds: Arc<Rounds>,
}

impl Sampler {
    /// A sampler that watches nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether anything can be measured here, tried on this very process.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check(&self) -> Result<(), Unmeasurable> {
        let process = Process::find(std::process::id())?;
        process.look()?.private().map(drop)
    }
}

impl Meter for Sampler {
    fn read(&self, process: u32) -> Option<Usage> {
        let look = Process::find(process).ok()?.look().ok()?;
        let private = look.private().ok()?;
        Some(Usage::new(Instant::now(), private, look.cpu))
    }

    fn watch(&self, process: u32, every: Duration, report: Report) -> Watch {
        match Process::find(process) {
            Ok(process) => Watch::new(self.rounds.join(process, every, report)),
            // It is gone, or nobody may look: there will be no readings.
            Err(_) => Watch::new(()),
        }
    }
}

/// Why a process cannot be measured.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Unmeasurable {
    /// There is no such process, or no longer.
    #[error("there is no process {process}")]
    Gone {
        /// Its number.
        process: u32,
    },
    /// The kernel does not tell.
    #[error("/proc does not tell: {0}")]
    Hidden(String),
}
