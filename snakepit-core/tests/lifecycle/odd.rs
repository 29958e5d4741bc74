//! A profile around the fake one that lets a test do odd things at odd moments. Knows no pool.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use snakepit_core::error::{CallError, ExitReport, LaunchError};
use snakepit_core::testing::FakeProfile;
use snakepit_core::{
    Call, CallId, CancelGrace, LaneId, LaunchContext, Launched, Quiesced, Reply, Worker,
    WorkerProfile,
};

type Hook = Box<dyn Fn() + Send>;

/// Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(crate) struct Odd {
    inner: FakeProfile,
    panics: bool,
    /// Whether the caller holds the stream of a call.
    pub(crate) held: Arc<AtomicBool>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Odd {
    /// Every launch panics.
    pub(crate) fn panicking() -> Self {
        Self {
            panics: true,
            ..Self::default()
        }
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
        assert!(!self.panics, "as the test wants it");
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
        let Reply::Stream(mut stream) = self.inner.call(lane, call).await? else {
            panic!("not a stream");
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
        self.inner.cancel(lane, call, grace).await
    }

    async fn ping(&self) -> Result<(), ExitReport> {
        self.inner.ping().await
    }

    async fn stop(&self, grace: Duration) -> ExitReport {
        self.inner.stop(grace).await
    }

    fn abort(&self, reason: &str) {
        self.inner.abort(reason);
    }

    async fn exited(&self) -> ExitReport {
        self.inner.exited().await
    }
}
