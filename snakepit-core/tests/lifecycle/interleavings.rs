//! Every order in which two calls on one worker can begin, end, be dropped, be cancelled and let go, and the worker die:
//! each call has one outcome, its handle tells the truth, and afterwards all lanes are there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use snakepit_core::error::{ExitReport, ExitStatus, LaunchError};
use snakepit_core::{
    Call, CallError, CallId, CancelGrace, CancelHandle, Hello, LaneId, LaunchContext, Launched,
    Pool, Quiesced, Reply, Value, Worker, WorkerProfile,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What can happen, to the first or the second call, or to their worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The caller asks.
    Begin(usize),
    /// The worker answers.
    Answer(usize),
    /// The caller goes away.
    Drop(usize),
    /// Someone uses the handle.
    Cancel(usize),
    /// The worker says whether the interrupted call let go.
    LetGo(usize, Quiesced),
    /// The worker dies.
    Die,
}

const STEPS: [Step; 13] = [
    Step::Begin(0),
    Step::Begin(1),
    Step::Answer(0),
    Step::Answer(1),
    Step::Drop(0),
    Step::Drop(1),
    Step::Cancel(0),
    Step::Cancel(1),
    Step::LetGo(0, Quiesced::Clean),
    Step::LetGo(1, Quiesced::Clean),
    Step::LetGo(0, Quiesced::Stuck),
    Step::LetGo(1, Quiesced::Stuck),
    Step::Die,
];

/// How many of them happen before everything is brought to its end.
const DEPTH: usize = 5;

/// What a worker does is what a test says: nothing ends by itself.
#[derive(Default)]
struct Script {
    answered: Vec<usize>,
    let_go: HashMap<usize, Quiesced>,
    /// Everything ends that was not told to.
    finale: bool,
}

struct Puppet {
    script: watch::Sender<Script>,
    exit: watch::Sender<Option<ExitReport>>,
    /// Which call of the test runs on a lane: a lane of the dead, or of two, is a mistake of the pool's.
    lanes: Mutex<HashMap<LaneId, (CallId, usize)>>,
}

impl Puppet {
    fn new() -> Self {
        Self {
            script: watch::Sender::default(),
            exit: watch::Sender::default(),
            lanes: Mutex::default(),
        }
    }

    async fn until<T>(&self, pick: impl Fn(&Script) -> Option<T>) -> Result<T, CallError> {
        let mut script = self.script.subscribe();
        tokio::select! {
            biased;
            report = self.exited() => Err(CallError::WorkerLost(Arc::new(report))),
            told = script.wait_for(|script| pick(script).is_some()) => {
                Ok(pick(&told.expect("it is told")).expect("it is there"))
            }
        }
    }
}

#[async_trait]
impl Worker for Puppet {
    async fn call(&self, lane: LaneId, call: Call) -> Result<Reply, CallError> {
        let which: usize = call.command.parse().expect("a number");
        let before = self.lanes.lock().insert(lane, (call.id, which));
        assert_eq!(before, None, "two calls on one lane");
        self.until(|script| (script.finale || script.answered.contains(&which)).then_some(()))
            .await?;
        self.lanes.lock().remove(&lane);
        Ok(Reply::One(Value::from(which as u64)))
    }

    async fn cancel(&self, lane: LaneId, call: CallId, _: CancelGrace) -> Quiesced {
        let running = self.lanes.lock().get(&lane).copied();
        let Some((_, which)) = running.filter(|(running, _)| *running == call) else {
            return Quiesced::Clean;
        };
        let told = |script: &Script| {
            let told = script.let_go.get(&which).copied();
            told.or(script.finale.then_some(Quiesced::Clean))
        };
        let how = self.until(told).await.unwrap_or(Quiesced::Stuck);
        if how == Quiesced::Clean {
            self.lanes.lock().remove(&lane);
        }
        how
    }

    async fn ping(&self) -> Result<(), ExitReport> {
        Ok(())
    }

    async fn stop(&self, _: Duration) -> ExitReport {
        self.abort("it was stopped");
        self.exited().await
    }

    fn abort(&self, reason: &str) {
        let report = ExitReport::new("p", ExitStatus::Signal(9)).because(reason);
        self.exit.send_if_modified(|exit| {
            let first = exit.is_none();
            exit.get_or_insert(report);
            first
        });
    }

    async fn exited(&self) -> ExitReport {
        let mut exit = self.exit.subscribe();
        let report = exit.wait_for(Option::is_some).await.expect("it is told");
        report.clone().expect("it is there")
    }
}

/// The first worker is the puppet; its replacements answer at once.
struct Stage(Arc<Puppet>, Mutex<bool>);

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stage")
    }
}

#[async_trait]
impl WorkerProfile for Stage {
    fn kind(&self) -> &'static str {
        "stage"
    }

    async fn launch(&self, _: LaunchContext) -> Result<Launched, LaunchError> {
        let worker = if std::mem::replace(&mut *self.1.lock(), true) {
            let stand_in = Puppet::new();
            stand_in.script.send_modify(|script| script.finale = true);
            Arc::new(stand_in)
        } else {
            Arc::clone(&self.0)
        };
        let hello = Hello::new(2);
        Ok(Launched { worker, hello })
    }
}

/// Lets every task run until none can.
async fn settle() {
    for _ in 0..24 {
        tokio::task::yield_now().await;
    }
}

#[derive(Default)]
struct Caller {
    handle: Option<CancelHandle>,
    task: Option<JoinHandle<Result<Value, CallError>>>,
    told: bool,
    dropped: bool,
}

async fn play(steps: &[Step]) {
    let puppet = Arc::new(Puppet::new());
    let stage = Stage(Arc::clone(&puppet), Mutex::new(false));
    let pool = Pool::builder("p", Arc::new(stage)).size(1);
    let pool = pool.start().await.expect("it starts");
    let mut callers = [Caller::default(), Caller::default()];
    for step in steps {
        match *step {
            Step::Begin(which) => {
                let request = pool.request(&which.to_string(), ());
                callers[which].handle = Some(request.cancel_handle());
                callers[which].task = Some(tokio::spawn(request.call()));
            }
            Step::Answer(which) => puppet
                .script
                .send_modify(|script| script.answered.push(which)),
            Step::Drop(which) => {
                callers[which].dropped = true;
                callers[which].task.as_ref().expect("it began").abort();
            }
            Step::Cancel(which) => {
                callers[which].told = callers[which].handle.as_ref().expect("it began").cancel();
            }
            Step::LetGo(which, how) => {
                puppet.script.send_modify(|script| {
                    script.let_go.insert(which, how);
                });
            }
            Step::Die => puppet.abort("it died"),
        }
        settle().await;
    }
    puppet.script.send_modify(|script| script.finale = true);
    settle().await;
    for (which, caller) in callers.iter_mut().enumerate() {
        let Some(task) = caller.task.take() else {
            continue;
        };
        assert!(task.is_finished(), "{steps:?}: call {which} has no end");
        match task.await {
            Err(_dropped) => assert!(caller.dropped, "{steps:?}: call {which} vanished"),
            Ok(Ok(answer)) => {
                assert_eq!(
                    answer,
                    Value::from(which as u64),
                    "{steps:?}: another's answer"
                );
                assert!(
                    !caller.told,
                    "{steps:?}: call {which} was cancelled, and answered"
                );
            }
            Ok(Err(error)) => {
                let cancelled = error.code() == "call.cancelled";
                assert_eq!(cancelled, caller.told, "{steps:?}: call {which}: {error}");
                let died = steps
                    .iter()
                    .any(|step| matches!(step, Step::Die | Step::LetGo(_, Quiesced::Stuck)));
                assert!(cancelled || died, "{steps:?}: call {which}: {error}");
            }
        }
        let handle = caller.handle.take().expect("it began");
        assert!(
            !handle.cancel(),
            "{steps:?}: the handle of call {which} lives on"
        );
    }
    let snapshot = pool.snapshot();
    assert_eq!(
        (snapshot.running, snapshot.queued, snapshot.lanes),
        (0, 0, 2),
        "{steps:?}"
    );
    // As many lanes as there were run at the same time.
    let both = [pool.request("0", ()), pool.request("1", ())]
        .map(|request| tokio::spawn(request.call::<u64>()));
    for (which, call) in both.into_iter().enumerate() {
        assert_eq!(
            call.await.expect("a task").expect("a lane"),
            which as u64,
            "{steps:?}"
        );
    }
    pool.shutdown().await;
}

/// Every order of at most `DEPTH` steps in which a call begins before anything happens to it. The two calls are alike,
/// so the first is always the one that begins first; nothing that comes to pass only once is told twice.
fn extend(steps: &mut Vec<Step>, all: &mut Vec<Vec<Step>>) {
    all.push(steps.clone());
    if steps.len() == DEPTH {
        return;
    }
    for step in STEPS {
        let begun = |which| steps.contains(&Step::Begin(which));
        let possible = match step {
            Step::Begin(which) => which == 0 || begun(0),
            Step::Answer(which) | Step::Drop(which) | Step::Cancel(which) => begun(which),
            Step::LetGo(which, _) => {
                let told = |step: &Step| matches!(step, Step::LetGo(other, _) if *other == which);
                begun(which) && !steps.iter().any(told)
            }
            Step::Die => begun(0),
        };
        if possible && !steps.contains(&step) {
            steps.push(step);
            extend(steps, all);
            steps.pop();
        }
    }
}

#[test]
fn in_every_order_each_call_has_one_outcome_and_all_lanes_come_back() {
    let mut all = Vec::new();
    extend(&mut Vec::new(), &mut all);
    assert!(all.len() > 2_000, "{} orders", all.len());
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    for steps in &all {
        runtime.block_on(play(steps));
    }
}
