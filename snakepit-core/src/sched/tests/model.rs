//! The scheduler against a model: random histories of a pool, and the rules that must hold after every step.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use proptest::prelude::*;

use super::tests::Bench;
use super::*;

/// What a history is made of. Indices choose among whatever exists at that moment.
#[derive(Clone, Debug)]
enum Op {
    Arrive {
        priority: u8,
        session: Option<(u8, u8)>,
    },
    Abandon(usize),
    Finish(usize),
    Quiesce(usize, bool),
    Launch(usize, u16),
    FailLaunch(usize),
    Exit(usize),
    Retire(usize),
    Resize(usize),
    Wait(u16),
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<usize>();
    prop_oneof![
        8 => (0..3u8, prop::option::weighted(0.3, (0..4u8, 0..3u8)))
            .prop_map(|(priority, session)| Op::Arrive { priority, session }),
        2 => index.prop_map(Op::Abandon),
        6 => index.prop_map(Op::Finish),
        2 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(i, clean)| Op::Quiesce(i, clean)),
        4 => (any::<usize>(), 1..4u16).prop_map(|(i, lanes)| Op::Launch(i, lanes)),
        1 => any::<usize>().prop_map(Op::FailLaunch),
        1 => any::<usize>().prop_map(Op::Exit),
        1 => any::<usize>().prop_map(Op::Retire),
        1 => (0..5usize).prop_map(Op::Resize),
        1 => (0..2000u16).prop_map(Op::Wait),
    ]
}

/// What an outside observer knows of the pool.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<CallId, (Priority, bool)>,
    running: HashMap<CallId, (WorkerId, LaneId)>,
    cancelled: BTreeSet<CallId>,
    settled: HashSet<CallId>,
    launching: BTreeSet<WorkerId>,
    alive: BTreeMap<WorkerId, u16>,
    draining: BTreeSet<WorkerId>,
    ended: BTreeSet<WorkerId>,
}

impl Model {
    fn apply(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Grant { call, worker, lane } => self.grant(*call, *worker, *lane),
                Action::Reject { call, .. } => {
                    assert!(
                        self.waiting.remove(call).is_some(),
                        "{call} was refused but did not wait"
                    );
                    assert!(self.settled.insert(*call), "{call} was answered twice");
                }
                Action::Cancel { call, .. } => {
                    assert!(
                        self.running.contains_key(call),
                        "{call} was cancelled but does not run"
                    );
                    assert!(self.cancelled.insert(*call), "{call} was cancelled twice");
                }
                Action::Launch(worker) => {
                    assert!(
                        self.launching.insert(*worker),
                        "{worker} was launched twice"
                    );
                }
                Action::Quarantined { worker, .. } => {
                    self.draining.insert(*worker);
                }
                Action::Draining(worker, _) => {
                    assert!(self.alive.contains_key(worker) || self.launching.contains(worker));
                    self.draining.insert(*worker);
                }
                Action::Stop(worker, _) => {
                    let busy = self.running.values().any(|(at, _)| at == worker);
                    assert!(!busy, "{worker} was stopped while it runs a call");
                    self.ended.insert(*worker);
                }
                Action::Due(..)
                | Action::Resized { .. }
                | Action::Breaker(_)
                | Action::Slow { .. } => {}
                Action::Abort(worker, _) => {
                    // A launch that is broken off is never heard of again.
                    self.launching.remove(worker);
                    self.ended.insert(*worker);
                }
            }
        }
    }

    fn grant(&mut self, call: CallId, worker: WorkerId, lane: LaneId) {
        let (priority, bound) = self
            .waiting
            .remove(&call)
            .expect("a granted call was waiting");
        assert!(self.settled.insert(call), "{call} was answered twice");
        let lanes = self.alive.get(&worker).expect("a lane of a living worker");
        assert!(lane.index() < usize::from(*lanes));
        assert!(
            !self.draining.contains(&worker) && !self.ended.contains(&worker),
            "{worker} drains"
        );
        let taken = self.running.insert(call, (worker, lane));
        assert!(taken.is_none());
        let sharing = self
            .running
            .values()
            .filter(|place| **place == (worker, lane))
            .count();
        assert_eq!(sharing, 1, "lane {lane} of {worker} runs two calls");
        if !bound {
            let overtaken = self.waiting.iter().find(|(other, (rank, other_bound))| {
                !other_bound && (*rank > priority || (*rank == priority && **other < call))
            });
            assert!(overtaken.is_none(), "{call} overtook {overtaken:?}");
        }
    }

    fn free_lanes(&self) -> usize {
        let open = self
            .alive
            .iter()
            .filter(|(worker, _)| !self.draining.contains(worker) && !self.ended.contains(worker));
        open.map(|(worker, lanes)| {
            usize::from(*lanes) - self.running.values().filter(|(at, _)| at == worker).count()
        })
        .sum()
    }

    fn check(&self, sched: &Scheduler) {
        assert_eq!(sched.queued(), self.waiting.len());
        assert_eq!(sched.running(), self.running.len());
        // No call without a session waits while a lane is free.
        if self.free_lanes() > 0 {
            let kept_waiting = self.waiting.iter().find(|(_, (_, bound))| !bound);
            assert!(
                kept_waiting.is_none(),
                "{kept_waiting:?} waits beside a free lane"
            );
        }
        let serving = self
            .alive
            .keys()
            .filter(|worker| !self.draining.contains(worker) && !self.ended.contains(worker));
        assert_eq!(sched.ready(), serving.count());
        let due = sched
            .workers()
            .filter(|status| status.state == WorkerState::Due);
        assert!(
            sched.ready() <= sched.target() + due.count(),
            "more workers than wanted"
        );
    }
}

fn pick<T: Copy>(items: impl IntoIterator<Item = T>, index: usize) -> Option<T> {
    let items: Vec<T> = items.into_iter().collect();
    if items.is_empty() {
        None
    } else {
        Some(items[index % items.len()])
    }
}

fn play(bench: &mut Bench, model: &mut Model, op: &Op) {
    if let Op::Arrive { priority, session } = op {
        arrive(bench, model, *priority, *session);
        return;
    }
    if let Op::Wait(millis) = op {
        bench.now += Duration::from_millis((*millis).into());
    }
    let Some(input) = model.calls(op).or_else(|| model.workers(op)) else {
        return;
    };
    let retiring = matches!(op, Op::Retire(_));
    let serving = bench.sched.ready();
    let actions = bench.on(input);
    model.apply(&actions);
    assert!(
        !retiring || bench.sched.ready() >= serving.min(bench.sched.target()),
        "retiring a worker took capacity away"
    );
}

fn arrive(bench: &mut Bench, model: &mut Model, priority: u8, session: Option<(u8, u8)>) {
    let priority = [Priority::Low, Priority::Normal, Priority::High][usize::from(priority)];
    let names = ["a", "b", "c", "d"];
    let modes = [
        Affinity::Hint,
        Affinity::StrictQueue,
        Affinity::StrictFailFast,
    ];
    let session = session.map(|(name, mode)| (names[usize::from(name)], modes[usize::from(mode)]));
    let bound = session.is_some_and(|(_, affinity)| affinity != Affinity::Hint);
    let (call, actions) = bench.arrive_with(priority, session);
    model.waiting.insert(call, (priority, bound));
    model.apply(&actions);
}

impl Model {
    /// The input for an operation on a call, if there is a call to do it to.
    fn calls(&mut self, op: &Op) -> Option<Input> {
        let cancelled = |call: &CallId| self.cancelled.contains(call);
        match op {
            Op::Abandon(index) => {
                let all: BTreeSet<_> = self.waiting.keys().chain(self.running.keys()).collect();
                let call = *pick(all, *index)?;
                Some(match self.waiting.remove(&call) {
                    Some(_) => Input::Withdrawn(call),
                    None => Input::Abandoned(call),
                })
            }
            Op::Finish(index) => {
                let calls: BTreeSet<_> = self.running.keys().filter(|c| !cancelled(c)).collect();
                let call = *pick(calls, *index)?;
                self.running.remove(&call);
                Some(Input::Finished(call))
            }
            Op::Quiesce(index, clean) => {
                let calls: BTreeSet<_> = self.running.keys().filter(|c| cancelled(c)).collect();
                let call = *pick(calls, *index)?;
                if *clean {
                    self.running.remove(&call);
                    return Some(Input::Quiesced(call, Quiesced::Clean));
                }
                Some(Input::Quiesced(call, Quiesced::Stuck))
            }
            _ => None,
        }
    }

    /// The input for an operation on a worker or on the pool, if there is a worker to do it to.
    fn workers(&mut self, op: &Op) -> Option<Input> {
        Some(match op {
            Op::Launch(index, lanes) => {
                let worker = pick(self.launching.iter().copied(), *index)?;
                self.launching.remove(&worker);
                self.alive.insert(worker, *lanes);
                let lanes = *lanes;
                Input::Launched { worker, lanes }
            }
            Op::FailLaunch(index) => {
                let worker = pick(self.launching.iter().copied(), *index)?;
                self.launching.remove(&worker);
                let permanent = false;
                Input::LaunchFailed { worker, permanent }
            }
            Op::Exit(index) => {
                let worker = pick(self.alive.keys().copied(), *index)?;
                self.alive.remove(&worker);
                self.running.retain(|_, (at, _)| *at != worker);
                Input::Exited(worker)
            }
            Op::Retire(index) => {
                let worker = pick(self.alive.keys().copied(), *index)?;
                Input::Retire(worker, RetireReason::Policy("ttl".into()))
            }
            Op::Resize(target) => Input::Resize {
                min: *target,
                max: *target,
            },
            Op::Wait(_) => Input::Tick,
            _ => return None,
        })
    }
}

/// Lets everything come to its end: launches succeed, calls finish, time passes.
fn come_to_rest(bench: &mut Bench, model: &mut Model) {
    for _ in 0..10_000 {
        let op = if !model.launching.is_empty() {
            Op::Launch(0, 1)
        } else if !model.running.is_empty() {
            if model
                .running
                .keys()
                .all(|call| model.cancelled.contains(call))
            {
                Op::Quiesce(0, true)
            } else {
                Op::Finish(0)
            }
        } else if let Some(worker) = model
            .ended
            .iter()
            .find(|worker| model.alive.contains_key(worker))
        {
            let worker = *worker;
            Op::Exit(
                model
                    .alive
                    .keys()
                    .position(|other| *other == worker)
                    .unwrap_or(0),
            )
        } else if bench.sched.queued() > 0
            || bench.sched.ready() != bench.sched.target()
            || bench
                .sched
                .workers()
                .any(|status| status.state == WorkerState::Due)
        {
            Op::Wait(2000)
        } else {
            return;
        };
        play(bench, model, &op);
        model.check(&bench.sched);
    }
    panic!("the pool does not come to rest: {:?}", bench.sched);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_rules_and_comes_to_rest(
        target in 1..4usize,
        queue_size in 1..8usize,
        history in prop::collection::vec(op(), 1..200),
    ) {
        let mut bench = Bench::new(target, queue_size);
        let mut model = Model::default();
        model.apply(&bench.out.clone());
        for op in &history {
            play(&mut bench, &mut model, op);
            model.check(&bench.sched);
        }
        come_to_rest(&mut bench, &mut model);
        prop_assert_eq!(bench.sched.queued(), 0);
        prop_assert_eq!(bench.sched.running(), 0);
        prop_assert_eq!(bench.sched.ready(), bench.sched.target());
        prop_assert!(bench.sched.workers().all(|status| status.state != WorkerState::Due), "a due worker was never replaced");
    }
}
