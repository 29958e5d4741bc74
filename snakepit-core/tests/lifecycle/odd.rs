//! A profile around the fake one that lets a test do odd things at odd moments. Knows no pool.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::repeat;
use parking_lot::Mutex;
use snakepit_core::error::{CallError, ExitReport, LaunchError};
use snakepit_core::testing::FakeProfile;
use snakepit_core::{
    Call, CallId, CancelGrace, LaneId, LaunchContext, Launched, Quiesced, Reply, Value, Worker,
    WorkerProfile,
};
use tokio::sync::Notify;

use crate::support::SHORT;

type Hook = Box<dyn Fn() + Send>;

/// What is wrong with every worker of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    LaunchPanics,
    CancelPanics,
    CancelHangs,
    PingPanics,
    TrimPanics,
    StackPanics,
    StopPanics,
    StopHangs,
    AbortPanics,
    ExitedPanics,
    /// It takes its time to be gone after it was killed.
    DiesLate,
}

/// Cheap to clone; all clones are one. Beside the commands of the fake there are `flood`, a stream that always has the
/// next value, and `die_once`, which ends the first worker that runs it as soon as it is told to, and no other.
#[derive(Clone, Default)]
pub(crate) struct Odd {
    pub(crate) inner: FakeProfile,
    fault: Option<Fault>,
    died: Arc<AtomicBool>,
    /// Tells `die_once`.
    pub(crate) die: Arc<Notify>,
    /// Whether the caller holds the stream of a call.
    pub(crate) held: Arc<AtomicBool>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Odd {
    pub(crate) fn with(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Panics if that is what is wrong.
    fn panic_at(&self, fault: Fault) {
        assert!(!self.has(fault), "as the test wants it");
    }

    /// Done once, when a stream is next asked for a value.
    pub(crate) fn at_next_value(&self, hook: impl Fn() + Send + 'static) {
        *self.hook.lock() = Some(Box::new(hook));
    }
}

impl fmt::Debug for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Odd")
    }
}

#[async_trait]
impl WorkerProfile for Odd {
    fn kind(&self) -> &'static str {
        "odd"
    }

    async fn launch(&self, cx: LaunchContext) -> Result<Launched, LaunchError> {
        self.panic_at(Fault::LaunchPanics);
        let Launched { worker, hello } = self.inner.launch(cx).await?;
        let odd = self.clone();
        let worker = Arc::new(OddWorker { inner: worker, odd });
        Ok(Launched { worker, hello })
    }
}

struct OddWorker {
    inner: Arc<dyn Worker>,
    odd: Odd,
}

/// Says when the stream that has it is gone.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl Worker for OddWorker {
    async fn call(&self, lane: LaneId, call: Call) -> Result<Reply, CallError> {
        if &*call.command == "flood" {
            return Ok(Reply::Stream(repeat(Ok(Value::Int(1))).boxed()));
        }
        if &*call.command == "die_once" {
            if self.odd.died.swap(true, Ordering::SeqCst) {
                return Ok(Reply::One(Value::Null));
            }
            self.odd.die.notified().await;
            let mut call = call;
            call.command = "die".into();
            return self.inner.call(lane, call).await;
        }
        let mut stream = match self.inner.call(lane, call).await? {
            Reply::Stream(stream) => stream,
            one @ Reply::One(_) => return Ok(one),
        };
        self.odd.held.store(true, Ordering::SeqCst);
        let held = Held(Arc::clone(&self.odd.held));
        let hook = Arc::clone(&self.odd.hook);
        let stream = futures_util::stream::poll_fn(move |cx| {
            let _held = &held;
            let hook = hook.lock().take();
            hook.inspect(|hook| hook());
            stream.poll_next_unpin(cx)
        });
        Ok(Reply::Stream(stream.boxed()))
    }

    async fn cancel(&self, lane: LaneId, call: CallId, grace: CancelGrace) -> Quiesced {
        self.odd.panic_at(Fault::CancelPanics);
        if self.odd.has(Fault::CancelHangs) {
            return pending().await;
        }
        self.inner.cancel(lane, call, grace).await
    }

    async fn ping(&self) -> Result<(), ExitReport> {
        self.odd.panic_at(Fault::PingPanics);
        self.inner.ping().await
    }

    async fn trim(&self) {
        self.inner.trim().await;
        self.odd.panic_at(Fault::TrimPanics);
    }

    async fn stack(&self, lane: LaneId, call: CallId) -> Vec<String> {
        self.odd.panic_at(Fault::StackPanics);
        self.inner.stack(lane, call).await
    }

    async fn stop(&self, grace: Duration) -> ExitReport {
        self.odd.panic_at(Fault::StopPanics);
        if self.odd.has(Fault::StopHangs) {
            return pending().await;
        }
        self.inner.stop(grace).await
    }

    fn abort(&self, reason: &str) {
        self.odd.panic_at(Fault::AbortPanics);
        if self.odd.has(Fault::DiesLate) {
            let (worker, reason) = (Arc::clone(&self.inner), reason.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(SHORT).await;
                worker.abort(&reason);
            });
        } else {
            self.inner.abort(reason);
        }
    }

    async fn exited(&self) -> ExitReport {
        self.odd.panic_at(Fault::ExitedPanics);
        self.inner.exited().await
    }
}
