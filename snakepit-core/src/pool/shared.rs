//! The one lock of a pool and what is done after it is released. Knows how to step, not when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};

use super::control::Control;
use super::defaults::Defaults;
use super::departed::Departed;
use super::drain::Tolls;
use super::effects::Effect;
use super::farewells::Farewells;
use super::foreign::abort;
use super::guard::Guard;
use super::health::Vitals;
use super::lease::Lease;
use super::member::{Member, Record};
use super::policies::Policies;
use super::retry::Budget;
use super::session_tools::{Released, SessionTools};
use super::tools::{Toolbox, Tools};
use super::{HealthStatus, PoolSettings};
use crate::error::{ExitReport, LaunchError};
use crate::event::{Event, EventKind, EventSink, RetireReason};
use crate::ids::{CallId, NumberMap, PoolName, WorkerId};
use crate::notice::Notice;
use crate::sched::{Action, Arrival, Input, Refusal, Rounds, Scheduler, WorkerState};
use crate::worker::WorkerProfile;

/// What a waiting caller is told.
pub(super) type Answer = Result<Lease, Refusal>;

/// Calls a launch off, saying why; when it is dropped, because the pool was.
pub(super) type CallOff = oneshot::Sender<RetireReason>;

/// Tells a launch that it was called off.
pub(super) type CalledOff = oneshot::Receiver<RetireReason>;

/// Whether the pool takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    Draining,
    Closed,
}

/// Everything behind the lock.
pub(super) struct State {
    pub(super) sched: Scheduler,
    pub(super) phase: Phase,
    pub(super) members: NumberMap<WorkerId, (Arc<Member>, Record)>,
    /// The task of every worker that is not gone, launching ones included; `None` once its launch was called off.
    /// Dropping what calls it off wakes the task: never under the lock.
    pub(super) tasks: NumberMap<WorkerId, Option<CallOff>>,
    pub(super) waiters: NumberMap<CallId, oneshot::Sender<Answer>>,
    /// The calls that wait or run and whose caller is still there.
    pub(super) calls: NumberMap<CallId, Arc<Control>>,
    pub(super) retries: Budget,
    pub(super) tolls: Tolls,
    /// Why the last launch that failed did.
    pub(super) last_failure: Option<Arc<LaunchError>>,
    /// Launches that failed, in all.
    pub(super) failures: u64,
    /// Rounds of launches that failed since one last worked.
    pub(super) failing: Rounds,
    /// How the last worker that was lost ended.
    pub(super) last_exit: Option<Arc<ExitReport>>,
    /// Why the last workers that left did.
    pub(super) departed: Departed,
    /// What workers have yet to be told of sessions that ended.
    pub(super) farewells: Farewells,
    pub(super) session_tools: SessionTools,
    /// Ready workers that should have given a sign and have not.
    pub(super) silent: usize,
    /// One for each policy, and one for notices.
    pub(super) guards: Vec<Guard>,
    /// Which policies were stopped and why, for people.
    pub(super) stopped: Vec<String>,
    /// What health was last judged by, and the outcome.
    judged: Option<(Vitals, HealthStatus)>,
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
    pub(super) policies: Policies,
    pub(super) tools: Tools,
    /// Whether a session was ever given a tool: calls of pools without such look no further.
    pub(super) any_session_tools: AtomicBool,
    pub(super) runtime: Handle,
    pub(super) defaults: Defaults,
    pub(super) state: Mutex<State>,
    /// Wakes the maintenance task when the next tick comes earlier than it thinks.
    pub(super) alarm: Arc<Notify>,
    /// Ticks whenever the set of workers or the idleness of the pool may have changed.
    pub(super) changed: watch::Sender<()>,
    pub(super) sinks: Vec<Arc<dyn EventSink>>,
    next_call: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        name: PoolName,
        settings: PoolSettings,
        profile: Arc<dyn WorkerProfile>,
        policies: Policies,
        sinks: Vec<Arc<dyn EventSink>>,
        sched: Scheduler,
        runtime: Handle,
    ) -> Self {
        let state = State {
            sched,
            phase: Phase::Open,
            members: NumberMap::default(),
            tasks: NumberMap::default(),
            waiters: NumberMap::default(),
            calls: NumberMap::default(),
            retries: Budget::default(),
            tolls: Tolls::default(),
            last_failure: None,
            failures: 0,
            failing: Rounds::default(),
            last_exit: None,
            departed: Departed::default(),
            farewells: Farewells::default(),
            session_tools: SessionTools::default(),
            silent: 0,
            guards: policies.guards(),
            stopped: Vec::new(),
            judged: None,
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
            tools: Tools::new(Toolbox::default()),
            any_session_tools: AtomicBool::new(false),
            runtime,
            defaults: Defaults::new(),
            state: Mutex::new(state),
            alarm: Arc::new(Notify::new()),
            changed: watch::channel(()).0,
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
        control: Arc<Control>,
    ) -> Result<Answer, oneshot::Receiver<Answer>> {
        let call = arrival.call;
        let mut effects = Vec::new();
        let outcome = {
            let mut state = self.state.lock();
            state.calls.insert(call, control);
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
        self.step_by(|state| (Some(input), change(state)));
    }

    /// As [`step`](Self::step), deciding under the same lock on the input, if any, and an event.
    pub(super) fn step_by(
        self: &Arc<Self>,
        decide: impl FnOnce(&mut State) -> (Option<Input>, Option<EventKind>),
    ) {
        let mut effects = Vec::new();
        let closes;
        let population = {
            let mut state = self.state.lock();
            let (input, event) = decide(&mut state);
            if let Some(kind) = event {
                self.note(&mut state, &mut effects, || kind);
            }
            let population = !matches!(input, Some(Input::Abandoned(_)));
            closes = matches!(input, Some(Input::Close));
            match input {
                Some(input) => self.turn(&mut state, input, &mut effects),
                None => self.observe(&mut state, &mut effects),
            }
            population
        };
        self.perform(effects);
        if closes {
            self.tools.close();
        }
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

    /// One turn of the scheduler, under the lock. Looks up what each action needs; does nothing that could run foreign
    /// code: wakers, sinks and `Drop`s wait in `effects`.
    fn turn(self: &Arc<Self>, state: &mut State, input: Input, effects: &mut Vec<Effect>) {
        match &input {
            Input::Drain => state.phase = state.phase.max(Phase::Draining),
            Input::Close => {
                state.phase = Phase::Closed;
                release(effects, state.session_tools.clear());
            }
            _ => {}
        }
        let mut actions = std::mem::take(&mut state.actions);
        state.sched.on(input, Instant::now(), &mut actions);
        for action in actions.drain(..) {
            self.prepare(state, action, effects);
        }
        state.actions = actions;
        // A silent worker that takes no more calls is no concern of the pool's health. Hardly ever is there one.
        if state.silent > 0 {
            state.count_silent();
        }
        // Only an earlier tick is worth waking the timekeeper for; a needless one later costs less.
        if let Some(at) = state.sched.wake_at() {
            self.arm(state, at);
        }
        self.observe(state, effects);
    }

    /// Has the timekeeper wake up by then.
    pub(super) fn arm(&self, state: &mut State, at: Instant) {
        if state.armed.is_none_or(|armed| at < armed) {
            state.armed = Some(at);
            self.alarm.notify_one();
        }
    }

    /// Turns one action of the scheduler into its effect, and notes the event that goes with it.
    fn prepare(self: &Arc<Self>, state: &mut State, action: Action, effects: &mut Vec<Effect>) {
        let event = match action {
            Action::Grant {
                call,
                worker,
                lane,
                visit,
            } => {
                let Some(member) = state.member(worker) else {
                    debug_assert!(false, "granted a lane of worker {worker}, no member");
                    return;
                };
                if state.calls.get(&call).is_some_and(|call| call.grant()) {
                    state.retries.earn();
                }
                let lease = Lease::new(Arc::clone(self), member, lane, call, visit);
                return effects.push(answer(state, call, Ok(lease)));
            }
            Action::Reject { call, why } => {
                state.calls.remove(&call);
                return effects.push(answer(state, call, Err(why)));
            }
            Action::Cancel { call, worker, lane } => {
                let member = state.member(worker);
                return effects.extend(member.map(|member| Effect::Cancel { member, lane, call }));
            }
            Action::Slow {
                call,
                worker,
                lane,
                running,
            } => {
                // A call whose caller is gone is being stopped already.
                let known = state.member(worker).zip(state.calls.get(&call));
                if let (true, Some((member, control))) = (self.has_sinks(), known) {
                    effects.push(Effect::Locate {
                        member,
                        lane,
                        call,
                        command: Arc::clone(&control.command),
                        running,
                    });
                }
                return;
            }
            Action::Launch(worker) => {
                let (call_off, called_off) = oneshot::channel();
                state.tasks.insert(worker, Some(call_off));
                effects.push(Effect::Launch(worker, called_off));
                EventKind::WorkerLaunching { worker }
            }
            Action::Stop(worker, reason) => {
                state.departed.add(worker, reason.describe());
                effects.extend(state.member(worker).map(Effect::Stop));
                EventKind::WorkerStopping { worker, reason }
            }
            Action::Abort(worker, reason) => {
                state.departed.add(worker, reason.describe());
                if let Some(member) = state.member(worker) {
                    effects.push(Effect::Kill(member, reason.clone()));
                } else if let Some(launch) = state.tasks.get_mut(&worker).and_then(Option::take) {
                    effects.push(Effect::BreakOff(launch, reason.clone()));
                }
                EventKind::WorkerStopping { worker, reason }
            }
            Action::Breaker(state) => EventKind::Breaker { state },
            Action::Draining(worker, reason) => {
                state.departed.add(worker, reason.describe());
                EventKind::WorkerDraining { worker, reason }
            }
            Action::Due(worker, reason) => EventKind::WorkerDue { worker, reason },
            Action::Quarantined { worker, call } => {
                state.departed.add(worker, RetireReason::Stuck.describe());
                EventKind::WorkerQuarantined { worker, call }
            }
            Action::SessionOpened { session, worker } => {
                release(effects, state.session_tools.opened(&session, Instant::now));
                EventKind::SessionOpened { session, worker }
            }
            Action::SessionMoved {
                session,
                from,
                to,
                with_state,
            } => EventKind::SessionMoved {
                session,
                from,
                to,
                with_state,
            },
            Action::SessionEnded(ended, reason) => {
                effects.extend(state.bid_farewell(&ended));
                let session = ended.session;
                release(effects, state.session_tools.ended(&session));
                EventKind::SessionClosed { session, reason }
            }
            Action::SessionLeft(ended) => return effects.extend(state.bid_farewell(&ended)),
            Action::Resized { from, to } => EventKind::Resized { from, to },
        };
        self.note(state, effects, || event);
    }

    /// Judges the pool's health if anything it depends on has changed, and tells when it is another one.
    fn observe(&self, state: &mut State, effects: &mut Vec<Effect>) {
        let vitals = state.vitals();
        if state.judged.is_some_and(|(before, _)| before == vitals) {
            return;
        }
        let status = vitals.status();
        let before = state.judged.replace((vitals, status));
        if before.is_some_and(|(_, before)| before != status) && self.has_sinks() {
            let reasons = state.reasons(&vitals);
            self.note(state, effects, || EventKind::Health { status, reasons });
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
}

impl State {
    pub(super) fn member(&self, worker: WorkerId) -> Option<Arc<Member>> {
        self.members
            .get(&worker)
            .map(|(member, _)| Arc::clone(member))
    }

    pub(super) fn record(&mut self, worker: WorkerId) -> Option<&mut Record> {
        self.members.get_mut(&worker).map(|(_, record)| record)
    }

    /// Takes down how a worker ended, before the scheduler hears of it. An end that was wanted is no loss.
    pub(super) fn lose(&mut self, worker: WorkerId, report: &Arc<ExitReport>) {
        let status = self.sched.worker(worker);
        if status.is_some_and(|status| status.state != WorkerState::Stopping) {
            self.last_exit = Some(Arc::clone(report));
            self.departed.add(worker, report.cause());
        }
    }
}

fn release(effects: &mut Vec<Effect>, released: Released) {
    if !released.is_empty() {
        effects.push(Effect::Release(released));
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
        // Launches are called off when the state is dropped; the task of a worker lives on to see it gone.
        for (member, _) in state.members.values() {
            abort(&*member.worker, "the pool was dropped");
        }
        self.alarm.notify_one();
    }
}
