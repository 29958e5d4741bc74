//! Sessions in the hands of a pool's owner: calling in one, closing it, listing them. Knows no table of them.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::shared::{Phase, Shared};
use super::tools::{Reach, Tool, Toolbox};
use super::{CallStream, Pool, Request};
use crate::error::CallError;
use crate::event::{EventKind, LogLine, LogStream};
use crate::exchange::ToolSpec;
use crate::ids::{SessionId, WorkerId};
use crate::sched::{Affinity, Input, Kept};
use crate::session::{Origin, SessionKeeper};
use crate::value::{Args, ValueError};

/// A session of a pool, made by [`Pool::session`]: its calls meet one worker, and what Python keeps for it.
///
/// Cheap to clone; dropping it closes nothing. Any number of handles may name one session.
#[derive(Clone)]
pub struct Session {
    pool: Pool,
    id: SessionId,
    affinity: Affinity,
}

/// A session at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSnapshot {
    /// The session.
    pub session: SessionId,
    /// The worker it is bound to, which may be gone.
    pub worker: WorkerId,
    /// Time since its first call.
    pub age: Duration,
    /// Time since a call of it last began or ended.
    pub idle: Duration,
    /// Its calls so far that were given a lane.
    pub calls: u64,
    /// Bytes kept of it, so that it can go on on another worker.
    pub saved: usize,
}

/// There is no such session to close.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no session `{session}` is open: it was closed, it expired, or it had no call yet")]
pub struct UnknownSession {
    /// The name.
    pub session: SessionId,
}

impl Session {
    pub(super) fn new(pool: Pool, id: SessionId) -> Self {
        let affinity = pool.settings().session_affinity;
        Self { pool, id, affinity }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Its name.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// What calls made through this handle do when the session's worker is busy or gone. The default is the pool's
    /// `session_affinity`.
    #[must_use]
    pub fn affinity(mut self, affinity: Affinity) -> Self {
        self.affinity = affinity;
        self
    }

    /// As [`Pool::call`], in this session. The first call of a session opens it.
    ///
    /// # Cancel safety
    /// As [`Pool::call`].
    ///
    /// # Errors
    /// As [`Pool::call`]; [`Rejection::SessionLost`] and [`Rejection::TooManySessions`] besides.
    ///
    /// [`Rejection::SessionLost`]: crate::error::Rejection::SessionLost
    /// [`Rejection::TooManySessions`]: crate::error::Rejection::TooManySessions
    pub async fn call<T: DeserializeOwned>(
        &self,
        command: &str,
        args: impl Serialize,
    ) -> Result<T, CallError> {
        self.request(command, args).call().await
    }

    /// As [`Pool::stream`], in this session.
    ///
    /// # Errors
    /// As [`call`](Self::call), for what happens before the first value.
    pub async fn stream<T: DeserializeOwned>(
        &self,
        command: &str,
        args: impl Serialize,
    ) -> Result<CallStream<T>, CallError> {
        self.request(command, args).stream().await
    }

    /// As [`Pool::request`], in this session.
    pub fn request(&self, command: &str, args: impl Serialize) -> Request {
        let request = self.pool.request(command, args);
        request.session_with(self.id.clone(), self.affinity)
    }

    /// As [`Pool::request_values`], in this session.
    pub fn request_values(&self, command: &str, args: Args) -> Request {
        self.request_args(command, Ok(args))
    }

    pub(super) fn request_args(&self, command: &str, args: Result<Args, ValueError>) -> Request {
        let request = self.pool.request_args(command, args);
        request.session_with(self.id.clone(), self.affinity)
    }

    /// Offers a host tool to the calls of this session alone, through whatever handle they are made, as [`Pool::tool`]
    /// does to all. It comes before one of the same name of the pool, and after one of the request.
    ///
    /// It is gone when the session ends, however it does: a later session of this name has none of its tools. Before
    /// the first call the tool waits for the session to be opened, for as long as `session_ttl`. Applies to calls made from
    /// now on; those that run keep the tools they began with.
    pub fn tool<T, U, E, F, R>(&self, spec: impl Into<ToolSpec>, function: F)
    where
        T: DeserializeOwned + Send,
        U: Serialize,
        E: Display + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<U, E>> + Send + 'static,
    {
        let tool = Tool::new(spec.into(), function);
        self.pool.shared.offer(&self.id, tool);
    }

    /// The tools calls of this session may ask for, by name: its own and the pool's.
    pub fn tools(&self) -> Vec<ToolSpec> {
        let shared = &self.pool.shared;
        let reach = Reach {
            own: Arc::default(),
            session: shared.tools_of(&self.id),
            pool: shared.tools.get(),
        };
        reach.specs()
    }

    /// As [`Pool::close_session`].
    ///
    /// # Errors
    /// [`UnknownSession`] if it is not open.
    pub async fn close(&self) -> Result<(), UnknownSession> {
        self.pool.close_session(self.id.clone()).await
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("pool", self.pool.name())
            .field("id", &self.id)
            .field("affinity", &self.affinity)
            .finish()
    }
}

impl Pool {
    /// A handle on the session of this name. It is there from its first call until it is closed, or nobody has used it
    /// for `session_ttl`; this alone opens nothing.
    pub fn session(&self, id: impl Into<SessionId>) -> Session {
        Session::new(self.clone(), id.into())
    }

    /// Closes a session. Its worker is told when it has a lane free for that: it lets go of the session's state and runs the
    /// adapter's `session_closed`. Nobody waits for that, and a call that names the session from now on opens a new
    /// one. Calls that run go on.
    ///
    /// # Cancel safety
    /// Once polled, the session is closed.
    ///
    /// # Errors
    /// [`UnknownSession`] if it is not open.
    #[expect(
        clippy::unused_async,
        reason = "so that closing may wait for something some day"
    )]
    pub async fn close_session(&self, id: impl Into<SessionId>) -> Result<(), UnknownSession> {
        let session = id.into();
        if self.shared.end_session(&session) {
            Ok(())
        } else {
            Err(UnknownSession { session })
        }
    }

    /// The sessions there are, in no order. Looks at each of them under the pool's lock: not for every call.
    pub fn sessions(&self) -> Vec<SessionSnapshot> {
        let now = Instant::now();
        let state = self.shared.state.lock();
        let sessions = state.sched.sessions().map(|status| SessionSnapshot {
            session: status.session,
            worker: status.worker,
            age: now.saturating_duration_since(status.opened),
            idle: now.saturating_duration_since(status.used),
            calls: status.calls,
            saved: status.saved,
        });
        sessions.collect()
    }
}

impl SessionKeeper for Shared {
    /// Keeps what a session left on a worker, and says so if it is too much.
    fn keep(&self, number: u64, origin: Origin, version: u64, saved: Option<Bytes>) {
        let size = saved.as_ref().map_or(0, Bytes::len);
        let mut state = self.state.lock();
        let kept = state.sched.save_session(number, origin, version, saved);
        let Kept::TooLarge(limit) = kept else {
            return;
        };
        let session = state.sched.session_name(number);
        drop(state);
        if let Some(session) = session {
            let text = format!(
                "session `{session}` leaves {size} bytes, over `session_state_limit` ({limit} bytes): it cannot be handed over"
            );
            let mut line = LogLine::new(LogStream::Log, text);
            line.level = "WARNING".into();
            line.logger = "snakepit.sessions".into();
            let worker = origin.worker;
            self.emit(EventKind::Log { worker, line });
        }
    }
}

impl Shared {
    /// Gives a session a tool. A pool that is closed has no call that could ask for it.
    fn offer(&self, session: &SessionId, tool: Tool) {
        let now = Instant::now();
        let released = {
            let mut state = self.state.lock();
            if state.phase == Phase::Closed {
                return;
            }
            let is_open = state.sched.has_session(session, now);
            let until = (!is_open).then(|| now + self.settings.session_ttl);
            let released = state.session_tools.give_up(now);
            (released, state.session_tools.offer(session, tool, until))
        };
        self.any_session_tools.store(true, Ordering::Release);
        drop(released);
    }

    /// The tools of a session, if it has any.
    pub(super) fn tools_of(&self, session: &SessionId) -> Option<Arc<Toolbox>> {
        let any = self.any_session_tools.load(Ordering::Acquire);
        any.then(|| self.state.lock().session_tools.get(session))?
    }

    /// Ends a session. False if there is none.
    fn end_session(self: &Arc<Self>, session: &SessionId) -> bool {
        let mut is_open = false;
        self.step_by(|state| {
            // One whose time is over is ended all the same, as expired.
            is_open = state.sched.has_session(session, Instant::now());
            let input = if is_open {
                Input::CloseSession(session.clone())
            } else {
                Input::Tick
            };
            (Some(input), None)
        });
        is_open
    }
}
