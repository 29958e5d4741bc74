//! What happens in a pool, as typed events, and who listens; knows no log or metrics library.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::{ExitReport, LaunchError};
use crate::ids::{CallId, PoolName, SessionId, WorkerId};
use crate::notice::Notice;
use crate::pool::{BreakerState, HealthStatus};
use crate::telemetry::Telemetry;
use crate::worker::Hello;

/// Something that happened in a pool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// Its place in the pool's order of events. Given under the scheduler's lock, so sinks can restore the order of
    /// events that two threads delivered.
    pub seq: u64,
    /// When.
    pub at: SystemTime,
    /// Where.
    pub pool: PoolName,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A worker is being launched.
    WorkerLaunching {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker is ready for calls.
    WorkerReady {
        /// The worker.
        worker: WorkerId,
        /// What it said about itself.
        hello: Arc<Hello>,
        /// From the start of the launch.
        took: Duration,
    },
    /// A worker did not become ready.
    LaunchFailed {
        /// The worker.
        worker: WorkerId,
        /// Why.
        error: Arc<LaunchError>,
        /// When the pool tries again; `None` when it gave up.
        retry_in: Option<Duration>,
    },
    /// A worker is due for replacement and serves until that is ready.
    WorkerDue {
        /// The worker.
        worker: WorkerId,
        /// Why.
        reason: RetireReason,
    },
    /// A worker has a lane that will not become free again: it takes no more calls, finishes its others, then is killed.
    WorkerQuarantined {
        /// The worker.
        worker: WorkerId,
        /// The call that would not let go.
        call: CallId,
    },
    /// A worker was told to end, or is being killed.
    WorkerStopping {
        /// The worker.
        worker: WorkerId,
        /// Why.
        reason: RetireReason,
    },
    /// A worker takes no more calls.
    WorkerDraining {
        /// The worker.
        worker: WorkerId,
        /// Why.
        reason: RetireReason,
    },
    /// A worker is gone.
    WorkerExited {
        /// The worker.
        worker: WorkerId,
        /// How it ended.
        report: Arc<ExitReport>,
    },
    /// A call had to wait for a lane.
    CallQueued {
        /// The call.
        call: CallId,
        /// How many wait now, this one included.
        depth: usize,
    },
    /// A call was given a lane.
    CallStarted {
        /// The call.
        call: CallId,
        /// The worker that runs it.
        worker: WorkerId,
        /// How long it waited.
        queued: Duration,
    },
    /// A call let go of its lane.
    CallFinished {
        /// The call.
        call: CallId,
        /// The worker that ran it.
        worker: WorkerId,
        /// How long it held the lane.
        ran: Duration,
        /// How it ended.
        outcome: Outcome,
    },
    /// A call ended without ever getting a lane.
    CallRejected {
        /// The call.
        call: CallId,
        /// The code of its error.
        code: &'static str,
    },
    /// A call has been running for longer than `slow_call_after`. It goes on.
    CallSlow {
        /// The call.
        call: CallId,
        /// Its command.
        command: Arc<str>,
        /// The worker that runs it.
        worker: WorkerId,
        /// For how long.
        running: Duration,
        /// Where it is, innermost frame last; empty if nobody could say.
        stack: Vec<String>,
    },
    /// Launching workers after deaths was stopped, is tried again, or is back to normal.
    Breaker {
        /// Its state now.
        state: BreakerState,
    },
    /// A policy was stopped because it replaced workers of little use one after the other.
    RecyclingStopped {
        /// The policy.
        policy: String,
        /// What it last said, with its numbers.
        message: String,
    },
    /// The pool's health changed.
    Health {
        /// What it is now.
        status: HealthStatus,
        /// Why it is not ready, if it is not.
        reasons: Vec<String>,
    },
    /// A line of output of a worker.
    Log {
        /// The worker.
        worker: WorkerId,
        /// The line.
        line: LogLine,
    },
    /// A profile has something to say that is no error. Told once for each pool.
    Notice {
        /// The first worker that gave it.
        worker: WorkerId,
        /// What it says.
        notice: Arc<Notice>,
    },
    /// Code in a worker told of something: an event of its own, or the beginning or the end of a span.
    Telemetry {
        /// The worker.
        worker: WorkerId,
        /// What it told.
        telemetry: Arc<Telemetry>,
    },
    /// The first call of a session was given a lane.
    SessionOpened {
        /// The session.
        session: SessionId,
        /// The worker it is bound to.
        worker: WorkerId,
    },
    /// A session is bound to another worker from now on.
    SessionMoved {
        /// The session.
        session: SessionId,
        /// Its worker before, which may be gone.
        from: WorkerId,
        /// Its worker now.
        to: WorkerId,
        /// Whether what the adapter saved of it went along; if not, it starts empty.
        with_state: bool,
    },
    /// A session is no more.
    SessionClosed {
        /// The session.
        session: SessionId,
        /// Why.
        reason: SessionEnd,
    },
    /// The pool's target size changed.
    Resized {
        /// Before.
        from: usize,
        /// After.
        to: usize,
    },
}

/// How a call let go of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was answered, with a value or an error.
    Answered,
    /// The caller left.
    Abandoned,
    /// The worker died under it.
    WorkerLost,
}

/// Why a session is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionEnd {
    /// Someone closed it.
    Closed,
    /// Nobody used it for `session_ttl`.
    Expired,
    /// Its worker is gone, and it could not go on elsewhere.
    Lost,
}

/// Why a worker is retired.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetireReason {
    /// The pool shrinks.
    Resize,
    /// The pool drains or shuts down.
    Shutdown,
    /// A cancelled call would not let go of its lane.
    Stuck,
    /// It broke the protocol.
    Protocol,
    /// It was idle and the pool could do without it.
    Idle,
    /// Someone asked for it, [`Pool::recycle`](crate::Pool::recycle).
    Recycle,
    /// Someone asked for new workers, [`Pool::reload`](crate::Pool::reload).
    Reload,
    /// A recycle policy said so; its words.
    Policy(String),
    /// A recycle policy had it killed; its words.
    Killed(String),
}

impl RetireReason {
    /// One fragment for people.
    pub fn describe(&self) -> &str {
        match self {
            Self::Resize => "the pool was made smaller",
            Self::Shutdown => "the pool was shut down",
            Self::Stuck => "a cancelled call would not let go of its lane",
            Self::Protocol => "it broke the protocol",
            Self::Idle => "it was idle and the pool could do without it",
            Self::Recycle => "its replacement was asked for",
            Self::Reload => "the pool was reloaded",
            Self::Policy(why) | Self::Killed(why) => why,
        }
    }
}

/// A line of output, or a log record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogLine {
    /// Where it was written.
    pub stream: LogStream,
    /// The text, without the line's end. At most 16 KiB.
    pub text: String,
    /// The call that wrote it, when that is known.
    pub call: Option<CallId>,
    /// The log record's level (`INFO`), or empty.
    pub level: String,
    /// The log record's logger, or empty.
    pub logger: String,
}

impl LogLine {
    /// A line of plain output.
    pub fn new(stream: LogStream, text: impl Into<String>) -> Self {
        Self {
            stream,
            text: text.into(),
            call: None,
            level: String::new(),
            logger: String::new(),
        }
    }
}

/// Where a line of output was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogStream {
    /// Standard output of the worker's language.
    Stdout,
    /// Standard error of the worker's language.
    Stderr,
    /// The worker's log library.
    Log,
    /// File descriptors 1 and 2, written past the language: native code, child processes, a crash.
    Raw,
}

/// Listens to events. One that panics misses the event; the pool goes on.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one event.
    ///
    /// # Blocking
    /// Must not block: it is called on the path of every call.
    fn record(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> EventSink for F {
    fn record(&self, event: &Event) {
        self(event);
    }
}
