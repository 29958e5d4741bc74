//! What the tests of the kit have in common. Knows no promise.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};

use crate::error::{CallError, LaunchError};
use crate::ids::{CallId, LaneId, WorkerId};
use crate::limits::CancelGrace;
use crate::pool::Pool;
use crate::testing::Subject;
use crate::value::{Args, Value};
use crate::worker::{Call, LaunchContext, Launched, Quiesced, Reply, Worker, WorkerProfile};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);

/// Long enough for a call to be running, most of the time; no test fails if it was not.
pub(super) const A_MOMENT: Duration = Duration::from_millis(50);

/// A grace that is waited for to its end.
pub(super) const SHORT_GRACE: Duration = Duration::from_millis(200);

/// A grace that is not.
pub(super) const LONG_GRACE: Duration = Duration::from_secs(30);

/// What a call takes that is not meant to come to its end, in seconds.
pub(super) const FOR_EVER: f64 = 600.0;

/// Runs one test, then looks for what is left over.
pub async fn run(subject: impl Into<Subject>, test: impl AsyncFnOnce(&Bench)) {
    let subject = subject.into();
    if let Some(what) = &subject.missing {
        #[expect(
            clippy::print_stdout,
            reason = "a test that tests nothing has to say so"
        )]
        {
            println!("skipped: there is no {what}");
        }
        return;
    }
    let bench = Bench::new(subject);
    assert!(
        timeout(PATIENCE, test(&bench)).await.is_ok(),
        "no end after {PATIENCE:?}"
    );
    bench.clean_up().await;
}

/// A profile and all the workers it launched.
pub struct Bench {
    pub(super) subject: Subject,
    recorder: Arc<Recorder>,
    next: AtomicU64,
}

impl Bench {
    fn new(subject: Subject) -> Self {
        let recorder = Recorder {
            profile: Arc::clone(&subject.profile),
            workers: Mutex::default(),
        };
        Self {
            subject,
            recorder: Arc::new(recorder),
            next: AtomicU64::new(1),
        }
    }

    /// The context of one more launch.
    pub(super) fn context(&self) -> LaunchContext {
        let worker = WorkerId::new(self.next());
        LaunchContext::new("kit".into(), worker, PATIENCE, Arc::new(|_| {}))
    }

    pub(super) async fn launch(&self) -> Launched {
        let launched = self.recorder.launch(self.context()).await;
        launched.unwrap_or_else(|error| panic!("the launch failed: {error}"))
    }

    pub(super) async fn worker(&self) -> Arc<dyn Worker> {
        self.launch().await.worker
    }

    /// The profile, watched.
    pub(super) fn profile(&self) -> Arc<dyn WorkerProfile> {
        Arc::clone(&self.recorder) as _
    }

    /// A pool that shows no mercy to calls that do not let go of their lanes.
    pub(super) async fn pool(&self, size: usize) -> Pool {
        self.pool_with(size, SHORT_GRACE).await
    }

    /// A pool that gives calls that are interrupted time to let go of their lanes.
    pub(super) async fn pool_with(&self, size: usize, grace: Duration) -> Pool {
        let pool = Pool::builder("kit", self.profile())
            .size(size)
            .startup_timeout(PATIENCE)
            .queue_timeout(PATIENCE)
            .request_timeout(PATIENCE)
            .cancel_grace(grace);
        pool.start()
            .await
            .unwrap_or_else(|error| panic!("the pool did not start: {error}"))
    }

    /// One more call.
    pub(super) fn call(&self, command: &str, args: Args) -> Call {
        Call::new(CallId::new(self.next()), command, args)
    }

    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// All workers launched so far.
    pub(super) fn workers(&self) -> Vec<Arc<dyn Worker>> {
        self.recorder.workers.lock().clone()
    }

    /// Waits until nothing of the profile runs any more, its workers first.
    pub(super) async fn nothing_is_left(&self) {
        for worker in self.workers() {
            worker.exited().await;
        }
        let Some(left_over) = &self.subject.left_over else {
            return;
        };
        while left_over() > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn clean_up(&self) {
        for worker in self.workers() {
            worker.abort("the test is over");
        }
        let left = || self.subject.left_over.as_ref().map_or(0, |count| count());
        let gone = timeout(PATIENCE, self.nothing_is_left()).await;
        assert!(gone.is_ok(), "{} left over after {PATIENCE:?}", left());
    }
}

/// Passes launches on and keeps the workers.
struct Recorder {
    profile: Arc<dyn WorkerProfile>,
    workers: Mutex<Vec<Arc<dyn Worker>>>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.profile.fmt(f)
    }
}

#[async_trait]
impl WorkerProfile for Recorder {
    fn kind(&self) -> &str {
        self.profile.kind()
    }

    async fn launch(&self, cx: LaunchContext) -> Result<Launched, LaunchError> {
        let launched = self.profile.launch(cx).await?;
        self.workers.lock().push(Arc::clone(&launched.worker));
        Ok(launched)
    }
}

pub(super) const FIRST_LANE: LaneId = LaneId::new(0);

/// Runs a call on the first lane to its one value.
pub(super) async fn one(worker: &dyn Worker, call: Call) -> Result<Value, CallError> {
    match worker.call(FIRST_LANE, call).await? {
        Reply::One(value) => Ok(value),
        Reply::Stream(_) => panic!("a stream answered a plain call"),
    }
}

/// Begins a call on the first lane and leaves it alone while it runs.
pub(super) fn begin(
    worker: &Arc<dyn Worker>,
    call: Call,
) -> tokio::task::JoinHandle<Result<Value, CallError>> {
    let worker = Arc::clone(worker);
    tokio::spawn(async move { one(&*worker, call).await })
}

/// Drops a call on the first lane after a moment; the lane is then cancelled.
pub(super) async fn abandon(worker: &Arc<dyn Worker>, call: Call, grace: Duration) -> Quiesced {
    let id = call.id;
    let _ = timeout(A_MOMENT, one(&**worker, call)).await;
    worker
        .cancel(FIRST_LANE, id, CancelGrace::interrupt(grace))
        .await
}

/// Checks that a call failed because its worker went away.
pub(super) fn assert_lost<T: fmt::Debug>(result: &Result<T, CallError>) {
    assert!(
        matches!(result, Err(CallError::WorkerLost(_))),
        "{result:?} is no lost worker"
    );
}
