//! The contract between a pool and what runs its calls: `WorkerProfile` and `Worker`. Knows no process, no transport.
//!
//! A *profile* launches *workers*; a worker has a fixed number of *lanes*, each running one call at a time. Write these
//! two traits and you have a profile of your own; the [`conformance!`](crate::conformance) kit tells whether it keeps
//! the promises below.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_core::Stream;

use crate::command::Command;
use crate::error::{CallError, ExitReport, LaunchError};
use crate::event::LogLine;
use crate::exchange::Exchange;
use crate::ids::{CallId, LaneId, PoolName, SessionId, WorkerId};
use crate::limits::{CancelGrace, Ceiling, Limits};
use crate::notice::Notice;
use crate::session::SessionCall;
use crate::telemetry::Telemetry;
use crate::value::{Args, Value};

/// Launches workers of one kind.
#[async_trait]
pub trait WorkerProfile: fmt::Debug + Send + Sync + 'static {
    /// The name used in configuration (`process`, `thread`, `acme-gpu`).
    fn kind(&self) -> &str;

    /// Starts one worker and returns once it is ready for calls.
    ///
    /// # Cancel safety
    /// Dropping the future must leave nothing behind: no process, no thread, no file.
    async fn launch(&self, cx: LaunchContext) -> Result<Launched, LaunchError>;

    /// Has the launches that follow start from nothing: what was prepared for them, such as code loaded in advance, is
    /// loaded anew. Workers there are go on as they are.
    fn renew(&self) {}

    /// How many workers can be run here, if that is known.
    fn ceiling(&self) -> Option<Ceiling> {
        None
    }
}

/// What a profile needs to know to launch one worker.
#[derive(Clone)]
#[non_exhaustive]
pub struct LaunchContext {
    /// The pool the worker is for.
    pub pool: PoolName,
    /// The worker's id within that pool.
    pub worker: WorkerId,
    /// How long the launch may take; the pool drops the future after that.
    pub timeout: Duration,
    /// What the worker may use.
    pub limits: Limits,
    /// Takes the worker's output, line by line. Never blocks.
    pub output: Arc<dyn Fn(LogLine) + Send + Sync>,
    /// Takes what the operator should know of the worker, during the launch and later. Never blocks.
    pub notices: Arc<dyn Fn(Notice) + Send + Sync>,
    /// Takes what code in the worker tells of its work. Never blocks.
    pub telemetry: Arc<dyn Fn(Telemetry) + Send + Sync>,
}

impl LaunchContext {
    /// A context whose output goes to `output` and whose notices and telemetry go nowhere.
    pub fn new(
        pool: PoolName,
        worker: WorkerId,
        timeout: Duration,
        output: Arc<dyn Fn(LogLine) + Send + Sync>,
    ) -> Self {
        Self {
            pool,
            worker,
            timeout,
            limits: Limits::default(),
            output,
            notices: Arc::new(drop),
            telemetry: Arc::new(drop),
        }
    }

    /// With something that takes notices.
    pub fn with_notices(mut self, notices: Arc<dyn Fn(Notice) + Send + Sync>) -> Self {
        self.notices = notices;
        self
    }

    /// With something that takes telemetry.
    pub fn with_telemetry(mut self, telemetry: Arc<dyn Fn(Telemetry) + Send + Sync>) -> Self {
        self.telemetry = telemetry;
        self
    }

    /// With limits for the worker.
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// `pool/number`, the name used in errors and process lists.
    pub fn label(&self) -> String {
        format!("{}/{}", self.pool, self.worker)
    }
}

impl fmt::Debug for LaunchContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchContext")
            .field("worker", &self.label())
            .finish_non_exhaustive()
    }
}

/// A worker that is ready.
pub struct Launched {
    /// The worker.
    pub worker: Arc<dyn Worker>,
    /// What it said about itself.
    pub hello: Hello,
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launched")
            .field("hello", &self.hello)
            .finish_non_exhaustive()
    }
}

/// What a worker says about itself when it is ready.
#[derive(Clone, Debug, PartialEq, Default)]
#[non_exhaustive]
pub struct Hello {
    /// How many calls it runs at the same time. At least 1.
    pub lanes: u16,
    /// The operating system's number for it, when it is a process.
    pub process: Option<u32>,
    /// The runtime it runs on, such as `CPython 3.14.0 (free-threaded, GIL off)`.
    pub runtime: String,
    /// The commands it offers.
    pub commands: Arc<[Command]>,
    /// How it was started (`zygote`, `exec`, ...) and why, for people.
    pub launch: String,
    /// Whether the kernel enforces [`Limits::hard_memory`] on it. If not, it has to be measured and killed.
    pub memory_enforced: bool,
    /// Whether it keeps something for sessions, and so has to know when one ends: it is sent calls of
    /// [`SESSION_CLOSED`](crate::session::SESSION_CLOSED).
    pub keeps_sessions: bool,
    /// Further facts, for diagnosis.
    pub facts: Value,
}

impl Hello {
    /// A hello with a number of lanes and nothing else.
    pub fn new(lanes: u16) -> Self {
        Self {
            lanes,
            ..Self::default()
        }
    }
}

/// One call, ready to be run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// Unique within the pool; names the call in cancellation and logs.
    pub id: CallId,
    /// The command.
    pub command: Arc<str>,
    /// Its arguments. Shared, so that a retry costs nothing.
    pub args: Arc<Args>,
    /// When the caller stops waiting. A worker does not start a call after it.
    pub deadline: Option<Instant>,
    /// The caller's session, for Python to see.
    pub session: Option<SessionId>,
    /// What a worker that keeps something for sessions needs to know of this one.
    pub session_call: Option<SessionCall>,
    /// The caller's W3C trace context.
    pub traceparent: Option<Arc<str>>,
    /// Whether the answer is wanted as a stream.
    pub stream: bool,
    /// Whether the result is to stay in the worker, and a handle on it is the answer.
    pub keep: bool,
    /// How many calls are around this one, each having asked a tool that made the next.
    pub depth: u32,
    /// Whom to ask for tools and input while it runs. `None`: there are neither.
    pub exchange: Option<Arc<dyn Exchange>>,
}

impl Call {
    /// A call without deadline or session.
    pub fn new(id: CallId, command: impl Into<Arc<str>>, args: Args) -> Self {
        Self {
            id,
            command: command.into(),
            args: Arc::new(args),
            deadline: None,
            session: None,
            session_call: None,
            traceparent: None,
            stream: false,
            keep: false,
            depth: 0,
            exchange: None,
        }
    }

    /// Asks for a stream.
    pub fn streaming(mut self) -> Self {
        self.stream = true;
        self
    }

    /// With someone to ask while it runs.
    pub fn with_exchange(mut self, exchange: Arc<dyn Exchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }
}

/// The answer to a call.
pub enum Reply {
    /// One value.
    One(Value),
    /// Values as they come. Holds its lane until it ended.
    Stream(ReplyStream),
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(value) => f.debug_tuple("One").field(value).finish(),
            Self::Stream(_) => f.write_str("Stream(..)"),
        }
    }
}

/// Values as they come. After an error or the end nothing follows. Dropping it early abandons the call.
pub type ReplyStream = Pin<Box<dyn Stream<Item = Result<Value, CallError>> + Send>>;

/// Whether an abandoned call let go of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiesced {
    /// The lane is free.
    Clean,
    /// It is not, and will not be: the pool replaces the worker.
    Stuck,
}

/// A running worker. All methods may be called from any thread at any time. A method other than [`call`](Self::call)
/// that panics has given no answer: a lane that was to be freed is stuck, a worker that was to end is killed.
#[async_trait]
pub trait Worker: Send + Sync + 'static {
    /// Runs a call on a lane. The pool never runs two calls on one lane at the same time.
    ///
    /// Returns [`CallError::WorkerLost`] promptly when the worker dies, from every call in flight.
    ///
    /// # Cancel safety
    /// If the future, or the stream it returned, is dropped before the end, the lane stays busy until
    /// [`cancel`](Self::cancel) says otherwise. The pool calls that next.
    async fn call(&self, lane: LaneId, call: Call) -> Result<Reply, CallError>;

    /// Interrupts an abandoned call, rung by rung, and waits until its lane is free, at most for the whole `grace`.
    ///
    /// Answering [`Quiesced::Stuck`] is allowed. A call that ended meanwhile is `Clean`.
    async fn cancel(&self, lane: LaneId, call: CallId, grace: CancelGrace) -> Quiesced;

    /// Whether the worker answers, outside its lanes. A busy worker answers.
    async fn ping(&self) -> Result<(), ExitReport>;

    /// Asks the worker to give back memory it does not need, outside its lanes, and waits until it has tried.
    async fn trim(&self) {}

    /// Where the code of a call is at this moment, innermost frame last, one line each; empty if nobody can say. Must
    /// not disturb the call.
    async fn stack(&self, _lane: LaneId, _call: CallId) -> Vec<String> {
        Vec::new()
    }

    /// Ends the worker: asks, waits at most `grace`, then kills. Returns once it is gone. May be called twice.
    async fn stop(&self, grace: Duration) -> ExitReport;

    /// Kills the worker without waiting, giving the reason its report will show. For `Drop` and for stuck workers.
    fn abort(&self, reason: &str);

    /// Waits until the worker is gone, for whatever reason.
    ///
    /// # Cancel safety
    /// Cancel safe; may be awaited by several tasks.
    async fn exited(&self) -> ExitReport;
}

const _: fn(&dyn WorkerProfile, &dyn Worker) = |_, _| {};
