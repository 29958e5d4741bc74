//! One call from the caller's side: options, waiting for a lane, running, trying again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::time::timeout_at;

use super::control::{CancelHandle, Control};
use super::lease::Lease;
use super::shared::Shared;
use super::stream::CallStream;
use crate::error::{CallError, Delivery, Rejection, Stage};
use crate::event::EventKind;
use crate::ids::{CallId, SessionId};
use crate::sched::{Affinity, Arrival, Input, Priority};
use crate::value::{Args, Value, ValueError, from_value};
use crate::worker::{Call, Reply};

/// A call with options, made by [`Pool::request`](crate::Pool::request).
#[must_use = "a request does nothing until `call` or `stream`"]
pub struct Request {
    shared: Arc<Shared>,
    command: Arc<str>,
    args: Result<Arc<Args>, ValueError>,
    timeout: Duration,
    queue_timeout: Duration,
    idempotent: bool,
    priority: Priority,
    session: Option<(SessionId, Affinity)>,
    traceparent: Option<Arc<str>>,
    control: Arc<Control>,
}

/// How long one call may take, fixed when it starts.
#[derive(Clone, Copy)]
struct Budget {
    started: Instant,
    deadline: Instant,
}

impl Request {
    pub(super) fn new(shared: Arc<Shared>, command: &str, args: Result<Args, ValueError>) -> Self {
        let (timeout, queue_timeout) = (
            shared.settings.request_timeout,
            shared.settings.queue_timeout,
        );
        Self {
            shared,
            command: command.into(),
            args: args.map(Arc::new),
            timeout,
            queue_timeout,
            idempotent: false,
            priority: Priority::default(),
            session: None,
            traceparent: None,
            control: Arc::default(),
        }
    }

    /// How long the call may take in all: waiting, running, and trying again. Python sees the same deadline. The
    /// default is the pool's `request_timeout`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long it may wait for a lane. The default is the pool's `queue_timeout`.
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.queue_timeout = timeout;
        self
    }

    /// Declares that running the command twice does no harm: it is tried again if its worker dies, until it has killed
    /// `poison_threshold` workers.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Goes before, or after, other waiting calls.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Names the session the call belongs to; it prefers the session's worker.
    pub fn session(self, session: impl Into<SessionId>) -> Self {
        self.session_with(session, Affinity::Hint)
    }

    /// Names the session and says what to do when its worker is busy.
    pub fn session_with(mut self, session: impl Into<SessionId>, affinity: Affinity) -> Self {
        self.session = Some((session.into(), affinity));
        self
    }

    /// Passes a W3C trace context on to the worker.
    pub fn traceparent(mut self, traceparent: impl Into<Arc<str>>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// What stops this call from elsewhere, also while it runs.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle(Arc::clone(&self.control))
    }

    /// Makes the call and waits for its result.
    ///
    /// # Cancel safety
    /// As [`Pool::call`](crate::Pool::call).
    ///
    /// # Errors
    /// As [`Pool::call`](crate::Pool::call).
    pub async fn call<T: DeserializeOwned>(self) -> Result<T, CallError> {
        let budget = self.budget();
        let mut kills = 0;
        loop {
            let (mut lease, call) = self.admitted(budget, false).await?;
            let answer = timeout_at(budget.deadline.into(), lease.run(call, budget.started)).await;
            match answer {
                Err(_elapsed) => return Err(self.timed_out()),
                Ok(Ok(Reply::One(value))) => return self.decode(value),
                Ok(Ok(Reply::Stream(_))) => return Err(self.unasked_stream(lease)),
                Ok(Err(error)) => self.retriable(error, &mut kills)?,
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
        let budget = self.budget();
        let mut kills = 0;
        loop {
            let (mut lease, call) = self.admitted(budget, true).await?;
            let answer = timeout_at(budget.deadline.into(), lease.run(call, budget.started)).await;
            match answer {
                Err(_elapsed) => return Err(self.timed_out()),
                Ok(Ok(reply)) => {
                    return Ok(CallStream::new(
                        reply,
                        lease,
                        self.command,
                        budget.deadline,
                        self.timeout,
                    ));
                }
                Ok(Err(error)) => self.retriable(error, &mut kills)?,
            }
        }
    }

    fn budget(&self) -> Budget {
        let started = Instant::now();
        // A timeout too large for the clock means "as good as none": a hundred years.
        let far = Duration::from_secs(100 * 365 * 24 * 3600);
        Budget {
            started,
            deadline: started + self.timeout.min(far),
        }
    }

    /// Waits for a lane.
    async fn admitted(&self, budget: Budget, stream: bool) -> Result<(Lease, Call), CallError> {
        let args = match &self.args {
            Ok(args) => Arc::clone(args),
            Err(source) => {
                let (command, source) = (self.command.to_string(), source.clone());
                return Err(CallError::Encode { command, source });
            }
        };
        let id = self.shared.next_call();
        let patience = budget
            .started
            .checked_add(self.queue_timeout)
            .unwrap_or(budget.deadline);
        let arrival = Arrival {
            call: id,
            priority: self.priority,
            session: self.session.clone(),
            give_up_at: patience.min(budget.deadline),
        };
        let answer = match self.shared.admit(arrival) {
            Ok(answer) => answer,
            Err(receiver) => {
                let mut place = Place {
                    shared: &self.shared,
                    call: id,
                    waiting: true,
                };
                let answer = receiver.await;
                place.waiting = false;
                match answer {
                    Ok(answer) => answer,
                    // The sender is dropped only together with the pool's state.
                    Err(_) => Err(crate::sched::Refusal::Closed),
                }
            }
        };
        let lease = answer.map_err(|why| self.refused(id, why, budget))?;
        let call = Call {
            id,
            command: Arc::clone(&self.command),
            args,
            deadline: Some(budget.deadline),
            session: self.session.as_ref().map(|(session, _)| session.clone()),
            traceparent: self.traceparent.clone(),
            stream,
        };
        Ok((lease, call))
    }

    fn refused(&self, call: CallId, why: crate::sched::Refusal, budget: Budget) -> CallError {
        let mut error = self
            .shared
            .refused(why, self.session.as_ref().map(|(session, _)| session));
        if let CallError::TimedOut { after, .. } = &mut error {
            *after = self.queue_timeout.min(budget.deadline - budget.started);
        }
        self.shared.emit(EventKind::CallRejected {
            call,
            code: error.code(),
        });
        error
    }

    fn decode<T: DeserializeOwned>(&self, value: Value) -> Result<T, CallError> {
        decode(&self.command, value)
    }

    fn timed_out(&self) -> CallError {
        CallError::TimedOut {
            stage: Stage::Run,
            after: self.timeout,
        }
    }

    /// Whether to go round again; if not, the error to return.
    fn retriable(&self, error: CallError, kills: &mut u32) -> Result<(), CallError> {
        let CallError::WorkerLost(report) = &error else {
            return Err(error);
        };
        *kills += 1;
        match report.delivery {
            // The worker was dead before the call reached it. Bounded all the same: a pool whose workers die
            // faster than they can be called must not keep a caller busy for ever.
            Delivery::NotSent if *kills < 10 => Ok(()),
            Delivery::MaybeExecuted if self.idempotent => {
                if *kills < self.shared.settings.poison_threshold {
                    return Ok(());
                }
                Err(CallError::Poisoned {
                    reports: vec![Arc::clone(report)],
                })
            }
            _ => Err(error),
        }
    }

    /// A profile answered a plain call with a stream: its mistake, but the lane must not be lost.
    fn unasked_stream(&self, mut lease: Lease) -> CallError {
        let worker = self.shared.name.to_string();
        let error = CallError::Protocol {
            worker,
            detail: "a stream answered a plain call".into(),
        };
        lease.finish(Err(&error));
        error
    }
}

/// Turns a value into what the caller asked for.
pub(super) fn decode<T: DeserializeOwned>(command: &str, value: Value) -> Result<T, CallError> {
    from_value(value).map_err(|source| CallError::Decode {
        command: command.to_owned(),
        source,
    })
}

/// A place in the queue; leaving early gives it up.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    call: CallId,
    waiting: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.waiting {
            let call = self.call;
            self.shared.step_with(Input::Withdrawn(call), |state| {
                state.waiters.remove(&call);
                Some(EventKind::CallRejected {
                    call,
                    code: "call.abandoned",
                })
            });
        }
    }
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
