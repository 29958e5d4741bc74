//! What an outside observer of a pool knows, and the rules that must hold after every step. Knows only inputs and
//! actions; compares what it concludes with what the scheduler says of itself.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::state::TRANSITIONS;
use super::*;

/// What a running call does, as far as the observer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Working,
    Cancelled,
    Stuck,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) worker: WorkerId,
    pub(super) lane: LaneId,
    pub(super) since: Instant,
    pub(super) doing: Doing,
    pub(super) told: bool,
}

pub(super) struct Waiter {
    pub(super) priority: Priority,
    /// Whether its session insists on a worker.
    pub(super) strict: bool,
    pub(super) since: Instant,
}

pub(super) struct Model {
    pub(super) settings: PoolSettings,
    pub(super) waiting: BTreeMap<CallId, Waiter>,
    pub(super) running: BTreeMap<CallId, Run>,
    answered: HashSet<CallId>,
    pub(super) states: BTreeMap<WorkerId, WorkerState>,
    lanes: HashMap<WorkerId, usize>,
    youngest: Option<WorkerId>,
    /// Workers up to this one were there when the pool was last reloaded.
    pub(super) outdated: Option<WorkerId>,
    target: usize,
    pub(super) bounds: (usize, usize),
    breaker: BreakerState,
    trial: Option<WorkerId>,
    /// Whether the trial has finished a call.
    trial_worked: bool,
    breaker_since: Instant,
    ready_at: HashMap<WorkerId, Instant>,
    /// When a launch last failed, unless a worker that was ready later has finished a call.
    failed_at: Option<Instant>,
    gave_up: bool,
    /// Whether there ever was a cause to tell callers.
    cause_known: bool,
    now: Instant,
}

impl Model {
    pub(super) fn new(settings: PoolSettings, now: Instant) -> Self {
        Self {
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            answered: HashSet::new(),
            states: BTreeMap::new(),
            lanes: HashMap::new(),
            youngest: None,
            outdated: None,
            target: settings.size,
            bounds: (settings.size, settings.max_size.unwrap_or(settings.size)),
            breaker: BreakerState::Closed,
            trial: None,
            trial_worked: false,
            breaker_since: now,
            ready_at: HashMap::new(),
            failed_at: None,
            gave_up: false,
            cause_known: false,
            now,
            settings,
        }
    }

    pub(super) fn workers(&self, state: WorkerState) -> Vec<WorkerId> {
        let workers = self.states.iter().filter(|(_, at)| **at == state);
        workers.map(|(worker, _)| *worker).collect()
    }

    pub(super) fn serving(&self) -> usize {
        self.states
            .values()
            .filter(|state| state.is_serving())
            .count()
    }

    /// Follows the table of transitions.
    fn moves(&mut self, worker: WorkerId, event: &str) {
        let from = self.states.get(&worker).copied();
        let (_, to, _) = TRANSITIONS
            .iter()
            .find(|(before, _, name)| *before == from && *name == event)
            .unwrap_or_else(|| panic!("{event} of {worker}, which is {from:?}"));
        match to {
            Some(state) => self.states.insert(worker, *state),
            None => self.states.remove(&worker),
        };
    }

    /// What an input says about workers.
    pub(super) fn hear(&mut self, input: &Input, now: Instant) {
        self.now = now;
        match input {
            Input::Launched { worker, lanes } => {
                self.lanes.insert(*worker, usize::from(*lanes));
                self.ready_at.insert(*worker, now);
                self.moves(*worker, "WorkerReady");
            }
            Input::LaunchFailed { worker, permanent } => {
                self.moves(*worker, "LaunchFailed");
                self.failed_at = Some(now);
                self.gave_up |= permanent;
                self.cause_known = true;
            }
            Input::Exited(worker) => {
                self.moves(*worker, "WorkerExited");
                self.running.retain(|_, run| run.worker != *worker);
            }
            Input::Resize { min, max } => {
                self.bounds = (*min, *max);
                if self.gave_up {
                    self.forgive();
                }
            }
            _ => {}
        }
    }

    /// A call lets go of its lane.
    pub(super) fn finish(&mut self, call: CallId) {
        let run = self.running.remove(&call).expect("a finished call runs");
        self.trial_worked |= self.trial == Some(run.worker);
        if self.failed_at < Some(self.ready_at[&run.worker]) {
            self.failed_at = None;
        }
    }

    /// Launches that failed are no reason to wait any more.
    fn forgive(&mut self) {
        self.failed_at = None;
        self.gave_up = false;
    }

    pub(super) fn apply(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Grant {
                    call, worker, lane, ..
                } => self.grant(*call, *worker, *lane),
                Action::Reject { call, why } => {
                    let waited = self.waiting.remove(call).is_some();
                    assert!(waited, "{call} was refused but did not wait");
                    assert!(self.answered.insert(*call), "{call} was answered twice");
                    let hopeless = *why != Refusal::BreakerOpen
                        || (self.serving() == 0
                            && matches!(self.breaker, BreakerState::Open { .. }));
                    assert!(hopeless, "refused while something serves");
                    let told =
                        *why != Refusal::Unavailable || (self.serving() == 0 && self.cause_known);
                    assert!(told, "unavailable for no cause");
                }
                Action::Cancel { call, .. } => {
                    let run = self.running.get_mut(call).expect("a cancelled call runs");
                    assert_eq!(run.doing, Doing::Working, "{call} was cancelled twice");
                    run.doing = Doing::Cancelled;
                }
                Action::Slow { call, running, .. } => {
                    let run = self.running.get_mut(call).expect("a slow call runs");
                    assert!(!std::mem::replace(&mut run.told, true), "{call} told twice");
                    assert_eq!(run.doing, Doing::Working);
                    assert!(Some(*running) >= self.settings.slow_call_after);
                }
                Action::Launch(worker) => self.launch(*worker),
                Action::Due(worker, _) => self.moves(*worker, "WorkerDue"),
                Action::Draining(worker, _) => self.moves(*worker, "WorkerDraining"),
                Action::Quarantined { worker, .. } => {
                    let others = self
                        .running
                        .values()
                        .any(|run| run.worker == *worker && run.doing != Doing::Stuck);
                    assert!(others, "{worker} is quarantined for nothing");
                    self.moves(*worker, "WorkerQuarantined");
                }
                Action::Stop(worker, _) => {
                    let busy = self.running.values().any(|run| run.worker == *worker);
                    assert!(!busy, "{worker} was stopped while it runs a call");
                    self.moves(*worker, "WorkerStopping");
                }
                Action::Abort(worker, _) => self.moves(*worker, "WorkerStopping"),
                Action::Resized { from, to } => {
                    assert_eq!(*from, self.target);
                    self.target = *to;
                }
                Action::Breaker(state) => self.break_to(*state),
                Action::SessionOpened { worker, .. } | Action::SessionMoved { to: worker, .. } => {
                    assert!(self.states[worker].is_serving(), "a session of {worker}");
                }
                Action::SessionEnded(..) | Action::SessionLeft(_) => {}
            }
        }
    }

    fn launch(&mut self, worker: WorkerId) {
        assert!(self.youngest < Some(worker), "{worker} was used before");
        self.youngest = Some(worker);
        assert!(!self.gave_up, "{worker} launched in vain");
        let shortest = Duration::from_millis(80);
        let held = self.failed_at.is_some_and(|at| self.now < at + shortest);
        assert!(!held, "{worker} launched right after a failure");
        match self.breaker {
            BreakerState::Closed => {}
            BreakerState::Open { .. } => panic!("{worker} launched while the breaker is open"),
            BreakerState::HalfOpen => {
                let other = self.trial.and_then(|trial| self.states.get(&trial));
                assert_eq!(other, None, "two workers are on trial");
                self.trial = Some(worker);
            }
        }
        self.moves(worker, "WorkerLaunching");
    }

    fn break_to(&mut self, state: BreakerState) {
        use BreakerState::{Closed, HalfOpen, Open};
        let fits = matches!(
            (self.breaker, state),
            (Closed | HalfOpen, Open { .. }) | (Open { .. }, HalfOpen) | (HalfOpen, Closed)
        );
        assert!(fits, "from {:?} to {state:?}", self.breaker);
        let mended = self.trial_worked
            || state != Closed
            || self.now >= self.breaker_since + self.settings.restart_window;
        assert!(mended, "it closed before the trial was over");
        let workers = self.serving() + self.workers(WorkerState::Launching).len();
        let tried = self.trial.is_some() || self.gave_up || workers >= self.target;
        assert!(tried || state != Closed, "it closed before the trial began");
        self.breaker = state;
        self.breaker_since = self.now;
        self.trial = None;
        self.trial_worked = false;
    }

    fn grant(&mut self, call: CallId, worker: WorkerId, lane: LaneId) {
        let waiter = self.waiting.remove(&call).expect("a granted call waited");
        assert!(self.answered.insert(call), "{call} was answered twice");
        let serves = self.states.get(&worker).is_some_and(|at| at.is_serving());
        assert!(serves, "a call for {worker}, which takes none");
        assert!(lane.index() < self.lanes[&worker]);
        let shared = self
            .running
            .values()
            .any(|run| (run.worker, run.lane) == (worker, lane));
        assert!(!shared, "lane {lane} of {worker} runs two calls");
        let run = Run {
            worker,
            lane,
            since: self.now,
            doing: Doing::Working,
            told: false,
        };
        self.running.insert(call, run);
        if !waiter.strict {
            let overtaken = self.waiting.iter().find(|(other, waiting)| {
                let first = waiting.priority > waiter.priority
                    || (waiting.priority == waiter.priority && **other < call);
                !waiting.strict && first
            });
            assert!(overtaken.is_none(), "{call} overtook another");
        }
    }

    /// Lanes of a worker that could take a call.
    fn free_lanes(&self, worker: WorkerId) -> usize {
        if !self.states[&worker].is_serving() {
            return 0;
        }
        let busy = self.running.values().filter(|run| run.worker == worker);
        self.lanes[&worker] - busy.count()
    }

    /// The rules. `ticked`: the input was a tick.
    pub(super) fn check(&self, sched: &Scheduler, ticked: bool) {
        self.check_counts(sched);
        self.check_waiting(sched);
        let (min, max) = self.bounds;
        assert!((min..=max).contains(&self.target), "size {}", self.target);
        let due = self.workers(WorkerState::Due).len();
        let launching = self.workers(WorkerState::Launching).len();
        let serving = self.serving();
        assert!(serving <= self.target + due, "more workers than wanted");
        let at_once = self.settings.max_concurrent_recycles;
        let leaving = serving - sched.workers.staying();
        let extra = due
            .min(at_once.unwrap_or(self.target / 4).max(1))
            .max(leaving);
        assert!(
            launching == 0 || launching + serving <= self.target + extra,
            "too many are replaced at once"
        );
        for worker in self.workers(WorkerState::Quarantined) {
            let finishing = self
                .running
                .values()
                .any(|run| run.worker == worker && run.doing != Doing::Stuck);
            assert!(finishing, "{worker} has only stuck lanes and lives");
        }
        if ticked {
            self.check_time(sched);
        }
    }

    /// Every call that waits does so for a reason that will end.
    fn check_waiting(&self, sched: &Scheduler) {
        // One that is replaced and held for its sessions may have been so for a smaller target: it counts as gone.
        let may_grow = self.target < self.bounds.1
            && sched.workers.staying() >= self.target
            && self.workers(WorkerState::Launching).is_empty()
            && self.breaker == BreakerState::Closed
            && sched.phase == Phase::Open
            && sched.next_launch().is_none()
            && !sched.gave_up();
        for (call, waiter) in &self.waiting {
            if let Some(worker) = sched.queue.pinned_to(*call) {
                assert!(waiter.strict, "{call} waits for {worker}, needlessly");
                let serves = self.states.get(&worker).is_some_and(|at| at.is_serving());
                assert!(serves, "{call} waits for {worker}, which takes no calls");
                assert_eq!(self.free_lanes(worker), 0, "{call} waits for {worker}");
                continue;
            }
            let free = self
                .states
                .keys()
                .any(|worker| self.free_lanes(*worker) > 0);
            assert!(!free, "{call} waits beside a free lane");
            let due = waiter.since + self.settings.scale_up_after;
            let looks = sched.wake_at().is_some_and(|at| at <= due);
            assert!(
                !may_grow || looks,
                "{call} waits and the pool does not grow"
            );
        }
    }

    fn check_counts(&self, sched: &Scheduler) {
        assert_eq!(sched.queued(), self.waiting.len());
        assert_eq!(sched.running(), self.running.len());
        assert_eq!(sched.ready(), self.serving());
        assert_eq!(sched.target(), self.target);
        assert_eq!(sched.breaker(), self.breaker);
        let states: BTreeMap<_, _> = sched
            .workers()
            .map(|status| (status.worker, status.state))
            .collect();
        assert_eq!(states, self.states);
        for status in sched.workers() {
            let busy = self.running.values().filter(|r| r.worker == status.worker);
            assert_eq!(status.busy, busy.count(), "lanes of {}", status.worker);
        }
    }

    /// What must have happened by now, after a tick.
    fn check_time(&self, sched: &Scheduler) {
        assert!(
            sched.wake_at().is_none_or(|at| at > self.now),
            "a tick leads to a tick"
        );
        if let Some(after) = self.settings.slow_call_after {
            let untold = self.running.iter().find(|(_, run)| {
                let slow = self.now >= run.since + after + after / 16;
                slow && run.doing == Doing::Working && !run.told
            });
            assert!(untold.is_none(), "{untold:?} is slow");
        }
    }

    /// Nothing is left to happen.
    pub(super) fn is_at_rest(&self) -> bool {
        let unlike_ready = self.states.values().any(|at| *at != WorkerState::Ready);
        self.waiting.is_empty()
            && self.running.is_empty()
            && !unlike_ready
            && self.states.len() == self.target
    }

    /// Workers there were before the last reload.
    pub(super) fn outdated(&self) -> BTreeSet<WorkerId> {
        let workers = self.states.keys().copied();
        workers.filter(|id| Some(*id) <= self.outdated).collect()
    }

    pub(super) fn reloaded(&mut self) {
        self.outdated = self.youngest;
        self.forgive();
    }
}
