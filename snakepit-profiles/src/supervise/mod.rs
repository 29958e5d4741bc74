//! Watches one worker process from its start to its end, and tells everyone how it ended; must not know calls or values.
//!
//! One task per worker ([`task`]) reads everything that is not a lane: the control connection, the output pipe, the
//! pidfd. [`Handle`] is what others hold of it.

mod ask;
mod messages;
mod output;
mod spec;
mod stacks;
mod task;
mod telemetry;
mod words;

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::net::{SendFlags, send};
use snakepit_core::error::{CallError, ExitReport, ExitStatus};
use snakepit_core::{Delivery, Telemetry, event::LogLine};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cgroup::Group;
use crate::facts::Finding;
use crate::frame::{Header, Kind};
use crate::lane::Lane;
use crate::leash::Leash;

use ask::Questions;
pub(crate) use messages::{Hello, stack, trimmed};
pub(crate) use output::{Lines, Tail};
pub(crate) use task::{Birth, Parent, Worker, read, supervise};
pub(crate) use telemetry::event;
use words::Words;

/// How long an exit report may follow the end of a connection before the worker is taken for alive and at fault.
const LAST_WORD: Duration = Duration::from_millis(500);

/// How long an exit report may follow a kill that was not seen to work.
const BURIAL: Duration = Duration::from_secs(2);

/// Takes what a worker finds out about itself after its HELLO.
pub(crate) type Findings = Arc<dyn Fn(Finding) + Send + Sync>;

/// Takes a worker's output, line by line.
pub(crate) type Sink = Arc<dyn Fn(LogLine) + Send + Sync>;

/// Takes what code in a worker tells of its work.
pub(crate) type Listener = Arc<dyn Fn(Telemetry) + Send + Sync>;

/// A worker process, from outside. Clones are the same worker; none of them keeps it alive.
#[derive(Clone)]
pub(crate) struct Handle(Arc<Shared>);

struct Shared {
    label: String,
    leash: Leash,
    group: Option<Group>,
    _place: Arc<()>,
    /// Only for writing: the task reads it.
    control: Arc<OwnedFd>,
    lanes: Box<[Arc<Lane>]>,
    words: Mutex<Words>,
    /// Says that a line of a stack has come.
    stacked: watch::Sender<()>,
    /// Held by whoever has asked for stacks.
    dumping: tokio::sync::Mutex<()>,
    verdict: Mutex<Option<Verdict>>,
    exit: watch::Sender<Option<Arc<ExitReport>>>,
    /// Pings sent.
    pings: Mutex<u64>,
    pongs: watch::Sender<u64>,
    /// `WHERE`s, by call.
    stacks: Questions<Vec<String>>,
    trims: AtomicU64,
    trimmed: Questions<u64>,
}

/// Why we ended a worker.
#[derive(Clone, Debug)]
enum Verdict {
    /// For a reason of the pool's.
    Reason(String),
    /// It broke the protocol.
    Violation(String),
}

impl Handle {
    /// The process number.
    pub(crate) fn pid(&self) -> u32 {
        self.0.leash.pid()
    }

    /// Whether it is in a control group that limits its memory.
    pub(crate) fn is_limited(&self) -> bool {
        self.0
            .group
            .as_ref()
            .is_some_and(|group| group.holds(self.pid()))
    }

    /// Its lanes.
    pub(crate) fn lanes(&self) -> &[Arc<Lane>] {
        &self.0.lanes
    }

    /// Its last lines of output so far, and the stacks among them.
    pub(crate) fn last_words(&self) -> Vec<String> {
        self.0.words.lock().all()
    }

    /// Kills the process. The first reason is the one its report shows.
    pub(crate) fn abort(&self, reason: &str) {
        self.end(|| Verdict::Reason(reason.to_owned()));
    }

    /// Kills the process for breaking the protocol, and says so.
    pub(crate) fn violation(&self, detail: &str) -> CallError {
        self.end(|| Verdict::Violation(detail.to_owned()));
        CallError::Protocol {
            worker: self.0.label.clone(),
            detail: detail.to_owned(),
        }
    }

    fn end(&self, verdict: impl FnOnce() -> Verdict) {
        if self.0.exit.borrow().is_none() {
            self.0.verdict.lock().get_or_insert_with(verdict);
        }
        self.0.leash.kill();
    }

    /// Waits for the report on the worker's end.
    ///
    /// # Cancel safety
    /// Cancel safe; may be awaited by several tasks.
    pub(crate) async fn exited(&self) -> Arc<ExitReport> {
        let mut exit = self.0.exit.subscribe();
        match exit.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(report)) => Arc::clone(report),
            // We hold the sender, so neither can happen.
            _ => Arc::new(ExitReport::new(&self.0.label, ExitStatus::Unknown)),
        }
    }

    /// Waits for the report on the end of a worker that was killed, but not for long: the kernel does not end a process that
    /// is in an uninterruptible wait.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn buried(&self) -> Arc<ExitReport> {
        let report = timeout(BURIAL, self.exited()).await;
        report.unwrap_or_else(|_| {
            let mut report = ExitReport::new(&self.0.label, ExitStatus::Unknown);
            report.reason = Some(format!("it was killed and did not end within {BURIAL:?}"));
            Arc::new(report)
        })
    }

    /// The error of a call whose connection ended.
    ///
    /// The end of a connection and the exit report come from one death, in no particular order, so this waits a little.
    /// A worker that closed a connection and lives is killed: nothing more can come of it.
    pub(crate) async fn lost(&self, delivery: Delivery) -> CallError {
        let report = match timeout(LAST_WORD, self.exited()).await {
            Ok(report) => report,
            Err(_) => {
                self.abort("it closed a connection it needs");
                self.buried().await
            }
        };
        // A call that was not sent has no part in what was broken, and may be tried elsewhere.
        if let (Delivery::MaybeExecuted, Some(detail)) = (delivery, self.broken_rule()) {
            return CallError::Protocol {
                worker: self.0.label.clone(),
                detail,
            };
        }
        CallError::WorkerLost(match delivery {
            Delivery::MaybeExecuted => report,
            Delivery::NotSent => Arc::new(ExitReport::clone(&report).not_sent()),
        })
    }

    /// What it did against the protocol, if it was killed for that.
    pub(crate) fn broken_rule(&self) -> Option<String> {
        match &*self.0.verdict.lock() {
            Some(Verdict::Violation(detail)) => Some(detail.clone()),
            _ => None,
        }
    }

    /// Tells a call that it is cancelled. Says nothing when it fails: the lane or the exit report will.
    pub(crate) fn send_tell(&self, call: u64) {
        self.send(&Header::bare(Kind::Tell, call));
    }

    /// Asks to interrupt a call. Says nothing when it fails: the lane or the exit report will.
    pub(crate) fn send_cancel(&self, call: u64) {
        self.send(&Header::bare(Kind::Cancel, call));
    }

    /// Asks the worker to finish and exit. Says nothing when it fails: the exit report will.
    pub(crate) fn send_stop(&self) {
        self.send(&Header::bare(Kind::Stop, 0));
    }

    /// Sends a frame that has no body; false if it could not be sent.
    ///
    /// Several threads may do so at once: 16 bytes enter a socket's queue as one piece or not at all.
    fn send(&self, header: &Header) -> bool {
        send(
            &self.0.control,
            &header.encode(),
            SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
        )
        .is_ok()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("worker", &self.0.label)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
