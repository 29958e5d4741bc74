//! The tasks of a pool: one for each worker, from launch to exit, and one that keeps time. They hold the pool weakly,
//! so that dropping its last handle ends them.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::oneshot::error::RecvError;

use super::attend::{attend, measure};
use super::defaults::Learnt;
use super::foreign::{abort, caught_later};
use super::member::{Member, Record};
use super::shared::{CalledOff, Shared};
use crate::error::{ExitReport, ExitStatus, LaunchError, LaunchErrorKind};
use crate::event::{EventKind, LogLine, RetireReason};
use crate::ids::WorkerId;
use crate::notice::Notice;
use crate::sched::{Input, Rounds, WorkerState};
use crate::telemetry::Telemetry;
use crate::usage::Usage;
use crate::worker::{LaunchContext, Launched, Worker};

/// Notices a pool remembers. Profiles have a few, each with the name of a library or two in it.
const MAX_NOTICES: usize = 100;

impl Shared {
    /// Starts the task of a worker that the scheduler wants.
    pub(super) fn spawn_worker(self: &Arc<Self>, worker: WorkerId, called_off: CalledOff) {
        let shared = Arc::downgrade(self);
        // Spawned without the lock: a runtime that is shutting down drops the task at once, which takes the lock.
        self.runtime
            .spawn(live(Registration { shared, worker }, called_off));
    }

    /// Tells a notice if it is new, and replaces the worker if the notice says so.
    pub(super) fn take_notice(self: &Arc<Self>, worker: WorkerId, notice: Notice) {
        let unfit = notice
            .unfit
            .then(|| (notice.code.clone(), notice.message.clone()));
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
        if let Some((code, why)) = unfit {
            self.retire_unfit(worker, &code, why);
        }
    }
}

/// Kills the worker when its task is dropped, as it is when the async runtime goes away.
struct Leash(Arc<dyn Worker>);

impl Drop for Leash {
    fn drop(&mut self) {
        abort(&*self.0, "the pool's async runtime went away");
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
            let status = shared.state.lock().sched.worker(worker);
            if status.is_some_and(|status| status.state == WorkerState::Launching) {
                let message = "the launch ended without an answer".to_owned();
                let error = LaunchError::new(LaunchErrorKind::Other {
                    message,
                    permanent: false,
                });
                let hint = "look for a panic of the profile, or an async runtime that went away";
                report_failure(&shared, worker, error.with_hint(hint));
            }
            // Dropped without the lock: it may be the last that holds the worker.
            let mut _gone = None;
            shared.step_with(Input::Exited(worker), |state| {
                _gone = Some((state.tasks.remove(&worker), state.members.remove(&worker)));
                state.count_silent();
                None
            });
        }
    }
}

/// The life of one worker.
///
/// The registration is an argument, so that a task dropped before it first runs is struck off, too.
async fn live(registration: Registration, mut called_off: CalledOff) {
    let (shared, id) = (Weak::clone(&registration.shared), registration.worker);
    let Some((launch, timeout)) = shared.upgrade().map(|shared| prepare(&shared, id)) else {
        return;
    };
    let started = Instant::now();
    let by = tokio::time::Instant::now() + timeout;
    let launched = tokio::select! {
        biased;
        _ = &mut called_off => return,
        launched = tokio::time::timeout_at(by, launch) => launched,
    };
    let launched = match launched {
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
    let took = started.elapsed();
    let boot = tokio::select! {
        biased;
        why = &mut called_off => return dismiss(&*worker, why).await,
        boot = measure(&shared, id, hello.process, by) => boot,
    };
    let Some(strong) = shared.upgrade() else {
        return dismiss(&*worker, called_off.await).await;
    };
    if let Some(error) = boot.and_then(|boot| strong.judge_boot(&boot).err()) {
        drop(strong);
        abort(&*worker, "its pool's limits are too low for it");
        worker.exited().await;
        if let Some(shared) = shared.upgrade() {
            report_failure(&shared, id, error);
        }
        return;
    }
    let member = Arc::new(Member::new(id, worker, Arc::new(hello)));
    if !introduce(&strong, &member, boot, took) {
        drop(strong);
        return dismiss(&*member.worker, called_off.await).await;
    }
    strong.assess(id);
    let needs = (!strong.policies.is_empty()).then_some(strong.policies.needs);
    let meter = strong.policies.meter.clone();
    let label = format!("{}/{id}", strong.name);
    drop(strong);
    let life = caught_later(async {
        match needs {
            Some(needs) => attend(&shared, &member, needs, meter).await,
            None => member.worker.exited().await,
        }
    });
    let mut report = life.await.unwrap_or_else(|words| {
        let reason = format!("nobody can tell when it ends, since its profile panicked: {words}");
        abort(&*member.worker, &reason);
        ExitReport::new(label, ExitStatus::Unknown).because(reason)
    });
    drop(leash);
    if let Some(shared) = shared.upgrade() {
        member.complete(&mut report);
        let report = Arc::new(report);
        shared.state.lock().lose(id, &report);
        shared.emit(EventKind::WorkerExited { worker: id, report });
    }
}

/// Ends a worker that is launched and not wanted any more.
async fn dismiss(worker: &dyn Worker, why: Result<RetireReason, RecvError>) {
    let reason = why.as_ref();
    abort(
        worker,
        reason.map_or("the pool was dropped", RetireReason::describe),
    );
    worker.exited().await;
}

/// Takes a worker into the pool. False if it is not wanted any more.
pub(super) fn introduce(
    shared: &Arc<Shared>,
    member: &Arc<Member>,
    boot: Option<Usage>,
    took: Duration,
) -> bool {
    let (worker, lanes) = (member.id, member.hello.lanes);
    let learnt = Learnt::from(&member.hello.commands);
    let mut wanted = false;
    shared.step_with(Input::Launched { worker, lanes }, |state| {
        // The scheduler may have dropped this worker while it was being launched.
        state.sched.worker(worker)?;
        wanted = true;
        // Before the calls that waited for this worker are given to it.
        shared.defaults.learn(learnt);
        state.failing = Rounds::default();
        let record = Record::new(member.ready_at, boot);
        state.members.insert(worker, (Arc::clone(member), record));
        let hello = Arc::clone(&member.hello);
        Some(EventKind::WorkerReady {
            worker,
            hello,
            took,
        })
    });
    wanted
}

fn prepare(
    shared: &Arc<Shared>,
    worker: WorkerId,
) -> (
    impl Future<Output = Result<Launched, LaunchError>> + Send + use<>,
    Duration,
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
    let weak = Arc::downgrade(shared);
    let telemetry = Arc::new(move |telemetry: Telemetry| {
        if let Some(shared) = weak.upgrade() {
            let telemetry = Arc::new(telemetry);
            shared.emit(EventKind::Telemetry { worker, telemetry });
        }
    });
    let cx = LaunchContext::new(shared.name.clone(), worker, timeout, output)
        .with_notices(notices)
        .with_telemetry(telemetry)
        .with_limits(shared.settings.limits);
    let profile = Arc::clone(&shared.profile);
    (async move { profile.launch(cx).await }, timeout)
}

/// Takes down that a launch failed, unless it was broken off.
pub(super) fn report_failure(shared: &Arc<Shared>, worker: WorkerId, error: LaunchError) {
    let error = Arc::new(error);
    let permanent = error.is_permanent();
    let mut wanted = false;
    // Dropped without the lock, since that wakes its task.
    let mut _task = None;
    shared.step_by(|state| {
        // A launch that was broken off has had its end.
        wanted = state.sched.worker(worker).is_some();
        if !wanted {
            return (None, None);
        }
        state.last_failure = Some(Arc::clone(&error));
        state.failures += 1;
        state.failing.count(worker, state.sched.youngest());
        _task = state.tasks.remove(&worker);
        (Some(Input::LaunchFailed { worker, permanent }), None)
    });
    if wanted && shared.has_sinks() {
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
        strong.assess_due();
        let next = {
            let mut state = strong.state.lock();
            let records = state.members.values().map(|(_, record)| record);
            let checks = records.filter_map(|record| record.check_at);
            state.armed = checks.chain(state.sched.wake_at()).min();
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
