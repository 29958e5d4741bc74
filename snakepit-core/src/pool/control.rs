//! Stopping a call from outside of its caller. Knows neither scheduler nor worker: it only wakes the caller's task, which
//! then lets go of the call as if it had been dropped.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// Why a call was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Through its [`CancelHandle`].
    Handle,
    /// The pool drains and its grace is over.
    Drain,
}

impl Stop {
    /// For [`CallError::Cancelled`](crate::CallError::Cancelled).
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Handle => "its cancel handle was used",
            Self::Drain => "the pool was drained and the grace was over",
        }
    }
}

const GOING: u8 = 0;
const STOPPED: u8 = 1;
const DRAINED: u8 = 2;
const OVER: u8 = 3;

/// One call's switch.
#[derive(Debug, Default)]
pub(super) struct Control {
    state: AtomicU8,
    waker: AtomicWaker,
}

impl Control {
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

    /// The call is over, however it ended: stopping it has no effect any more.
    pub(super) fn finish(&self) {
        let _ = self
            .state
            .compare_exchange(GOING, OVER, Ordering::AcqRel, Ordering::Acquire);
    }

    fn stopped(&self) -> Option<Stop> {
        match self.state.load(Ordering::Acquire) {
            STOPPED => Some(Stop::Handle),
            DRAINED => Some(Stop::Drain),
            _ => None,
        }
    }

    /// Runs `work` until it is done or the call is stopped.
    ///
    /// # Cancel safety
    /// As `work`.
    pub(super) async fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            // Registered before the look, so that a stop in between is not missed.
            self.waker.register(cx.waker());
            match self.stopped() {
                Some(why) => Poll::Ready(Err(why)),
                None => Poll::Pending,
            }
        })
        .await
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
