//! The numbers a pool is run by. Plain data: knows neither where they came from nor what obeys
//! them.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::limits::{CancelGrace, Limits};
use crate::sched::Affinity;

/// What is too long for the clock is as good as for ever: a hundred years.
pub(super) const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

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
    /// How many workers, `pool_size`; the fewest, `pool_size.min`, if there is a `max_size`. At least 1.
    pub size: usize,
    /// How many workers there may be when calls have to wait, `pool_size.max`. `None`: as many as `size`.
    pub max_size: Option<usize>,
    /// How long a call has to wait for a lane before a pool that may grow does so, `scale_up_after`.
    pub scale_up_after: Duration,
    /// How long a pool that has grown waits before it shrinks by one, and between one such step and the next,
    /// `scale_cooldown`.
    pub scale_cooldown: Duration,
    /// How many calls may wait for a free lane, `queue_size`; the next one is rejected.
    pub queue_size: usize,
    /// How long a call may wait for a free lane, `queue_timeout`.
    pub queue_timeout: Duration,
    /// How long a call may take from start to end, unless it says otherwise, `request_timeout`.
    pub request_timeout: Duration,
    /// How long a worker may take to become ready, `startup_timeout`.
    pub startup_timeout: Duration,
    /// How long an abandoned call may take to end by itself, having been told, before it is interrupted,
    /// `cooperative_grace`.
    pub cooperative_grace: Duration,
    /// How long an interrupted call may take to let go of its lane before its worker is replaced,
    /// `cancel_grace`.
    pub cancel_grace: Duration,
    /// How long the other calls of a worker with a stuck lane may go on before it is killed, `quarantine_grace`.
    pub quarantine_grace: Duration,
    /// How long a worker may take to stop before it is killed, `stop_grace`.
    pub stop_grace: Duration,
    /// How many workers may be replaced at the same time, `max_concurrent_recycles`. `None`: a quarter of the pool, at
    /// least one.
    pub max_concurrent_recycles: Option<usize>,
    /// How long a worker due for replacement goes on serving the sessions bound to it by force, `session_drain`.
    ///
    /// Sessions that their adapter saves are not waited for: they go on elsewhere.
    pub session_drain: Duration,
    /// What the calls of a session do when its worker is busy or gone, unless they say otherwise, `session_affinity`.
    pub session_affinity: Affinity,
    /// How long a session lives that nobody uses, `session_ttl`.
    pub session_ttl: Duration,
    /// How many sessions there may be, `max_sessions`; a call that would begin another is rejected. At least 1.
    pub max_sessions: usize,
    /// Bytes that may be kept for a session so that it can go on on another worker, `session_state_limit`. A session
    /// that leaves more is not kept.
    pub session_state_limit: u64,
    /// How many workers may die of themselves within `restart_window`, while that is more than half of the calls
    /// finished in that time, before the pool takes a break, `restart_budget`. `None`: 20, and three for each worker.
    pub restart_budget: Option<u32>,
    /// See [`restart_budget`](Self::restart_budget).
    pub restart_window: Duration,
    /// After how many workers lost to one call that call is given up, `poison_threshold`. At least
    /// 1.
    pub poison_threshold: u32,
    /// How long a call may run before its stack is told in an event, `slow_call_after`. `None`: never.
    pub slow_call_after: Option<Duration>,
    /// What each worker may use.
    pub limits: Limits,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            size: available_parallelism().map_or(1, NonZeroUsize::get),
            max_size: None,
            scale_up_after: Duration::from_millis(10),
            scale_cooldown: Duration::from_secs(5),
            queue_size: 1000,
            queue_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            startup_timeout: Duration::from_secs(30),
            cooperative_grace: Duration::ZERO,
            cancel_grace: Duration::from_secs(1),
            quarantine_grace: Duration::from_secs(30),
            stop_grace: Duration::from_secs(5),
            max_concurrent_recycles: None,
            session_drain: Duration::from_secs(30),
            session_affinity: Affinity::Hint,
            // Long enough for a person's pause, short enough to forget.
            session_ttl: Duration::from_secs(30 * 60),
            max_sessions: 100_000,
            session_state_limit: 1 << 20,
            restart_budget: None,
            restart_window: Duration::from_secs(10),
            poison_threshold: 2,
            slow_call_after: None,
            limits: Limits::default(),
        }
    }
}

impl PoolSettings {
    /// With no time so long that the clock cannot be set to its end.
    pub(super) fn clamped(mut self) -> Self {
        let times = [
            &mut self.scale_up_after,
            &mut self.scale_cooldown,
            &mut self.queue_timeout,
            &mut self.request_timeout,
            &mut self.startup_timeout,
            &mut self.cooperative_grace,
            &mut self.cancel_grace,
            &mut self.quarantine_grace,
            &mut self.stop_grace,
            &mut self.session_drain,
            &mut self.session_ttl,
            &mut self.restart_window,
        ];
        for time in times.into_iter().chain(self.slow_call_after.as_mut()) {
            *time = FAR.min(*time);
        }
        self
    }

    /// How long an interrupted call may take, rung by rung.
    pub(super) fn cancel_grace(&self) -> CancelGrace {
        CancelGrace {
            cooperative: self.cooperative_grace,
            interrupt: self.cancel_grace,
        }
    }
}
