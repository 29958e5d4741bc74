//! Stopping a call from outside of its caller. Knows neither scheduler nor worker: it only wakes the caller's task, which
//! then lets go of the call as if it had been dropped.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use crate::error::{CallError, Stage};
use crate::session::{REFS_RELEASED, SESSION_CLOSED};

/// Why a call was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Through its [`CancelHandle`].
    Handle,
    /// The pool drains and its grace is over.
    Drain,
}

impl Stop {
    /// What the caller gets.
    pub(super) fn error(self, stage: Stage) -> CallError {
        let why = match self {
            Self::Handle => "its cancel handle was used",
            Self::Drain => "the pool was drained and the grace was over",
        };
        CallError::Cancelled { stage, why }
    }
}

const GOING: u8 = 0;
const STOPPED: u8 = 1;
const DRAINED: u8 = 2;
const OVER: u8 = 3;

/// One call's switch.
#[derive(Debug)]
pub(super) struct Control {
    /// What the call runs, for reports.
    pub(super) command: Arc<str>,
    state: AtomicU8,
    granted: AtomicBool,
    waker: AtomicWaker,
}

impl Control {
    pub(super) fn new(command: Arc<str>) -> Self {
        Self {
            command,
            state: AtomicU8::new(GOING),
            granted: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    /// Whether it is a call of the pool's own, which is on no caller's account.
    pub(super) fn is_errand(&self) -> bool {
        [SESSION_CLOSED, REFS_RELEASED].contains(&&*self.command)
    }

    /// The call has a lane. True for the first one: a call that is tried again gets another.
    pub(super) fn grant(&self) -> bool {
        !self.granted.swap(true, Ordering::Relaxed)
    }

    /// Stops the call. False if it is over, or was stopped before.
    pub(super) fn stop(&self, why: Stop) -> bool {
        let to = match why {
            Stop::Handle => STOPPED,
            Stop::Drain => DRAINED,
        };
        let first = self
            .state
            .compare_exchange(GOING, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if first {
            self.waker.wake();
        }
        first
    }

    /// The call is over, however it ended: stopping it has no effect any more. Why it was stopped, if it was before.
    pub(super) fn finish(&self) -> Option<Stop> {
        let _ = self
            .state
            .compare_exchange(GOING, OVER, Ordering::AcqRel, Ordering::Acquire);
        self.stopped()
    }

    /// Why the call was stopped, if it was.
    pub(super) fn stopped(&self) -> Option<Stop> {
        match self.state.load(Ordering::Acquire) {
            STOPPED => Some(Stop::Handle),
            DRAINED => Some(Stop::Drain),
            _ => None,
        }
    }

    /// As [`stopped`](Self::stopped), and has the task woken when that changes.
    pub(super) fn poll_stopped(&self, cx: &Context<'_>) -> Option<Stop> {
        // Registered before the look, so that a stop in between is not missed.
        self.waker.register(cx.waker());
        self.stopped()
    }

    /// Polls `work` until it is done or the call is stopped. Does not begin it when the call is stopped already.
    ///
    /// Takes no future by value, since that of a call is large and is best left where it is.
    pub(super) fn poll<W: Future>(
        &self,
        cx: &mut Context<'_>,
        work: Pin<&mut W>,
    ) -> Poll<Result<W::Output, Stop>> {
        if let Some(why) = self.stopped() {
            return Poll::Ready(Err(why));
        }
        if let Poll::Ready(done) = work.poll(cx) {
            return Poll::Ready(Ok(done));
        }
        match self.poll_stopped(cx) {
            Some(why) => Poll::Ready(Err(why)),
            None => Poll::Pending,
        }
    }
}

/// A call's switch in the hands of its caller: when the caller is done with the call, or gone, the call is over.
#[derive(Debug)]
pub(super) struct Controlled(Arc<Control>);

impl Controlled {
    pub(super) fn new(command: Arc<str>) -> Self {
        Self(Arc::new(Control::new(command)))
    }

    pub(super) fn share(&self) -> Arc<Control> {
        Arc::clone(&self.0)
    }
}

impl Deref for Controlled {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.0
    }
}

impl Drop for Controlled {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Stops one call from anywhere, made by [`Request::cancel_handle`](crate::Request::cancel_handle).
///
/// The caller gets [`CallError::Cancelled`](crate::CallError::Cancelled) at once; the command is interrupted as if the
/// caller had gone away. Cheap to clone; dropping it does nothing.
#[derive(Clone, Debug)]
pub struct CancelHandle(pub(super) Arc<Control>);

impl CancelHandle {
    /// Stops the call. False if it is over, or was stopped before; then nothing happens.
    ///
    /// # Blocking
    /// Never.
    pub fn cancel(&self) -> bool {
        self.0.stop(Stop::Handle)
    }
}
