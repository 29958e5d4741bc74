//! A profile whose workers live inside the process and do what a test tells them. Knows no pool.

mod commands;
mod meter;
mod worker;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::command::Command;
use crate::error::{LaunchError, LaunchErrorKind};
use crate::limits::Ceiling;
use crate::worker::{Hello, LaunchContext, Launched, WorkerProfile};

pub use meter::FakeMeter;
pub use worker::FakeWorker;

/// Launches [`FakeWorker`]s. Cheap to clone; all clones are one profile.
///
/// ```
/// use std::time::Duration;
/// use snakepit_core::Pool;
/// use snakepit_core::testing::{FakeLaunch, FakeProfile};
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let profile = FakeProfile::new().lanes(2).script([FakeLaunch::Fail]);
/// let pool = Pool::builder("fake", Arc::new(profile.clone())).size(1).start().await?;
/// let answer: String = pool.call("echo", "hi").await?;
/// assert_eq!((answer.as_str(), profile.executed()), ("hi", 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FakeProfile {
    lanes: u16,
    ceiling: Option<Ceiling>,
    memory_enforced: bool,
    described: Vec<Command>,
    books: Arc<Books>,
}

/// How one launch goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FakeLaunch {
    /// At once, and well.
    Ready,
    /// Well, after some time.
    After(Duration),
    /// It fails; another try may do better.
    Fail,
    /// It fails, and so will every other.
    FailForGood,
    /// It never comes to an end.
    Hang,
}

/// What a profile and its workers remember.
#[derive(Debug, Default)]
struct Books {
    script: Mutex<VecDeque<FakeLaunch>>,
    workers: Mutex<Vec<Weak<FakeWorker>>>,
    launches: AtomicU64,
    renewals: AtomicU64,
    executed: AtomicU64,
    /// Launches under way and workers that are not gone.
    alive: AtomicUsize,
}

/// Counts as alive until dropped.
#[derive(Debug)]
struct Life(Arc<Books>);

impl Life {
    fn new(books: &Arc<Books>) -> Self {
        books.alive.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(books))
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Default for FakeProfile {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeProfile {
    /// A profile of workers with one lane.
    pub fn new() -> Self {
        Self {
            lanes: 1,
            ceiling: None,
            memory_enforced: false,
            described: Vec::new(),
            books: Arc::default(),
        }
    }

    /// Workers with this many lanes. To be said before cloning.
    pub fn lanes(mut self, lanes: u16) -> Self {
        self.lanes = lanes;
        self
    }

    /// How many workers can be run. To be said before cloning.
    pub fn ceiling(mut self, workers: usize, why: impl Into<String>) -> Self {
        let why = why.into();
        self.ceiling = Some(Ceiling { workers, why });
        self
    }

    /// The workers say that the kernel enforces their memory limit. To be said before cloning.
    pub fn memory_enforced(mut self) -> Self {
        self.memory_enforced = true;
        self
    }

    /// The workers say this of their command of that name. To be said before cloning.
    pub fn describe(mut self, command: Command) -> Self {
        self.described.push(command);
        self
    }

    /// How the next launches go, one after the other. Those after them go well.
    pub fn script(self, launches: impl IntoIterator<Item = FakeLaunch>) -> Self {
        self.plan(launches);
        self
    }

    /// As [`script`](Self::script), later.
    pub fn plan(&self, launches: impl IntoIterator<Item = FakeLaunch>) {
        self.books.script.lock().extend(launches);
    }

    /// How many launches were begun.
    pub fn launches(&self) -> u64 {
        self.books.launches.load(Ordering::SeqCst)
    }

    /// How often it was asked to start from nothing.
    pub fn renewals(&self) -> u64 {
        self.books.renewals.load(Ordering::SeqCst)
    }

    /// How many calls were begun, in all workers: those refused before that do not count.
    pub fn executed(&self) -> u64 {
        self.books.executed.load(Ordering::SeqCst)
    }

    /// How many workers are alive or being launched.
    pub fn alive(&self) -> usize {
        self.books.alive.load(Ordering::SeqCst)
    }

    /// The workers that are not gone, oldest first.
    pub fn workers(&self) -> Vec<Arc<FakeWorker>> {
        let workers = self.books.workers.lock();
        let known = workers.iter().filter_map(Weak::upgrade);
        known.filter(|worker| worker.is_alive()).collect()
    }
}

#[async_trait]
impl WorkerProfile for FakeProfile {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn launch(&self, cx: LaunchContext) -> Result<Launched, LaunchError> {
        let life = Life::new(&self.books);
        self.books.launches.fetch_add(1, Ordering::SeqCst);
        let how = self.books.script.lock().pop_front();
        match how.unwrap_or(FakeLaunch::Ready) {
            FakeLaunch::Ready => {}
            FakeLaunch::After(delay) => tokio::time::sleep(delay).await,
            FakeLaunch::Fail => return Err(failure(false)),
            FakeLaunch::FailForGood => return Err(failure(true)),
            FakeLaunch::Hang => std::future::pending().await,
        }
        let worker = Arc::new(FakeWorker::new(cx, life));
        self.books.workers.lock().push(Arc::downgrade(&worker));
        let mut hello = Hello::new(self.lanes);
        hello.process = Some(worker.process());
        hello.memory_enforced = self.memory_enforced;
        hello.runtime = "fake".into();
        let mut offered = commands::offered();
        offered.retain(|command| {
            self.described
                .iter()
                .all(|other| other.name != command.name)
        });
        offered.extend(self.described.iter().cloned());
        hello.commands = offered.into();
        Ok(Launched { worker, hello })
    }

    fn renew(&self) {
        self.books.renewals.fetch_add(1, Ordering::SeqCst);
    }

    fn ceiling(&self) -> Option<Ceiling> {
        self.ceiling.clone()
    }
}

fn failure(permanent: bool) -> LaunchError {
    LaunchError::new(LaunchErrorKind::Other {
        message: "the script says so".to_owned(),
        permanent,
    })
}
