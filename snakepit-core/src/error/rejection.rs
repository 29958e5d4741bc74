//! Why a pool would not take a call; knows no queue.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::{ExitReport, LaunchError, Retry};
use crate::ids::{SessionId, WorkerId};

/// Why a pool would not take a call.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// As many calls wait as may wait.
    #[error("has {limit} calls waiting already")]
    QueueFull {
        /// The limit, `queue_size`.
        limit: usize,
    },
    /// The worker this session is bound to is busy, and the call asked not to wait.
    #[error("has no free lane on the worker of session `{session}`")]
    SessionBusy {
        /// The session.
        session: SessionId,
    },
    /// The session was bound to a worker that is gone, and to that worker only. Said once: the next call begins a new
    /// session of that name.
    #[error("has lost session `{session}` with worker {worker}: {why}")]
    SessionLost {
        /// The session.
        session: SessionId,
        /// The worker that kept it.
        worker: WorkerId,
        /// Why that worker is gone.
        why: String,
    },
    /// There are as many sessions as there may be, and none has expired.
    #[error("has {live} sessions, the limit is {limit}")]
    TooManySessions {
        /// How many there are.
        live: usize,
        /// The limit, `max_sessions`.
        limit: usize,
    },
    /// A tool called that a call asked for, that was made by a tool, and so on: more often than anybody can mean.
    #[error("takes no call inside of {limit} others")]
    TooDeep {
        /// How many calls may be around a call.
        limit: u32,
    },
    /// The pool finishes what it has and takes nothing new.
    #[error("is draining")]
    Draining,
    /// The pool was shut down, or the async runtime it lived in is gone.
    #[error("is closed")]
    Closed,
    /// Workers died faster than they were of use, and the pool takes a break from starting more.
    #[error("has stopped starting workers for {pause:?}: {deaths} died within {window:?}{}", last_words(.last.as_ref()))]
    BreakerOpen {
        /// Workers that died.
        deaths: u32,
        /// The time they died in, `restart_window`.
        window: Duration,
        /// How long the break is; one worker is tried then.
        pause: Duration,
        /// How the last of them ended.
        last: Option<Arc<ExitReport>>,
    },
    /// The pool has no workers and starting more is pointless until something changes.
    #[error("has no workers: {cause}")]
    Unavailable {
        /// What kept the last worker from starting.
        cause: Arc<LaunchError>,
    },
}

impl Rejection {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::QueueFull { .. } => "pool.queue_full",
            Self::SessionBusy { .. } => "pool.session_busy",
            Self::SessionLost { .. } => "pool.session_lost",
            Self::TooManySessions { .. } => "pool.too_many_sessions",
            Self::TooDeep { .. } => "pool.too_deep",
            Self::Draining => "pool.draining",
            Self::Closed => "pool.closed",
            Self::BreakerOpen { .. } => "pool.breaker_open",
            Self::Unavailable { .. } => "pool.unavailable",
        }
    }

    pub(super) fn retry(&self) -> Retry {
        match self {
            Self::QueueFull { .. }
            | Self::SessionBusy { .. }
            | Self::SessionLost { .. }
            | Self::TooManySessions { .. }
            | Self::BreakerOpen { .. } => Retry::Later,
            // The pool goes on trying to start workers.
            Self::Unavailable { cause } if !cause.is_permanent() => Retry::Later,
            Self::TooDeep { .. } | Self::Draining | Self::Closed | Self::Unavailable { .. } => {
                Retry::Never
            }
        }
    }

    pub(super) fn hint(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::QueueFull { .. } => {
                Some("slow down, raise `pool_size`, or raise `queue_size`".into())
            }
            Self::SessionBusy { .. } => Some("use affinity `strict_queue` to wait for it".into()),
            Self::SessionLost { .. } => Some(
                "begin anew: the next call opens a new session; an adapter with `save_session` and `load_session` loses none".into(),
            ),
            Self::TooManySessions { .. } => Some(
                "close sessions that are done with, lower `session_ttl`, or raise `max_sessions`".into(),
            ),
            Self::TooDeep { .. } => {
                Some("look for a tool whose calls ask for that tool again".into())
            }
            Self::Unavailable { cause } => cause.hint(),
            Self::BreakerOpen { .. } => Some(
                "look at how the last worker ended; raise `restart_budget` if calls may end their worker".into(),
            ),
            Self::Draining | Self::Closed => None,
        }
    }
}

fn last_words(last: Option<&Arc<ExitReport>>) -> String {
    last.map(|report| format!(", the last one: {}", report.cause()))
        .unwrap_or_default()
}
