//! A zygote: one interpreter that has loaded an adapter and forks workers; must not know what a worker is for.
//!
//! One task per zygote ([`task`]) owns its process and its boot link. The zygote ends when the last [`Zygote`] is dropped,
//! which every worker it forked holds one of.

mod output;
mod task;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use snakepit_core::LaunchError;
use snakepit_core::error::{ExitStatus, LaunchErrorKind};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot, watch};

use crate::boot::Recipe;
use crate::leash::Leash;
use crate::supervise::Parent;

/// Forks asked for and not yet answered. Enough to keep a zygote busy; few enough that the requests always fit into the
/// socket, and the descriptors under way into the kernel's limit.
const IN_FLIGHT: usize = 16;

/// What becomes of a zygote.
#[derive(Clone, Debug)]
enum State {
    /// It loads the adapter.
    Booting,
    /// It forks.
    Ready,
    /// It is gone, or about to be.
    Ended(Box<LaunchError>),
}

/// A zygote, from outside.
#[derive(Debug)]
pub(crate) struct Zygote {
    forks: mpsc::UnboundedSender<Fork>,
    state: watch::Receiver<State>,
    slots: Semaphore,
    /// What it printed while it loaded the adapter.
    said: Arc<Mutex<Vec<String>>>,
}

/// A worker that was forked.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) leash: Leash,
    /// How it ended, once the zygote has reaped it. Dropped when the zygote ended first.
    pub(crate) status: oneshot::Receiver<ExitStatus>,
}

/// Why a worker was not forked.
#[derive(Debug)]
pub(crate) enum ForkError {
    /// The zygote found that forking is not safe, for this reason.
    Refused(String),
    /// The zygote is gone.
    Gone(LaunchError),
    /// The zygote is well, but there is no worker.
    Failed(LaunchError),
}

/// A request for a worker.
#[derive(Debug)]
struct Fork {
    hello: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    reply: oneshot::Sender<Result<Forked, ForkError>>,
}

impl Zygote {
    /// Starts a zygote, which may take `patience` to become ready. What is returned beside it is told if the zygote ends
    /// although it is needed, and how long it had been ready.
    ///
    /// # Panics
    /// Panics outside a tokio runtime with I/O and time enabled.
    pub(crate) fn start(
        recipe: Arc<Recipe>,
        patience: Duration,
    ) -> (Arc<Self>, oneshot::Receiver<Duration>) {
        let (forks, requests) = mpsc::unbounded_channel();
        let (sender, state) = watch::channel(State::Booting);
        let (lost, loss) = oneshot::channel();
        let said = Arc::default();
        tokio::spawn(task::run(
            recipe,
            patience,
            requests,
            (sender, lost),
            Arc::clone(&said),
        ));
        let zygote = Self {
            forks,
            state,
            slots: Semaphore::new(IN_FLIGHT),
            said,
        };
        (Arc::new(zygote), loss)
    }

    /// Whether it is of no further use.
    pub(crate) fn has_ended(&self) -> bool {
        // The task may have been dropped with its runtime, leaving no word.
        matches!(*self.state.borrow(), State::Ended(_)) || self.forks.is_closed()
    }

    /// Waits until it can fork.
    ///
    /// # Cancel safety
    /// Cancel safe: the zygote goes on booting.
    pub(crate) async fn ready(&self) -> Result<(), LaunchError> {
        let mut state = self.state.clone();
        match state
            .wait_for(|state| !matches!(state, State::Booting))
            .await
            .as_deref()
        {
            Ok(State::Ended(error)) => Err(LaunchError::clone(error)),
            Ok(_) => Ok(()),
            Err(_) => Err(gone()),
        }
    }

    /// The last lines it printed while it loaded the adapter. There the first time it is asked for.
    pub(crate) fn take_output(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock())
    }

    /// Waits for leave to ask for a fork. Before that a launch should not hold descriptors.
    pub(crate) async fn slot(&self) -> SemaphorePermit<'_> {
        self.slots.acquire().await.expect("it is never closed")
    }

    /// Forks a worker that gets these descriptors. They are closed here in any case.
    ///
    /// # Cancel safety
    /// If dropped, no worker is left: one that comes late is killed.
    pub(crate) async fn fork(
        &self,
        hello: Vec<u8>,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Forked, ForkError> {
        let (reply, answer) = oneshot::channel();
        let request = Fork {
            hello,
            descriptors,
            reply,
        };
        if self.forks.send(request).is_ok()
            && let Ok(answer) = answer.await
        {
            return answer;
        }
        Err(ForkError::Gone(match &*self.state.borrow() {
            State::Ended(error) => LaunchError::clone(error),
            _ => gone(),
        }))
    }
}

impl Parent for Zygote {
    fn end(&self) -> Option<ExitStatus> {
        match &*self.state.borrow() {
            State::Ended(error) => match error.kind {
                LaunchErrorKind::Exited { status, .. } => Some(status),
                _ => None,
            },
            _ => None,
        }
    }
}

fn gone() -> LaunchError {
    let (stage, status) = ("forking", ExitStatus::Unknown);
    LaunchError::new(LaunchErrorKind::Exited { stage, status })
}
