//! One call from the caller's side: options, waiting for a lane, running, trying again.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::Stream;
use futures_util::StreamExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout_at;

use super::control::{CancelHandle, Controlled};
use super::desk::{Desk, InputStream};
use super::lease::Lease;
use super::nesting::Scope;
use super::place::Place;
use super::refs::Needed;
use super::retry::{Attempts, Next};
use super::shared::Shared;
use super::stream::CallStream;
use super::time_budget::TimeBudget;
use super::tools::{Reach, Tool, Toolbox};
use crate::error::{CallError, Delivery, Rejection, Stage, ToolError};
use crate::event::EventKind;
use crate::exchange::{Exchange, MAX_DEPTH, ToolSpec};
use crate::ids::{CallId, SessionId};
use crate::sched::{Affinity, Arrival, Priority, Refusal};
use crate::value::{Args, Value, ValueError, from_value, to_value};
use crate::worker::{Call, Reply};

/// A call with options, made by [`Pool::request`](crate::Pool::request).
#[must_use = "a request does nothing until `call` or `stream`"]
pub struct Request {
    shared: Arc<Shared>,
    pub(super) command: Arc<str>,
    args: Result<Arc<Args>, ValueError>,
    timeout: Option<Duration>,
    queue_timeout: Duration,
    idempotent: Option<bool>,
    priority: Priority,
    pub(super) session: Option<(SessionId, Affinity)>,
    /// Whether the result stays in the worker.
    pub(super) keep: bool,
    traceparent: Option<Arc<str>>,
    control: Controlled,
    /// What was around it when it was made.
    scope: Scope,
    tools: Arc<Toolbox>,
    input: Option<Arc<InputStream>>,
}

impl Request {
    pub(super) fn new(shared: Arc<Shared>, command: &str, args: Result<Args, ValueError>) -> Self {
        let command: Arc<str> = command.into();
        let queue_timeout = shared.settings.queue_timeout;
        let scope = Scope::here();
        Self {
            shared,
            control: Controlled::new(Arc::clone(&command)),
            command,
            args: args.map(Arc::new),
            timeout: None,
            queue_timeout,
            idempotent: None,
            priority: Priority::default(),
            session: None,
            keep: false,
            traceparent: scope.traceparent.clone(),
            scope,
            tools: Arc::default(),
            input: None,
        }
    }

    /// How long the call may take in all: waiting, running, and trying again. Python sees the same deadline. The
    /// default is what the command says ([`Command::timeout`](crate::Command)), or else the pool's `request_timeout`. A
    /// call made before any worker was ready waits within the latter, and has what the command says once it gets a lane.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long it may wait for a lane, each time it is tried. The default is the pool's `queue_timeout`.
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.queue_timeout = timeout;
        self
    }

    /// Declares that running the command twice does no harm: it is tried again if its worker dies, until it has killed
    /// `poison_threshold` workers. All calls of a pool together may be tried again once for every five calls. The
    /// default is what the command says ([`Command::idempotent`](crate::Command)).
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// Goes before, or after, other waiting calls.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Names the session the call belongs to, with the pool's `session_affinity`.
    pub fn session(self, session: impl Into<SessionId>) -> Self {
        let affinity = self.shared.settings.session_affinity;
        self.session_with(session, affinity)
    }

    /// Names the session and says what to do when its worker is busy or gone.
    pub fn session_with(mut self, session: impl Into<SessionId>, affinity: Affinity) -> Self {
        self.session = Some((session.into(), affinity));
        self
    }

    /// Passes a W3C trace context on to the worker.
    pub fn traceparent(mut self, traceparent: impl Into<Arc<str>>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Offers a host tool for this call alone, as [`Pool::tool`](crate::Pool::tool) does for all. It comes before one of
    /// the same name of its session or the pool.
    pub fn tool<T, U, E, F, R>(mut self, spec: impl Into<ToolSpec>, function: F) -> Self
    where
        T: DeserializeOwned + Send,
        U: Serialize,
        E: Display + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<U, E>> + Send + 'static,
    {
        let replaced = Arc::make_mut(&mut self.tools).add(Tool::new(spec.into(), function));
        drop(replaced);
        self
    }

    /// Passes a stream as the keyword argument `name`: in Python an iterator, for coroutines an asynchronous one as well.
    ///
    /// Its items are taken as the command asks for them, at most 16 ahead; those never asked for are never polled. It is
    /// polled on the task that waits for the call, and dropped with it. A call whose worker was lost after the call was
    /// sent is not tried again. A later input takes the place of an earlier one.
    pub fn input<S>(self, name: impl Into<String>, items: S) -> Self
    where
        S: Stream + Send + 'static,
        S::Item: Serialize,
    {
        self.try_input(name, items.map(Ok::<_, Infallible>))
    }

    /// As [`input`](Self::input), for a stream that may fail: its error is raised in Python, as a `ToolError`, where the
    /// next item would be. What the command was given before stays.
    pub fn try_input<S, T, E>(mut self, name: impl Into<String>, items: S) -> Self
    where
        S: Stream<Item = Result<T, E>> + Send + 'static,
        T: Serialize,
        E: Display + 'static,
    {
        let items = items.map(|item| input_item(item.map_err(ToolError::from_error)));
        self.input = Some(Arc::new(InputStream::new(name.into(), Box::pin(items))));
        self
    }

    /// What stops this call from elsewhere, also while it runs.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle(self.control.share())
    }

    /// Makes the call and waits for its result.
    ///
    /// # Cancel safety
    /// As [`Pool::call`](crate::Pool::call).
    ///
    /// # Errors
    /// As [`Pool::call`](crate::Pool::call).
    pub async fn call<T: DeserializeOwned>(self) -> Result<T, CallError> {
        let answer = self.answer().await;
        // Whoever was told that the call was stopped is not contradicted by an answer that came at the same moment.
        match self.control.finish() {
            Some(stop) => Err(stop.error(stage(answer.err().as_ref()))),
            None => decode(&self.command, answer?),
        }
    }

    async fn answer(&self) -> Result<Value, CallError> {
        let mut budget = self.budget(Instant::now());
        let mut attempts = Attempts::default();
        loop {
            let admitted = self.admitted(&mut budget, false).await;
            let (mut lease, call) = admitted.map_err(|error| attempts.honest(error))?;
            match self.run(&mut lease, call, budget).await {
                Ok(Reply::One(value)) => return Ok(value),
                Ok(Reply::Stream(_)) => return Err(self.unasked_stream(lease)),
                Err(error) => self.again(error, &mut attempts, &mut budget)?,
            }
        }
    }

    /// Makes the call and takes its values as they come. The timeout covers the whole stream.
    ///
    /// # Cancel safety
    /// Dropping the future or the stream interrupts the command.
    ///
    /// # Errors
    /// As [`Pool::call`](crate::Pool::call), for what happens before the first value.
    pub async fn stream<T: DeserializeOwned>(self) -> Result<CallStream<T>, CallError> {
        match self.begin().await {
            // The stream itself sees to a stop that comes from now on.
            Ok((reply, lease, budget)) => {
                let TimeBudget {
                    deadline, allowed, ..
                } = budget;
                let session = self.session.map(|(session, _)| session);
                let control = self.control;
                Ok(CallStream::new(
                    reply, lease, session, control, deadline, allowed,
                ))
            }
            Err(error) => Err(match self.control.finish() {
                Some(stop) => stop.error(stage(Some(&error))),
                None => error,
            }),
        }
    }

    /// Makes the call up to the first answer of its worker.
    async fn begin(&self) -> Result<(Reply, Lease, TimeBudget), CallError> {
        let mut budget = self.budget(Instant::now());
        let mut attempts = Attempts::default();
        loop {
            let admitted = self.admitted(&mut budget, true).await;
            let (mut lease, call) = admitted.map_err(|error| attempts.honest(error))?;
            match self.run(&mut lease, call, budget).await {
                Ok(reply) => return Ok((reply, lease, budget)),
                Err(error) => self.again(error, &mut attempts, &mut budget)?,
            }
        }
    }

    /// Runs the call on its lane until it is answered, out of time, or stopped.
    async fn run(
        &self,
        lease: &mut Lease,
        call: Call,
        budget: TimeBudget,
    ) -> Result<Reply, CallError> {
        let done = {
            let session = self.session.as_ref().map(|(session, _)| session);
            let mut work = pin!(lease.run(call, session, budget.asked));
            let work = poll_fn(|cx| self.control.poll(cx, work.as_mut()));
            timeout_at(budget.deadline.into(), work).await
        };
        match done {
            Ok(Ok(reply)) => reply,
            Ok(Err(stop)) if lease.is_used() => Err(stop.error(Stage::Run)),
            Ok(Err(stop)) => Err(stop.error(Stage::Queue)),
            Err(_elapsed) => Err(CallError::TimedOut {
                command: self.command.to_string(),
                stage: Stage::Run,
                after: budget.allowed,
            }),
        }
    }

    /// The time there is for a call that began then.
    fn budget(&self, began: Instant) -> TimeBudget {
        let said = || self.shared.defaults.timeout(&self.command);
        let known = self.timeout.or_else(said);
        let default = self.shared.settings.request_timeout;
        TimeBudget::new(began, known, default, self.scope.deadline)
    }

    /// Waits for a lane.
    async fn admitted(
        &self,
        budget: &mut TimeBudget,
        stream: bool,
    ) -> Result<(Lease, Call), CallError> {
        let args = match &self.args {
            Ok(args) => Arc::clone(args),
            Err(source) => {
                let (command, source) = (self.command.to_string(), source.clone());
                return Err(CallError::Encode { command, source });
            }
        };
        if let Some(input) = &self.input {
            input.check(&self.command, &args)?;
        }
        if let Some(stop) = self.control.stopped() {
            return Err(stop.error(Stage::Queue));
        }
        if self.scope.depth > MAX_DEPTH {
            return Err(CallError::Rejected {
                pool: self.shared.name.clone(),
                reason: Rejection::TooDeep { limit: MAX_DEPTH },
            });
        }
        let session = self.session.as_ref().map(|(session, _)| session);
        let needed = self.shared.needed(&args, session).map_err(CallError::Ref)?;
        let id = self.shared.next_call();
        let patience = budget
            .asked
            .checked_add(self.queue_timeout)
            .unwrap_or(budget.deadline);
        let arrival = Arrival {
            call: id,
            priority: self.priority,
            session: self
                .session
                .clone()
                .map(|(session, affinity)| match affinity {
                    Affinity::Hint if needed.is_some() => (session, Affinity::StrictQueue),
                    affinity => (session, affinity),
                }),
            only_on: needed.as_ref().map(|needed| needed.worker),
            give_up_at: patience.min(budget.deadline),
            deadline: budget.deadline,
        };
        let answer = match self.shared.admit(arrival, self.control.share()) {
            Ok(answer) => answer,
            Err(mut receiver) => {
                let mut place = Place {
                    shared: &self.shared,
                    call: id,
                    left: Some("call.abandoned"),
                };
                let answer = poll_fn(|cx| self.control.poll(cx, Pin::new(&mut receiver)));
                match answer.await {
                    Ok(answer) => {
                        place.left = None;
                        // The sender is dropped only together with the pool's state.
                        answer.unwrap_or(Err(Refusal::Closed))
                    }
                    Err(stop) => {
                        let error = stop.error(Stage::Queue);
                        place.left = Some(error.code());
                        return Err(error);
                    }
                }
            }
        };
        let mut lease = answer.map_err(|why| self.refused(id, why, *budget, needed.as_ref()))?;
        if budget.guessed {
            budget.learn(self.budget(budget.began));
        }
        let session_call = lease.session_call();
        if let Some(needed) = needed {
            let number = session_call.as_ref().map(|session| session.number);
            needed.check(number).map_err(CallError::Ref)?;
        }
        let call = Call {
            id,
            command: Arc::clone(&self.command),
            args,
            deadline: Some(budget.deadline),
            session: session.cloned(),
            session_call,
            traceparent: self.traceparent.clone(),
            stream,
            keep: self.keep,
            depth: self.scope.depth,
            exchange: self.exchange(*budget),
        };
        Ok((lease, call))
    }

    /// Whom the call may ask, if there is anything to ask for.
    fn exchange(&self, budget: TimeBudget) -> Option<Arc<dyn Exchange>> {
        let session = self.session.as_ref();
        let tools = Reach {
            own: Arc::clone(&self.tools),
            session: session.and_then(|(session, _)| self.shared.tools_of(session)),
            pool: self.shared.tools.get(),
        };
        if tools.is_empty() && self.input.is_none() {
            return None;
        }
        let scope = Scope {
            depth: self.scope.depth + 1,
            deadline: Some(budget.deadline),
            traceparent: self.traceparent.clone(),
        };
        Some(Arc::new(Desk {
            tools,
            input: self.input.clone(),
            scope,
        }))
    }

    fn refused(
        &self,
        call: CallId,
        why: Refusal,
        budget: TimeBudget,
        needed: Option<&Needed>,
    ) -> CallError {
        let session = self.session.as_ref().map(|(session, _)| session);
        let mut error = match needed {
            Some(needed) if why == Refusal::WorkerGone => CallError::Ref(self.shared.left(needed)),
            _ => self.shared.refused(&self.command, why, session),
        };
        if let CallError::TimedOut { after, .. } = &mut error {
            let left = budget.deadline.saturating_duration_since(budget.asked);
            *after = self.queue_timeout.min(left);
        }
        self.shared.emit(EventKind::CallRejected {
            call,
            code: error.code(),
        });
        error
    }

    /// Whether to go round again; if not, the error to return.
    fn again(
        &self,
        error: CallError,
        attempts: &mut Attempts,
        budget: &mut TimeBudget,
    ) -> Result<(), CallError> {
        // The time it ran for is no time it waited.
        budget.asked = Instant::now();
        let CallError::WorkerLost(report) = &error else {
            return Err(attempts.honest(error));
        };
        let most = self.shared.settings.poison_threshold;
        let said = || self.shared.defaults.is_idempotent(&self.command);
        // The items a lost worker took are gone.
        let idempotent = self.input.is_none() && self.idempotent.unwrap_or_else(said);
        match attempts.lost(report, idempotent, most) {
            Next::Again => Ok(()),
            // The next attempt would be refused, and the news that the session is lost with it: that is for the next call.
            Next::Paid if self.is_session_lost() => Err(attempts.honest(error)),
            Next::Paid if self.shared.state.lock().retries.spend() => Ok(()),
            Next::Paid | Next::Fail => Err(attempts.honest(error)),
            Next::Poisoned(reports) => Err(CallError::Poisoned { reports }),
        }
    }

    fn is_session_lost(&self) -> bool {
        let strict = self
            .session
            .as_ref()
            .filter(|(_, affinity)| *affinity != Affinity::Hint);
        strict.is_some_and(|(session, _)| {
            let state = self.shared.state.lock();
            state.sched.is_session_lost(session, Instant::now())
        })
    }

    /// A profile answered a plain call with a stream: its mistake, but the lane must not be lost.
    fn unasked_stream(&self, mut lease: Lease) -> CallError {
        let worker = self.shared.name.to_string();
        let error = CallError::Protocol {
            worker,
            detail: "a stream answered a plain call".into(),
        };
        lease.fail(error)
    }
}

/// How far a call came that was stopped at the moment it ended.
fn stage(error: Option<&CallError>) -> Stage {
    if error.is_some_and(|error| error.delivery() == Delivery::NotSent) {
        Stage::Queue
    } else {
        Stage::Run
    }
}

/// An item of an input as a value.
fn input_item<T: Serialize>(item: Result<T, ToolError>) -> Result<Value, ToolError> {
    to_value(&item?).map_err(|problem| {
        let message = format!("an item of the input cannot be sent: {problem}");
        ToolError::new(message).with_code("input.unserialisable")
    })
}

/// Turns a value into what the caller asked for.
pub(super) fn decode<T: DeserializeOwned>(command: &str, value: Value) -> Result<T, CallError> {
    from_value(value).map_err(|source| CallError::Decode {
        command: command.to_owned(),
        source,
    })
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

const _: fn() = || {
    fn is_error<T: std::error::Error + Send + Sync>() {}
    is_error::<CallError>();
    is_error::<Rejection>();
};
