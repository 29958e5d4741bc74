//! A worker inside the process: lanes, cancellation and death as the contract has them. Knows no command.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::stream::{StreamExt as _, unfold};
use tokio::sync::watch;

use super::Life;
use super::commands::{Outcome, Steps, Store, begin, error, raised};
use crate::error::{CallError, ExitReport, ExitStatus, RemoteKind, ToolError};
use crate::exchange::{Ask, Exchange};
use crate::ids::{CallId, LaneId};
use crate::limits::CancelGrace;
use crate::notice::Notice;
use crate::telemetry::Telemetry;
use crate::value::Value;
use crate::worker::{Call, LaunchContext, Quiesced, Reply, ReplyStream, Worker};

/// A worker of a [`FakeProfile`](super::FakeProfile). Its commands are those of the [`conformance!`](crate::conformance)
/// kit, and `hang`, which nothing but death interrupts. Its number as a process, for a [`FakeMeter`](super::FakeMeter),
/// is that of the worker, and no process's.
///
/// Panics, in the task of the caller, when two calls are run on one lane at the same time.
#[derive(Debug)]
pub struct FakeWorker {
    label: String,
    context: LaunchContext,
    state: Arc<watch::Sender<State>>,
    store: Store,
    trims: AtomicU64,
    /// Does not answer pings.
    mute: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    running: HashMap<LaneId, Running>,
    exit: Option<ExitReport>,
    life: Option<Life>,
}

#[derive(Clone, Debug)]
struct Running {
    call: CallId,
    command: Arc<str>,
    stubborn: bool,
}

impl FakeWorker {
    pub(super) fn new(context: LaunchContext, life: Life) -> Self {
        let state = State {
            running: HashMap::new(),
            exit: None,
            life: Some(life),
        };
        Self {
            label: context.label(),
            context,
            state: Arc::new(watch::channel(state).0),
            store: Store::default(),
            trims: AtomicU64::new(0),
            mute: watch::channel(false).0,
        }
    }

    /// Gives a notice, as a real worker does when it finds out something.
    pub fn notify(&self, notice: Notice) {
        (self.context.notices)(notice);
    }

    /// Tells something, as code in a real worker does.
    pub fn tell(&self, telemetry: Telemetry) {
        (self.context.telemetry)(telemetry);
    }

    /// `pool/number`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its worker's number, as that of a process.
    pub fn process(&self) -> u32 {
        u32::try_from(self.context.worker.get()).unwrap_or(u32::MAX)
    }

    /// How often it was asked to give memory back.
    pub fn trims(&self) -> u64 {
        self.trims.load(Ordering::SeqCst)
    }

    /// How many objects it keeps that handles are on.
    pub fn kept(&self) -> usize {
        self.store.kept()
    }

    /// Answers no pings, or answers them again, those that wait included.
    pub fn set_mute(&self, mute: bool) {
        self.mute.send_replace(mute);
    }

    /// Dies of itself, as a crash would.
    pub fn crash(&self) {
        self.end(ExitReport::new(&self.label, ExitStatus::Signal(11)));
    }

    pub(super) fn is_alive(&self) -> bool {
        self.state.borrow().exit.is_none()
    }

    /// The first end is the one that counts.
    fn end(&self, report: ExitReport) {
        self.state.send_if_modified(|state| {
            let first = state.exit.is_none();
            if first {
                state.exit = Some(report);
                state.life = None;
            }
            first
        });
    }

    fn occupy(&self, lane: LaneId, running: Running) -> Result<(), CallError> {
        let mut before = None;
        let mut lost = None;
        self.state.send_modify(|state| match &state.exit {
            Some(report) => lost = Some(report.clone().not_sent()),
            None => before = state.running.insert(lane, running),
        });
        assert!(before.is_none(), "{before:?} and another call on one lane");
        lost.map_or(Ok(()), |report| {
            Err(CallError::WorkerLost(Arc::new(report)))
        })
    }

    fn executed(&self) {
        if let Some(life) = &self.state.borrow().life {
            life.0.executed.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Waits until the worker is gone.
async fn gone(state: &watch::Sender<State>) -> ExitReport {
    let mut state = state.subscribe();
    let ended = state.wait_for(|state| state.exit.is_some()).await;
    // The sender is never gone: whoever waits holds it.
    let report = ended.ok().and_then(|state| state.exit.clone());
    report.unwrap_or_else(|| ExitReport::new("", ExitStatus::Unknown))
}

async fn unless_gone<T>(
    state: &watch::Sender<State>,
    work: impl Future<Output = T>,
) -> Result<T, CallError> {
    tokio::select! {
        biased;
        report = gone(state) => Err(CallError::WorkerLost(Arc::new(report))),
        done = work => Ok(done),
    }
}

fn vacate(state: &watch::Sender<State>, lane: LaneId) {
    state.send_modify(|state| {
        state.running.remove(&lane);
    });
}

#[async_trait]
impl Worker for FakeWorker {
    async fn call(&self, lane: LaneId, call: Call) -> Result<Reply, CallError> {
        let stubborn = &*call.command == "hang";
        self.occupy(
            lane,
            Running {
                call: call.id,
                command: Arc::clone(&call.command),
                stubborn,
            },
        )?;
        let late = call.deadline.is_some_and(|at| at <= Instant::now());
        let outcome = if late {
            Err(error(RemoteKind::Expired, "the deadline passed"))
        } else {
            self.executed();
            begin(&call, &self.store)
        };
        let mut steps: Steps = match outcome {
            Err(error) => {
                vacate(&self.state, lane);
                return Err(error);
            }
            Ok(Outcome::Die) => {
                self.crash();
                return Err(CallError::WorkerLost(Arc::new(self.exited().await)));
            }
            Ok(Outcome::Many(steps)) if !call.stream => {
                vacate(&self.state, lane);
                let values: Result<Vec<_>, _> = steps.collect();
                return values.map(|values| Reply::One(Value::List(values)));
            }
            Ok(Outcome::Many(steps)) => steps,
            Ok(Outcome::One(value)) => Box::new(std::iter::once(Ok(value))),
            Ok(Outcome::Ask(ask)) => {
                let answer = unless_gone(&self.state, answered(call.exchange, ask)).await?;
                Box::new(std::iter::once(answer))
            }
            Ok(Outcome::Total) => {
                let total = unless_gone(&self.state, total(call.exchange)).await?;
                Box::new(std::iter::once(total))
            }
            Ok(Outcome::Wait(time)) => {
                unless_gone(&self.state, tokio::time::sleep(time)).await?;
                Box::new(std::iter::once(Ok(Value::Null)))
            }
        };
        if call.stream {
            return Ok(Reply::Stream(stream(Arc::clone(&self.state), lane, steps)));
        }
        vacate(&self.state, lane);
        steps.next().unwrap_or(Ok(Value::Null)).map(Reply::One)
    }

    async fn cancel(&self, lane: LaneId, call: CallId, grace: CancelGrace) -> Quiesced {
        let running = self.state.borrow().running.get(&lane).cloned();
        match running {
            Some(running) if running.call == call && running.stubborn => {
                // Whether it dies meanwhile or the time runs out, the lane is lost.
                let _ = tokio::time::timeout(grace.total(), gone(&self.state)).await;
                Quiesced::Stuck
            }
            Some(running) if running.call == call => {
                vacate(&self.state, lane);
                Quiesced::Clean
            }
            _ => Quiesced::Clean,
        }
    }

    async fn ping(&self) -> Result<(), ExitReport> {
        let mut mute = self.mute.subscribe();
        tokio::select! {
            biased;
            report = gone(&self.state) => Err(report),
            _ = mute.wait_for(|mute| !mute) => Ok(()),
        }
    }

    async fn trim(&self) {
        self.trims.fetch_add(1, Ordering::SeqCst);
    }

    async fn stack(&self, lane: LaneId, call: CallId) -> Vec<String> {
        let state = self.state.borrow();
        let running = state.running.get(&lane);
        let running = running.filter(|running| running.call == call);
        running
            .map(|running| vec![format!("in {}", running.command)])
            .unwrap_or_default()
    }

    async fn stop(&self, grace: Duration) -> ExitReport {
        let mut state = self.state.subscribe();
        let idle = state.wait_for(|state| state.running.is_empty() || state.exit.is_some());
        let status = match tokio::time::timeout(grace, idle).await {
            Ok(_) => ExitStatus::Code(0),
            Err(_elapsed) => ExitStatus::Signal(9),
        };
        self.end(ExitReport::new(&self.label, status).because("it was stopped"));
        self.exited().await
    }

    fn abort(&self, reason: &str) {
        self.end(ExitReport::new(&self.label, ExitStatus::Signal(9)).because(reason));
    }

    async fn exited(&self) -> ExitReport {
        gone(&self.state).await
    }
}

async fn answered(exchange: Option<Arc<dyn Exchange>>, ask: Ask) -> Result<Value, CallError> {
    let answer = match exchange {
        Some(exchange) => exchange.ask(ask).await,
        None => Err(ToolError::unknown(&ask.tool, &[])),
    };
    answer.map_err(|failed| raised(failed.message.into()))
}

async fn total(exchange: Option<Arc<dyn Exchange>>) -> Result<Value, CallError> {
    let mut total = 0;
    while let Some(exchange) = &exchange {
        let Some(item) = poll_fn(|cx| exchange.poll_item(cx)).await else {
            break;
        };
        let item = item.map_err(|failed| raised(failed.message.into()))?;
        total += item.as_i64().unwrap_or_default();
    }
    Ok(total.into())
}

fn stream(state: Arc<watch::Sender<State>>, lane: LaneId, steps: Steps) -> ReplyStream {
    let source = unfold(Some((state, steps)), move |source| async move {
        let (state, mut steps) = source?;
        // A step of its own, in which the worker may die and the stream be dropped.
        if let Err(lost) = unless_gone(&state, tokio::task::yield_now()).await {
            return Some((Err(lost), None));
        }
        match steps.next() {
            Some(Ok(value)) => Some((Ok(value), Some((state, steps)))),
            last => {
                vacate(&state, lane);
                last.map(|error| (error, None))
            }
        }
    });
    source.boxed()
}
