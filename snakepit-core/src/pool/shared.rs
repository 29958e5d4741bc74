//! The one lock of a pool and what is done after it is released. Knows how to step, not when.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;

use super::lease::Lease;
use super::{Health, HealthStatus, PoolSettings, RecycleError, ReloadReport, ResizeError};
use crate::error::{CallError, LaunchError, Rejection, Stage};
use crate::event::{Event, EventKind, EventSink, RetireReason};
use crate::ids::{CallId, LaneId, PoolName, SessionId, WorkerId};
use crate::limits::CancelGrace;
use crate::notice::Notice;
use crate::recycle::RecyclePolicy;
use crate::sched::{Action, Arrival, Input, Refusal, Scheduler};
use crate::worker::{Command, Hello, Worker, WorkerProfile};

/// A worker that was launched and is not gone.
pub(super) struct Member {
    pub(super) worker: Arc<dyn Worker>,
    pub(super) hello: Arc<Hello>,
}

/// What a waiting caller is told.
pub(super) type Answer = Result<Lease, Refusal>;

/// Everything behind the lock.
pub(super) struct State {
    pub(super) sched: Scheduler,
    pub(super) members: HashMap<WorkerId, Member>,
    /// The task of every worker that is not gone, launching ones included; `None` until it is spawned.
    pub(super) tasks: HashMap<WorkerId, Option<AbortHandle>>,
    pub(super) waiters: HashMap<CallId, oneshot::Sender<Answer>>,
    pub(super) last_failure: Option<Arc<LaunchError>>,
    /// Told so far, each once.
    pub(super) notices: Vec<Arc<Notice>>,
    actions: Vec<Action>,
    next_event: u64,
    /// When the timekeeper will tick next, at the latest.
    pub(super) armed: Option<Instant>,
}

/// What all handles of a pool share.
pub(super) struct Shared {
    pub(super) name: PoolName,
    pub(super) settings: PoolSettings,
    pub(super) profile: Arc<dyn WorkerProfile>,
    pub(super) policies: Vec<Arc<dyn RecyclePolicy>>,
    pub(super) runtime: Handle,
    pub(super) state: Mutex<State>,
    /// Wakes the maintenance task when the next tick comes earlier than it thinks.
    pub(super) alarm: Arc<Notify>,
    /// Ticks whenever the set of workers or the idleness of the pool may have changed.
    changed: watch::Sender<()>,
    sinks: Vec<Arc<dyn EventSink>>,
    next_call: AtomicU64,
}

/// Something to do once the lock is released, with all it needs looked up under the lock.
enum Effect {
    Answer(oneshot::Sender<Answer>, Answer),
    /// For the caller that is asking right now, or for one that is gone. Dropping a lease returns its lane.
    Unclaimed(CallId, Answer),
    Cancel {
        worker: Arc<dyn Worker>,
        lane: LaneId,
        call: CallId,
    },
    Launch(WorkerId),
    Stop(Arc<dyn Worker>),
    Kill(Arc<dyn Worker>, RetireReason),
    /// Ends a launch. `None` if its task is not spawned yet: it will find out by itself.
    BreakOff(Option<AbortHandle>),
    Emit(Event),
}

impl Shared {
    pub(super) fn new(
        name: PoolName,
        settings: PoolSettings,
        profile: Arc<dyn WorkerProfile>,
        policies: Vec<Arc<dyn RecyclePolicy>>,
        sinks: Vec<Arc<dyn EventSink>>,
        sched: Scheduler,
        runtime: Handle,
    ) -> Self {
        let state = State {
            sched,
            members: HashMap::new(),
            tasks: HashMap::new(),
            waiters: HashMap::new(),
            last_failure: None,
            notices: Vec::new(),
            actions: Vec::new(),
            next_event: 1,
            armed: None,
        };
        Self {
            name,
            settings,
            profile,
            policies,
            runtime,
            state: Mutex::new(state),
            alarm: Arc::new(Notify::new()),
            changed: watch::Sender::new(()),
            sinks,
            next_call: AtomicU64::new(1),
        }
    }

    pub(super) fn next_call(&self) -> CallId {
        CallId::new(self.next_call.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether anyone listens. Events nobody hears are not made.
    pub(super) fn has_sinks(&self) -> bool {
        !self.sinks.is_empty()
    }

    /// Asks for a lane: granted or refused at once, or later through the receiver.
    pub(super) fn admit(
        self: &Arc<Self>,
        arrival: Arrival,
    ) -> Result<Answer, oneshot::Receiver<Answer>> {
        let call = arrival.call;
        let mut effects = Vec::new();
        let outcome = {
            let mut state = self.state.lock();
            self.turn(&mut state, Input::Arrived(arrival), &mut effects);
            let own = effects
                .iter()
                .position(|effect| matches!(effect, Effect::Unclaimed(id, _) if *id == call));
            match own.map(|index| effects.remove(index)) {
                Some(Effect::Unclaimed(_, answer)) => Ok(answer),
                _ => {
                    let (sender, receiver) = oneshot::channel();
                    state.waiters.insert(call, sender);
                    let depth = state.sched.queued();
                    self.note(&mut state, &mut effects, || EventKind::CallQueued {
                        call,
                        depth,
                    });
                    Err(receiver)
                }
            }
        };
        self.perform(effects);
        outcome
    }

    /// Feeds one input to the scheduler and does what it says.
    pub(super) fn step(self: &Arc<Self>, input: Input) {
        self.step_with(input, |_| None);
    }

    /// As [`step`](Self::step), changing the state under the same lock first and emitting an event.
    pub(super) fn step_with(
        self: &Arc<Self>,
        input: Input,
        change: impl FnOnce(&mut State) -> Option<EventKind>,
    ) {
        let mut effects = Vec::new();
        let population = !matches!(input, Input::Abandoned(_) | Input::Withdrawn(_));
        {
            let mut state = self.state.lock();
            if let Some(kind) = change(&mut state) {
                self.note(&mut state, &mut effects, || kind);
            }
            self.turn(&mut state, input, &mut effects);
        }
        self.perform(effects);
        if population && self.changed.receiver_count() > 0 {
            self.changed.send_replace(());
        }
    }

    /// Emits an event that goes with no input.
    pub(super) fn emit(&self, kind: EventKind) {
        if !self.has_sinks() {
            return;
        }
        let event = self.stamp(&mut self.state.lock(), kind);
        self.record(&event);
    }

    fn note(&self, state: &mut State, effects: &mut Vec<Effect>, kind: impl FnOnce() -> EventKind) {
        if self.has_sinks() {
            effects.push(Effect::Emit(self.stamp(state, kind())));
        }
    }

    fn stamp(&self, state: &mut State, kind: EventKind) -> Event {
        let seq = state.next_event;
        state.next_event += 1;
        Event {
            seq,
            at: SystemTime::now(),
            pool: self.name.clone(),
            kind,
        }
    }

    fn record(&self, event: &Event) {
        for sink in &self.sinks {
            sink.record(event);
        }
    }

    /// One turn of the scheduler, under the lock. Looks up what each action needs; does nothing that could run foreign
    /// code: wakers, sinks and `Drop`s wait in `effects`.
    fn turn(self: &Arc<Self>, state: &mut State, input: Input, effects: &mut Vec<Effect>) {
        let mut actions = std::mem::take(&mut state.actions);
        state.sched.on(input, Instant::now(), &mut actions);
        for action in actions.drain(..) {
            match action {
                Action::Grant { call, worker, lane } => {
                    let Some(member) = state.members.get(&worker) else {
                        debug_assert!(
                            false,
                            "granted a lane of worker {worker}, which is no member"
                        );
                        continue;
                    };
                    let lease = Lease::new(
                        Arc::clone(self),
                        Arc::clone(&member.worker),
                        worker,
                        lane,
                        call,
                    );
                    effects.push(answer(state, call, Ok(lease)));
                }
                Action::Reject { call, why } => effects.push(answer(state, call, Err(why))),
                Action::Cancel { call, worker, lane } => {
                    if let Some(member) = state.members.get(&worker) {
                        effects.push(Effect::Cancel {
                            worker: Arc::clone(&member.worker),
                            lane,
                            call,
                        });
                    }
                }
                Action::Launch(worker) => {
                    state.tasks.insert(worker, None);
                    effects.push(Effect::Launch(worker));
                    self.note(state, effects, || EventKind::WorkerLaunching { worker });
                }
                Action::Draining(worker, reason) => {
                    self.note(state, effects, || EventKind::WorkerDraining {
                        worker,
                        reason,
                    });
                }
                Action::Stop(worker, _) => {
                    if let Some(member) = state.members.get(&worker) {
                        effects.push(Effect::Stop(Arc::clone(&member.worker)));
                    }
                }
                Action::Due(worker, reason) => {
                    self.note(state, effects, || EventKind::WorkerDue { worker, reason });
                }
                Action::Quarantined { worker, call } => {
                    self.note(state, effects, || EventKind::WorkerQuarantined {
                        worker,
                        call,
                    });
                }
                Action::Resized { from, to } => {
                    self.note(state, effects, || EventKind::Resized { from, to });
                }
                Action::Breaker(breaker) => {
                    self.note(state, effects, || EventKind::Breaker { state: breaker });
                }
                Action::Slow { .. } => {}
                Action::Abort(worker, reason) => effects.push(match state.members.get(&worker) {
                    Some(member) => Effect::Kill(Arc::clone(&member.worker), reason),
                    None => Effect::BreakOff(state.tasks.get(&worker).cloned().flatten()),
                }),
            }
        }
        state.actions = actions;
        // Only an earlier tick is worth waking the timekeeper for; a needless one later costs less.
        if let Some(at) = state
            .sched
            .wake_at()
            .filter(|at| state.armed.is_none_or(|armed| *at < armed))
        {
            state.armed = Some(at);
            self.alarm.notify_one();
        }
    }

    fn perform(self: &Arc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                // A receiver dropped meanwhile hands the lease back to us, whose `Drop` returns the lane.
                Effect::Answer(waiter, answer) => drop(waiter.send(answer)),
                Effect::Unclaimed(_, answer) => drop(answer),
                Effect::Cancel { worker, lane, call } => {
                    let shared = Arc::downgrade(self);
                    let grace = CancelGrace::interrupt(self.settings.cancel_grace);
                    self.runtime.spawn(async move {
                        let how = worker.cancel(lane, call, grace).await;
                        if let Some(shared) = shared.upgrade() {
                            shared.step(Input::Quiesced(call, how));
                        }
                    });
                }
                Effect::Launch(worker) => self.spawn_worker(worker),
                Effect::Stop(worker) => {
                    let grace = self.settings.stop_grace;
                    self.runtime.spawn(async move { worker.stop(grace).await });
                }
                Effect::Kill(worker, reason) => worker.abort(reason.describe()),
                Effect::BreakOff(Some(task)) => task.abort(),
                Effect::BreakOff(None) => {}
                Effect::Emit(event) => self.record(&event),
            }
        }
    }

    /// Waits until the state satisfies `condition`.
    pub(super) async fn until(&self, condition: impl Fn(&State) -> bool) {
        let mut changes = self.changed.subscribe();
        while !condition(&self.state.lock()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) async fn ready(&self) -> Result<(), Arc<LaunchError>> {
        let mut changes = self.changed.subscribe();
        loop {
            {
                let state = self.state.lock();
                let sched = &state.sched;
                let stuck = sched.gave_up() || (sched.launch_failures() >= 3 && sched.ready() == 0);
                if let (true, Some(error)) = (stuck, &state.last_failure) {
                    return Err(Arc::clone(error));
                }
                if sched.ready() >= sched.target() {
                    return Ok(());
                }
            }
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    pub(super) fn resize(self: &Arc<Self>, min: usize, max: usize) -> Result<(), ResizeError> {
        if min == 0 {
            return Err(ResizeError::Zero);
        }
        if min > max {
            return Err(ResizeError::Reversed { min, max });
        }
        self.step(Input::Resize { min, max });
        Ok(())
    }

    pub(super) fn recycle(self: &Arc<Self>, worker: WorkerId) -> Result<(), RecycleError> {
        if self.state.lock().sched.worker(worker).is_none() {
            return Err(RecycleError::UnknownWorker { worker });
        }
        self.step(Input::Retire(worker, RetireReason::Recycle));
        Ok(())
    }

    pub(super) async fn reload(self: &Arc<Self>) -> Result<ReloadReport, Arc<LaunchError>> {
        let old: Vec<_> = {
            let state = self.state.lock();
            state.sched.workers().map(|status| status.worker).collect()
        };
        self.profile.renew();
        self.step(Input::Reload);
        self.until(|state| old.iter().all(|worker| !state.tasks.contains_key(worker)))
            .await;
        Ok(ReloadReport {
            replaced: old.len(),
        })
    }

    pub(super) fn health(&self) -> Health {
        let snapshot = self.snapshot();
        let status = match snapshot.ready {
            0 => HealthStatus::Down,
            ready if ready < snapshot.target => HealthStatus::Degraded,
            _ => HealthStatus::Ready,
        };
        Health {
            status,
            reasons: Vec::new(),
            lanes: snapshot.lanes,
            workers: snapshot.ready,
            wanted: snapshot.target,
        }
    }

    pub(super) fn commands(&self) -> Arc<[Command]> {
        let state = self.state.lock();
        let youngest = state.members.iter().max_by_key(|(worker, _)| **worker);
        youngest
            .map(|(_, member)| Arc::clone(&member.hello.commands))
            .unwrap_or_default()
    }

    /// The error a refused caller gets.
    pub(super) fn refused(&self, why: Refusal, session: Option<&SessionId>) -> CallError {
        let reason = match why {
            Refusal::QueueTimeout => {
                return CallError::TimedOut {
                    stage: Stage::Queue,
                    after: self.settings.queue_timeout,
                };
            }
            Refusal::QueueFull => Rejection::QueueFull {
                limit: self.settings.queue_size,
            },
            Refusal::SessionBusy => match session {
                Some(session) => Rejection::SessionBusy {
                    session: session.clone(),
                },
                None => Rejection::Closed,
            },
            Refusal::Draining => Rejection::Draining,
            Refusal::Closed => Rejection::Closed,
            Refusal::BreakerOpen => Rejection::Closed,
            Refusal::Unavailable => match &self.state.lock().last_failure {
                Some(cause) => Rejection::Unavailable {
                    cause: Arc::clone(cause),
                },
                None => Rejection::Closed,
            },
        };
        CallError::Rejected {
            pool: self.name.clone(),
            reason,
        }
    }
}

fn answer(state: &mut State, call: CallId, answer: Answer) -> Effect {
    match state.waiters.remove(&call) {
        Some(waiter) => Effect::Answer(waiter, answer),
        None => Effect::Unclaimed(call, answer),
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        for member in state.members.values() {
            member.worker.abort("the pool was dropped");
        }
        for (worker, task) in &state.tasks {
            // A launch is broken off; a member's task lives on to see the worker gone.
            if let (false, Some(task)) = (state.members.contains_key(worker), task) {
                task.abort();
            }
        }
        self.alarm.notify_one();
    }
}
