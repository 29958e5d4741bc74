//! What the tests have in common: pools, waiting, recorded events, a policy made of closures.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use snakepit_core::event::{Event, EventKind};
use snakepit_core::testing::FakeProfile;
use snakepit_core::{
    CallError, EventSink, Needs, Pool, PoolBuilder, Recheck, RecyclePolicy, Usage, Verdict,
    WorkerView,
};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub(crate) const FOR_EVER: f64 = 600.0;
pub(crate) const LONG: Duration = Duration::from_secs(30);
pub(crate) const SHORT: Duration = Duration::from_millis(60);

pub(crate) fn builder(profile: &FakeProfile) -> PoolBuilder {
    Pool::builder("p", Arc::new(profile.clone()))
        .size(1)
        .queue_timeout(LONG)
        .cancel_grace(SHORT)
}

pub(crate) async fn started(profile: &FakeProfile) -> Pool {
    builder(profile).start().await.expect("it starts")
}

/// A call that never ends by itself, running.
pub(crate) async fn begin(pool: &Pool, command: &str) -> JoinHandle<Result<(), CallError>> {
    let before = pool.snapshot().running;
    let request = match command {
        "sleep" => pool.request("sleep", FOR_EVER),
        other => pool.request(other, ()),
    };
    let task = tokio::spawn(request.call());
    until(|| pool.snapshot().running > before).await;
    task
}

pub(crate) async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LONG, met).await.expect("it comes true");
}

pub(crate) fn failed<T: fmt::Debug>(result: Result<T, CallError>, code: &str) -> CallError {
    let error = result.expect_err("a failure");
    assert_eq!(error.code(), code, "{error}");
    error
}

/// All that happened.
#[derive(Clone, Default)]
pub(crate) struct History(Arc<Mutex<Vec<Event>>>);

impl History {
    pub(crate) fn sink(&self) -> Arc<dyn EventSink> {
        let events = Arc::clone(&self.0);
        Arc::new(move |event: &Event| events.lock().push(event.clone()))
    }

    /// In the order of the pool, each as a few words.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut events = self.0.lock().clone();
        events.sort_by_key(|event| event.seq);
        events.iter().map(|event| words(&event.kind)).collect()
    }

    /// Those that begin so.
    pub(crate) fn of(&self, start: &str) -> Vec<String> {
        let words = self.words().into_iter();
        words.filter(|words| words.starts_with(start)).collect()
    }

    pub(crate) fn find<T>(&self, pick: impl FnMut(&EventKind) -> Option<T>) -> Option<T> {
        self.0.lock().iter().map(|event| &event.kind).find_map(pick)
    }
}

fn words(kind: &EventKind) -> String {
    match kind {
        EventKind::WorkerLaunching { worker } => format!("launching {worker}"),
        EventKind::WorkerReady { worker, .. } => format!("ready {worker}"),
        EventKind::LaunchFailed { worker, .. } => format!("failed {worker}"),
        EventKind::WorkerDue { worker, reason } => format!("due {worker}: {}", reason.describe()),
        EventKind::WorkerQuarantined { worker, call } => {
            format!("quarantined {worker}: call {call}")
        }
        EventKind::WorkerStopping { worker, reason } => {
            format!("stopping {worker}: {}", reason.describe())
        }
        EventKind::WorkerDraining { worker, reason } => {
            format!("draining {worker}: {}", reason.describe())
        }
        EventKind::WorkerExited { worker, .. } => format!("exited {worker}"),
        EventKind::CallQueued { call, depth } => format!("queued call {call}: {depth}"),
        EventKind::CallStarted { call, worker, .. } => format!("started call {call} on {worker}"),
        EventKind::CallFinished { call, outcome, .. } => {
            format!("finished call {call}: {outcome:?}")
        }
        EventKind::CallRejected { call, code } => format!("rejected call {call}: {code}"),
        EventKind::CallSlow {
            call,
            command,
            stack,
            ..
        } => format!("slow call {call}: {command} {stack:?}"),
        EventKind::Breaker { state } => format!("breaker {state:?}"),
        EventKind::RecyclingStopped { policy, message } => format!("no more {policy}: {message}"),
        EventKind::Health { status, .. } => format!("health {status}"),
        EventKind::Log { worker, .. } => format!("log {worker}"),
        EventKind::Notice { worker, .. } => format!("notice {worker}"),
        EventKind::Resized { from, to } => format!("resized {from} to {to}"),
        other => format!("{other:?}"),
    }
}

type Assess = dyn Fn(&WorkerView, Instant) -> Verdict + Send + Sync;
type When = dyn Fn(&WorkerView) -> Recheck + Send + Sync;

/// A policy that does what a test says.
pub(crate) struct Rule {
    assess: Box<Assess>,
    recheck: Box<When>,
    needs: Needs,
    most_at_boot: u64,
    guarded: bool,
}

impl Rule {
    pub(crate) fn new(
        assess: impl Fn(&WorkerView, Instant) -> Verdict + Send + Sync + 'static,
    ) -> Self {
        Self {
            assess: Box::new(assess),
            recheck: Box::new(|_| Recheck::default()),
            needs: Needs::default(),
            most_at_boot: u64::MAX,
            guarded: false,
        }
    }

    pub(crate) fn recheck(
        mut self,
        recheck: impl Fn(&WorkerView) -> Recheck + Send + Sync + 'static,
    ) -> Self {
        self.recheck = Box::new(recheck);
        self
    }

    pub(crate) fn measured(mut self) -> Self {
        self.needs.usage = Some(SHORT);
        self
    }

    pub(crate) fn heartbeat(mut self, every: Duration) -> Self {
        self.needs.heartbeat = Some(every);
        self
    }

    pub(crate) fn most_at_boot(mut self, bytes: u64) -> Self {
        self.most_at_boot = bytes;
        self
    }

    pub(crate) fn guarded(mut self) -> Self {
        self.guarded = true;
        self
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule")
    }
}

impl RecyclePolicy for Rule {
    fn name(&self) -> &'static str {
        "rule"
    }

    fn assess(&self, worker: &WorkerView, now: Instant) -> Verdict {
        (self.assess)(worker, now)
    }

    fn recheck(&self, worker: &WorkerView, _now: Instant) -> Recheck {
        (self.recheck)(worker)
    }

    fn needs(&self) -> Needs {
        self.needs
    }

    fn admit(&self, boot: &Usage) -> Result<(), String> {
        if boot.private <= self.most_at_boot {
            return Ok(());
        }
        let (used, limit) = (boot.private, self.most_at_boot);
        Err(format!(
            "it uses {used} bytes from the start, the limit is {limit}"
        ))
    }

    fn is_guarded(&self) -> bool {
        self.guarded
    }
}

/// Retires a worker that finished so many calls.
pub(crate) fn after(calls: u64) -> Rule {
    let rule = Rule::new(move |worker, _| {
        if worker.served < calls {
            Verdict::Keep
        } else {
            Verdict::Retire("it served enough".into())
        }
    });
    rule.recheck(move |_| Recheck {
        at: None,
        served: Some(calls),
    })
}
