//! Whether a pool can do its work, and why not. Pure: judges what it is told.

use std::fmt;
use std::time::Duration;

/// How well a pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthStatus {
    /// As many lanes answered as are wanted.
    Ready,
    /// It serves calls, but not as it should.
    Degraded,
    /// It serves no calls.
    Down,
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Down => "down",
        })
    }
}

/// A pool's health at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// How well it is.
    pub status: HealthStatus,
    /// Why it is not ready: one fragment each. Empty when it is.
    pub reasons: Vec<String>,
    /// Lanes that take calls now.
    pub lanes: usize,
    /// Workers that take calls now.
    pub workers: usize,
    /// Workers wanted.
    pub wanted: usize,
}

/// Whether launching workers goes on after deaths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BreakerState {
    /// Workers are launched as needed.
    Closed,
    /// None is launched for this long.
    Open {
        /// The break.
        pause: Duration,
    },
    /// One was launched to see whether it lives.
    HalfOpen,
}
