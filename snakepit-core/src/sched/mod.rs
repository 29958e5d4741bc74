//! The scheduler: which call gets which lane, and how many workers there should be. Pure: knows no clock, no runtime,
//! no I/O. Everything that happens to a pool is one [`Input`]; everything that must be done about it comes out as
//! [`Action`]s.
//!
//! The shell around it ([`crate::pool`]) holds it in one lock: lock, [`Scheduler::on`], unlock, act. Because of that,
//! and because a lane is free again only when an input says so, no interleaving of callers can lose a lane or give one
//! to two calls.

mod backoff;
mod belong;
mod breaker;
mod calls;
#[cfg(feature = "test-util")]
mod driver;
mod ends;
mod jitter;
mod queue;
mod rounds;
mod scale;
mod sessions;
mod settle;
mod slow;
mod state;
mod step;
mod workers;

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::event::{RetireReason, SessionEnd};
use crate::ids::{CallId, LaneId, NumberMap, SessionId, WorkerId};
use crate::pool::{BreakerState, PoolSettings};
use crate::worker::Quiesced;

use backoff::Backoff;
use breaker::Breaker;
use queue::{Queue, Waiting};
use scale::Scale;
use sessions::Sessions;
use slow::Slow;
use workers::Workers;

#[cfg(feature = "test-util")]
pub use driver::SchedulerDriver;
pub(crate) use rounds::Rounds;
pub(crate) use sessions::{Ended, Kept, Visit};
pub(crate) use state::WorkerState;
pub(crate) use workers::WorkerStatus;

/// Which of the waiting calls goes first. Equal priorities are served in order of arrival.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After everything else.
    Low,
    /// The usual.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

/// What a call with a session does when the worker of that session is busy, or gone.
///
/// The strict ones promise that the session's calls meet one worker. When that is gone, a session whose adapter saves it
/// goes on elsewhere; any other is lost, which one call is told ([`Rejection::SessionLost`]), and then begins anew.
///
/// [`Rejection::SessionLost`]: crate::error::Rejection::SessionLost
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Affinity {
    /// Takes any free worker: the session's worker is only preferred.
    #[default]
    Hint,
    /// Waits for the session's worker.
    StrictQueue,
    /// Is rejected at once while the session's worker is busy.
    StrictFailFast,
}

/// A call asking for a lane.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) call: CallId,
    pub(crate) priority: Priority,
    pub(crate) session: Option<(SessionId, Affinity)>,
    /// For this worker and no other; the pool's own, which no limit of the queue keeps out.
    pub(crate) only_on: Option<WorkerId>,
    /// When to stop waiting: the earlier of queue timeout and deadline. Never to wait is no reason not to take a free
    /// lane.
    pub(crate) give_up_at: Instant,
    /// When the call is of no use any more, though a lane be free.
    pub(crate) deadline: Instant,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A caller wants a lane.
    Arrived(Arrival),
    /// A caller left while waiting. If its grant is on the way already, nothing happens: the lease it never sees comes
    /// back as [`Returned`](Self::Returned).
    Withdrawn(CallId),
    /// A caller left while its call was running.
    Abandoned(CallId),
    /// A granted call is over and its lane is free.
    Finished(CallId),
    /// The lane of a granted call is free, and that says nothing good of its worker: the call never ran, or its worker
    /// cannot be trusted, or is gone.
    Returned(CallId),
    /// An abandoned call let go of its lane, or never will.
    Quiesced(CallId, Quiesced),
    /// A worker is ready.
    Launched { worker: WorkerId, lanes: u16 },
    /// A worker did not become ready.
    LaunchFailed { worker: WorkerId, permanent: bool },
    /// A worker is gone.
    Exited(WorkerId),
    /// A worker is due for replacement: make before break.
    Retire(WorkerId, RetireReason),
    /// A worker can no longer be trusted: no more calls, end it now.
    Condemn(WorkerId, RetireReason),
    /// Time passed.
    Tick,
    /// A worker is not needed: end it without a replacement, if the pool may shrink.
    Release(WorkerId),
    /// All workers are to be replaced, make before break; launches under way are begun anew.
    Reload,
    /// The pool should have as many workers as it needs between these bounds.
    Resize { min: usize, max: usize },
    /// A session is not needed any more.
    CloseSession(SessionId),
    /// Take nothing new, finish the rest.
    Drain,
    /// Take nothing, finish nothing.
    Close,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Run the call on this lane.
    Grant {
        call: CallId,
        worker: WorkerId,
        lane: LaneId,
        /// For a call of a session.
        visit: Option<Visit>,
    },
    /// Tell the caller.
    Reject { call: CallId, why: Refusal },
    /// Interrupt the abandoned call; answer with [`Input::Quiesced`].
    Cancel {
        call: CallId,
        worker: WorkerId,
        lane: LaneId,
    },
    /// Start a worker; answer with `Launched` or `LaunchFailed`, later `Exited`.
    Launch(WorkerId),
    /// A worker is due for replacement (for events).
    Due(WorkerId, RetireReason),
    /// A worker was taken out of service because of this call (for events).
    Quarantined { worker: WorkerId, call: CallId },
    /// The number of workers wanted changed (for events).
    Resized { from: usize, to: usize },
    /// A session began (for events).
    SessionOpened {
        session: SessionId,
        worker: WorkerId,
    },
    /// A session is bound to another worker (for events).
    SessionMoved {
        session: SessionId,
        from: WorkerId,
        to: WorkerId,
        with_state: bool,
    },
    /// A session is no more: tell the workers that have seen it.
    SessionEnded(Ended, SessionEnd),
    /// The last call of a session is over that ended before.
    SessionLeft(Ended),
    /// The breaker changed (for events).
    Breaker(BreakerState),
    /// A call runs for longer than it should: tell where it is. Once for each call.
    Slow {
        call: CallId,
        worker: WorkerId,
        lane: LaneId,
        running: Duration,
    },
    /// A worker takes no more calls (for events).
    Draining(WorkerId, RetireReason),
    /// End an idle worker in good order; answer with `Exited`.
    Stop(WorkerId, RetireReason),
    /// Kill a worker, or break off its launch. `Exited` may follow and is ignored then.
    Abort(WorkerId, RetireReason),
}

/// Why a call got no lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    QueueFull,
    QueueTimeout,
    SessionBusy,
    /// The worker the session was bound to.
    SessionLost(WorkerId),
    /// How many there are.
    TooManySessions(usize),
    /// The one worker that a call could run on, or what that kept for its session.
    WorkerGone,
    Draining,
    Closed,
    Unavailable,
    BreakerOpen,
}

/// What a scheduler is told at birth.
#[derive(Clone, Debug)]
pub(crate) struct SchedulerConfig {
    /// What the pool is run by.
    pub(crate) settings: PoolSettings,
    /// Feeds the jitter of launch delays, so that pools that failed together do not retry together.
    pub(crate) seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Draining,
    Closed,
}

/// What a running call does with its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// It uses it.
    Working,
    /// It has used it for so long that this was told.
    Slow,
    /// Its caller is gone and it was interrupted.
    Abandoned,
    /// It will not let go.
    Stuck,
}

/// The session a call is of.
#[derive(Debug)]
struct Stay {
    session: SessionId,
    number: u64,
    affinity: Affinity,
}

#[derive(Debug)]
struct Running {
    worker: WorkerId,
    lane: LaneId,
    session: Option<Stay>,
    since: Instant,
    hold: Hold,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Scheduler {
    settings: PoolSettings,
    phase: Phase,
    queue: Queue,
    running: NumberMap<CallId, Running>,
    workers: Workers,
    sessions: Sessions,
    scale: Scale,
    slow: Slow,
    backoff: Backoff,
    breaker: Breaker,
    /// When a call will have waited so long that the pool may have to grow. `None` while it cannot.
    scale_at: Option<Instant>,
    /// When [`settle`](Self::settle) has something to do even if nothing happens.
    wake: Option<Instant>,
    next_worker: u64,
}

impl Scheduler {
    /// A scheduler without workers. The first [`Input::Tick`] makes it launch them.
    pub(crate) fn new(config: &SchedulerConfig) -> Self {
        let settings = config.settings.clone();
        Self {
            phase: Phase::Open,
            queue: Queue::default(),
            running: NumberMap::default(),
            workers: Workers::default(),
            sessions: Sessions::new(&settings),
            scale: Scale::new(&settings),
            slow: Slow::new(settings.slow_call_after),
            backoff: Backoff::new(config.seed),
            breaker: Breaker::new(settings.restart_window, config.seed),
            scale_at: None,
            wake: None,
            next_worker: 1,
            settings,
        }
    }

    /// When the next [`Input::Tick`] is due, if ever.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let times = [
            self.queue.next_timeout(),
            self.wake,
            self.slow.look_at(),
            self.scale_at,
            self.sessions.next_end(),
        ];
        times.into_iter().flatten().min()
    }

    /// Calls waiting for a lane, the pool's own not included.
    pub(crate) fn queued(&self) -> usize {
        self.queue.callers()
    }

    /// Calls holding a lane, abandoned ones included.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Whether the call holds a lane.
    pub(crate) fn is_running(&self, call: CallId) -> bool {
        self.running.contains_key(&call)
    }

    /// Workers wanted.
    pub(crate) fn target(&self) -> usize {
        if self.phase == Phase::Closed {
            return 0;
        }
        self.scale.target()
    }

    /// How few and how many workers there may be.
    pub(crate) fn bounds(&self) -> (usize, usize) {
        self.scale.bounds()
    }

    /// Whether launching workers goes on after deaths.
    pub(crate) fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    /// The deaths that opened the breaker, all within `restart_window`; 0 while it is closed.
    pub(crate) fn breaker_deaths(&self) -> u32 {
        self.breaker.deaths()
    }

    /// Workers that take calls.
    pub(crate) fn ready(&self) -> usize {
        self.workers.serving()
    }

    /// Whether nothing runs and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty() && self.queue.is_empty()
    }

    /// Whether launching was given up, see [`Input::LaunchFailed`].
    pub(crate) fn gave_up(&self) -> bool {
        self.backoff.gave_up()
    }

    /// Rounds of launches that failed, with a cause, since one last worked.
    pub(crate) fn launch_failures(&self) -> u32 {
        self.backoff.launch_failures()
    }

    /// The worker that was launched last; the id before the first one if there was none.
    pub(crate) fn youngest(&self) -> WorkerId {
        WorkerId::new(self.next_worker - 1)
    }

    /// Whether a worker is wanted that is not ready: one more, or the replacement of one that is due.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.ready() < self.target() || self.workers.due().len() > 0
    }

    /// When the next launch may happen, if one is held back.
    pub(crate) fn next_launch(&self) -> Option<Instant> {
        self.backoff.not_before()
    }

    /// All workers that are not gone, by id.
    pub(crate) fn workers(&self) -> impl Iterator<Item = WorkerStatus> + '_ {
        self.workers.iter()
    }

    /// One worker.
    pub(crate) fn worker(&self, worker: WorkerId) -> Option<WorkerStatus> {
        self.workers.status(worker)
    }
}
