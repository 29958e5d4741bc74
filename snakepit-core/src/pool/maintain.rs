//! The tasks of a pool: one for each worker, from launch to exit, and one that keeps time. They hold the pool weakly,
//! so that dropping its last handle ends them.

use std::sync::{Arc, Weak};
use std::time::Instant;

use super::shared::{Member, Shared};
use crate::error::{LaunchError, LaunchErrorKind};
use crate::event::{EventKind, LogLine, RetireReason};
use crate::ids::WorkerId;
use crate::notice::Notice;
use crate::recycle::{Verdict, WorkerView};
use crate::sched::{Input, WorkerState, WorkerStatus};
use crate::worker::{LaunchContext, Launched, Worker};

/// Notices a pool remembers. Profiles have a few, each with the name of a library or two in it.
const MAX_NOTICES: usize = 100;

impl Shared {
    /// Starts the task of a worker that the scheduler wants.
    pub(super) fn spawn_worker(self: &Arc<Self>, worker: WorkerId) {
        // Spawned without the lock: a runtime that is shutting down drops the task at once, which takes the lock.
        let task = self
            .runtime
            .spawn(live(Registration {
                shared: Arc::downgrade(self),
                worker,
            }))
            .abort_handle();
        let called_off = {
            let mut state = self.state.lock();
            if let Some(entry) = state.tasks.get_mut(&worker) {
                *entry = Some(task.clone());
            }
            state.sched.worker(worker).is_none()
        };
        if called_off {
            task.abort();
        }
    }

    /// Tells a notice if it is new, and replaces the worker if the notice says so.
    fn take_notice(self: &Arc<Self>, worker: WorkerId, notice: Notice) {
        let unfit = notice.unfit.then(|| notice.message.clone());
        let notice = Arc::new(notice);
        let new = {
            let told = &mut self.state.lock().notices;
            let new = (told.len() < MAX_NOTICES && !told.contains(&notice)).then(|| {
                if told.len() + 1 < MAX_NOTICES {
                    notice
                } else {
                    Arc::new(Notice::new(
                        "notices.full",
                        "there were more notices than are kept; new ones are not told any more",
                    ))
                }
            });
            told.extend(new.clone());
            new
        };
        if let Some(notice) = new {
            self.emit(EventKind::Notice { worker, notice });
        }
        if let Some(why) = unfit {
            self.step(Input::Retire(worker, RetireReason::Policy(why)));
        }
    }

    /// Asks the recycle policies about one worker.
    pub(super) fn assess(self: &Arc<Self>, worker: WorkerId) {
        if self.policies.is_empty() {
            return;
        }
        let status = self.state.lock().sched.worker(worker);
        if let Some(view) = status.as_ref().and_then(view) {
            self.judge(&view);
        }
    }

    fn judge(self: &Arc<Self>, view: &WorkerView) {
        let now = Instant::now();
        let verdicts = self.policies.iter().map(|policy| policy.assess(view, now));
        let due = verdicts.into_iter().find_map(|verdict| match verdict {
            Verdict::Retire(why) => Some(why),
            _ => None,
        });
        if let Some(why) = due {
            self.step(Input::Retire(view.worker, RetireReason::Policy(why)));
        }
    }

    /// Asks the policies about all workers; returns when to ask again.
    fn judge_all(self: &Arc<Self>) -> Option<Instant> {
        if self.policies.is_empty() {
            return None;
        }
        let views: Vec<_> = self
            .state
            .lock()
            .sched
            .workers()
            .filter_map(|status| view(&status))
            .collect();
        let now = Instant::now();
        let mut next = None;
        for view in &views {
            self.judge(view);
            let times = self
                .policies
                .iter()
                .filter_map(|policy| policy.recheck(view, now).at);
            next = times.chain(next).min();
        }
        next.filter(|at| *at > now)
    }
}

/// What policies may know of a worker; `None` for one they have no say about.
fn view(status: &WorkerStatus) -> Option<WorkerView> {
    if status.state != WorkerState::Ready {
        return None;
    }
    let mut view = WorkerView::new(status.worker, status.ready_at?);
    view.served = status.served;
    view.busy = status.busy;
    view.idle_since = status.idle_since;
    Some(view)
}

/// Kills the worker when its task is dropped, as it is when the async runtime goes away.
struct Leash(Arc<dyn Worker>);

impl Drop for Leash {
    fn drop(&mut self) {
        self.0.abort("the pool's async runtime went away");
    }
}

/// Removes a worker's task from the books, however the task ends.
struct Registration {
    shared: Weak<Shared>,
    worker: WorkerId,
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let worker = self.worker;
            shared.step_with(Input::Exited(worker), |state| {
                state.tasks.remove(&worker);
                state.members.remove(&worker);
                None
            });
        }
    }
}

/// The life of one worker.
///
/// The registration is an argument, so that a task aborted before it first runs is struck off, too.
async fn live(registration: Registration) {
    let (shared, id) = (Weak::clone(&registration.shared), registration.worker);
    let Some((launch, timeout)) = shared.upgrade().map(|shared| prepare(&shared, id)) else {
        return;
    };
    let started = Instant::now();
    let launched = match tokio::time::timeout(timeout, launch).await {
        Ok(launched) => launched,
        Err(_elapsed) => {
            let stage = "launch";
            Err(LaunchError::new(LaunchErrorKind::TimedOut {
                stage,
                after: timeout,
            })
            .with_hint("raise `startup_timeout`, or import less before the first call"))
        }
    };
    let Launched { worker, hello } = match launched {
        Ok(launched) => launched,
        Err(error) => {
            if let Some(shared) = shared.upgrade() {
                report_failure(&shared, id, error);
            }
            return;
        }
    };
    let leash = Leash(Arc::clone(&worker));
    let Some(strong) = shared.upgrade() else {
        return;
    };
    let hello = Arc::new(hello);
    let (lanes, took) = (hello.lanes, started.elapsed());
    strong.step_with(Input::Launched { worker: id, lanes }, |state| {
        // The scheduler may have dropped this worker while it was being launched.
        state.sched.worker(id)?;
        let (worker, hello) = (Arc::clone(&worker), Arc::clone(&hello));
        state.members.insert(
            id,
            Member {
                worker,
                hello: Arc::clone(&hello),
            },
        );
        Some(EventKind::WorkerReady {
            worker: id,
            hello,
            took,
        })
    });
    if !strong.state.lock().members.contains_key(&id) {
        return;
    }
    drop(strong);
    let report = worker.exited().await;
    drop(leash);
    if let Some(shared) = shared.upgrade() {
        shared.emit(EventKind::WorkerExited {
            worker: id,
            report: Arc::new(report),
        });
    }
}

fn prepare(
    shared: &Arc<Shared>,
    worker: WorkerId,
) -> (
    impl Future<Output = Result<Launched, LaunchError>> + Send + use<>,
    std::time::Duration,
) {
    let timeout = shared.settings.startup_timeout;
    let weak = Arc::downgrade(shared);
    let output = Arc::new(move |line: LogLine| {
        if let Some(shared) = weak.upgrade() {
            shared.emit(EventKind::Log { worker, line });
        }
    });
    let weak = Arc::downgrade(shared);
    let notices = Arc::new(move |notice: Notice| {
        if let Some(shared) = weak.upgrade() {
            shared.take_notice(worker, notice);
        }
    });
    let cx = LaunchContext::new(shared.name.clone(), worker, timeout, output)
        .with_notices(notices)
        .with_limits(shared.settings.limits);
    let profile = Arc::clone(&shared.profile);
    (async move { profile.launch(cx).await }, timeout)
}

fn report_failure(shared: &Arc<Shared>, worker: WorkerId, error: LaunchError) {
    let error = Arc::new(error);
    let permanent = error.is_permanent();
    shared.step_with(Input::LaunchFailed { worker, permanent }, |state| {
        state.last_failure = Some(Arc::clone(&error));
        state.tasks.remove(&worker);
        None
    });
    if shared.has_sinks() {
        let retry_in = {
            let state = shared.state.lock();
            let at = if state.sched.gave_up() {
                None
            } else {
                state.sched.next_launch()
            };
            at.map(|at| at.saturating_duration_since(Instant::now()))
        };
        shared.emit(EventKind::LaunchFailed {
            worker,
            error,
            retry_in,
        });
    }
}

/// Closes the pool when its timekeeper is dropped: without it nothing would ever time out.
struct Lifeline(Weak<Shared>);

impl Drop for Lifeline {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            shared.step(Input::Close);
        }
    }
}

/// Keeps time for a pool until its last handle is dropped.
pub(super) async fn keep_time(shared: Weak<Shared>) {
    let _lifeline = Lifeline(Weak::clone(&shared));
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        strong.step(Input::Tick);
        let recheck = strong.judge_all();
        let next = {
            let mut state = strong.state.lock();
            let tick = state.sched.wake_at();
            state.armed = recheck.into_iter().chain(tick).min();
            state.armed
        };
        // The alarm lives in the pool, so waiting for it would keep the pool alive; it is polled through a handle
        // that `Shared::drop` fires last.
        let alarm = Arc::clone(&strong.alarm);
        drop(strong);
        match next {
            Some(at) => {
                let _ = tokio::time::timeout_at(at.into(), alarm.notified()).await;
            }
            None => alarm.notified().await,
        }
    }
}
