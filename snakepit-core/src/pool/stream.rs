//! A stream in a caller's hands: its values, its deadline, its lane.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use serde::de::DeserializeOwned;
use tokio::time::{Sleep, sleep_until};

use super::control::{Controlled, Stop};
use super::lease::Lease;
use super::request::decode;
use crate::error::{CallError, Stage};
use crate::ids::SessionId;
use crate::value::Value;
use crate::worker::{Reply, ReplyStream};

/// The values of a streaming call. Ends after the first error. Holds its lane until it ended; dropping it early
/// interrupts the command.
#[must_use = "dropping a stream interrupts the command"]
pub struct CallStream<T> {
    source: Option<Source>,
    lease: Lease,
    session: Option<SessionId>,
    control: Controlled,
    timer: Pin<Box<Sleep>>,
    timeout: Duration,
    item: PhantomData<fn() -> T>,
}

enum Source {
    /// A command that produced one value after all.
    One(Value),
    Many(ReplyStream),
}

impl<T: DeserializeOwned> CallStream<T> {
    pub(super) fn new(
        reply: Reply,
        lease: Lease,
        session: Option<SessionId>,
        control: Controlled,
        deadline: Instant,
        timeout: Duration,
    ) -> Self {
        let source = match reply {
            Reply::One(value) => Source::One(value),
            Reply::Stream(stream) => Source::Many(stream),
        };
        let timer = Box::pin(sleep_until(deadline.into()));
        Self {
            source: Some(source),
            lease,
            session,
            control,
            timer,
            timeout,
            item: PhantomData,
        }
    }

    /// The next value, or `None` at the end.
    ///
    /// # Cancel safety
    /// Cancel safe: no value is lost.
    ///
    /// # Errors
    /// As [`Pool::call`](crate::Pool::call); nothing follows an error.
    pub async fn next(&mut self) -> Option<Result<T, CallError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<T> CallStream<T> {
    /// Ends a stream whose command goes on, with what the caller is to know.
    fn give_up(&mut self, error: CallError) -> CallError {
        // First: a worker that is asked to let go of a lane whose reply is still held would seem stuck.
        self.source = None;
        let stop = self.control.finish();
        self.lease.abandon();
        said(stop, error)
    }

    fn expire(&mut self) -> CallError {
        self.give_up(CallError::TimedOut {
            command: self.control.command.to_string(),
            stage: Stage::Run,
            after: self.timeout,
        })
    }
}

impl<T: DeserializeOwned> Stream for CallStream<T> {
    type Item = Result<T, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // Whatever ends the stream drops the reply; a lease that is in flight then interrupts the command.
        let Some(source) = this.source.take() else {
            return Poll::Ready(None);
        };
        if let Some(stop) = this.control.poll_stopped(cx) {
            drop(source);
            return Poll::Ready(Some(Err(this.give_up(stop.error(Stage::Run)))));
        }
        let polled = match source {
            Source::One(value) => {
                if let Some(stop) = this.control.finish() {
                    return Poll::Ready(Some(Err(stop.error(Stage::Run))));
                }
                Poll::Ready(Some(Ok(value)))
            }
            Source::Many(mut stream) => {
                // The clock is looked at, since nothing else tells the time to a task that never has to wait.
                if this.timer.deadline() <= tokio::time::Instant::now() {
                    drop(stream);
                    return Poll::Ready(Some(Err(this.expire())));
                }
                let polled = stream.as_mut().poll_next(cx);
                this.source = Some(Source::Many(stream));
                polled
            }
        };
        match polled {
            Poll::Ready(Some(Ok(mut value))) => {
                this.lease.adopt(&mut value, this.session.as_ref());
                let decoded = decode(&this.control.command, value);
                Poll::Ready(Some(decoded.map_err(|error| this.give_up(error))))
            }
            Poll::Ready(Some(Err(error))) => {
                this.source = None;
                let stop = this.control.finish();
                let error = this.lease.fail(error);
                Poll::Ready(Some(Err(said(stop, error))))
            }
            Poll::Ready(None) => {
                this.source = None;
                let stop = this.control.finish();
                this.lease.finish();
                Poll::Ready(stop.map(|stop| Err(stop.error(Stage::Run))))
            }
            Poll::Pending => {
                if this.timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(this.expire())))
            }
        }
    }
}

/// Whoever was told that the call was stopped is not contradicted by another end that came at the same moment.
fn said(stop: Option<Stop>, error: CallError) -> CallError {
    stop.map_or(error, |stop| stop.error(Stage::Run))
}

impl<T> Unpin for CallStream<T> {}

impl<T> std::fmt::Debug for CallStream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallStream")
            .field("command", &self.control.command)
            .finish_non_exhaustive()
    }
}
