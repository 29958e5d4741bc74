//! The numbers a pool is run by. Plain data: knows neither where they came from nor what obeys
//! them.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

/// How large a pool is, how long things may take, and when it gives up.
///
/// ```
/// use std::time::Duration;
/// use snakepit_core::PoolSettings;
///
/// let request_timeout = Duration::from_secs(5);
/// let settings = PoolSettings { size: 4, request_timeout, ..PoolSettings::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// How many workers, `pool_size`. At least 1.
    pub size: usize,
    /// How many calls may wait for a free lane, `queue_size`; the next one is rejected.
    pub queue_size: usize,
    /// How long a call may wait for a free lane, `queue_timeout`.
    pub queue_timeout: Duration,
    /// How long a call may take from start to end, unless it says otherwise, `request_timeout`.
    pub request_timeout: Duration,
    /// How long a worker may take to become ready, `startup_timeout`.
    pub startup_timeout: Duration,
    /// How long an abandoned call may take to let go of its lane before its worker is replaced,
    /// `cancel_grace`.
    pub cancel_grace: Duration,
    /// How long a worker may take to stop before it is killed, `stop_grace`.
    pub stop_grace: Duration,
    /// After how many workers lost to one call that call is given up, `poison_threshold`. At least
    /// 1.
    pub poison_threshold: u32,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            size: available_parallelism().map_or(1, NonZeroUsize::get),
            queue_size: 1000,
            queue_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            startup_timeout: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(1),
            stop_grace: Duration::from_secs(5),
            poison_threshold: 2,
        }
    }
}
