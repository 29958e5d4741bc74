//! Random histories of a pool, played against the model, until it comes to rest or is closed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::model::{Doing, Model, Waiter};
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
    Return(usize),
    Quiesce(usize, bool),
    Launch(usize, u16),
    FailLaunch(usize, bool),
    Exit(usize),
    Retire(usize),
    Condemn(usize),
    Release(usize),
    Reload,
    Resize(usize, usize),
    Drain,
    Wait(u16),
    Wake,
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<usize>;
    prop_oneof![
        10 => (0..3u8, prop::option::weighted(0.3, (0..4u8, 0..3u8)))
            .prop_map(|(priority, session)| Op::Arrive { priority, session }),
        3 => index().prop_map(Op::Abandon),
        6 => index().prop_map(Op::Finish),
        2 => index().prop_map(Op::Return),
        3 => (index(), prop::bool::weighted(0.6)).prop_map(|(i, clean)| Op::Quiesce(i, clean)),
        6 => (index(), 1..4u16).prop_map(|(i, lanes)| Op::Launch(i, lanes)),
        1 => (index(), prop::bool::weighted(0.1)).prop_map(|(i, fatal)| Op::FailLaunch(i, fatal)),
        2 => index().prop_map(Op::Exit),
        2 => index().prop_map(Op::Retire),
        1 => index().prop_map(Op::Condemn),
        2 => index().prop_map(Op::Release),
        1 => Just(Op::Reload),
        1 => (1..5usize, 0..4usize).prop_map(|(min, more)| Op::Resize(min, more)),
        1 => prop::bool::weighted(0.05).prop_map(|drain| if drain { Op::Drain } else { Op::Wake }),
        2 => (0..2000u16).prop_map(Op::Wait),
        3 => Just(Op::Wake),
    ]
}

fn settings() -> impl Strategy<Value = PoolSettings> {
    let sizes = (1..4usize, 0..4usize, 1..8usize);
    let limits = (prop::option::of(1..4usize), prop::option::of(1..6u32));
    (sizes, limits).prop_map(
        |((size, more, queue_size), (recycles, budget))| PoolSettings {
            size,
            max_size: Some(size + more),
            queue_size,
            scale_up_after: Duration::from_millis(50),
            scale_cooldown: Duration::from_millis(500),
            quarantine_grace: Duration::from_secs(2),
            max_concurrent_recycles: recycles,
            session_drain: Duration::from_secs(3),
            session_ttl: Duration::from_secs(5),
            max_sessions: 3,
            restart_budget: budget,
            restart_window: Duration::from_secs(1),
            slow_call_after: Some(Duration::from_millis(700)),
            ..PoolSettings::default()
        },
    )
}

fn pick<T: Copy>(items: impl IntoIterator<Item = T>, index: usize) -> Option<T> {
    let items: Vec<T> = items.into_iter().collect();
    (!items.is_empty()).then(|| items[index % items.len()])
}

fn play(bench: &mut Bench, model: &mut Model, op: &Op) {
    match op {
        Op::Arrive { priority, session } => arrive(bench, model, *priority, *session),
        op => {
            if let Op::Wait(millis) = op {
                bench.now += Duration::from_millis((*millis).into());
            } else if let Op::Wake = op {
                bench.now = bench.sched.wake_at().unwrap_or(bench.now).max(bench.now);
            }
            if let Some(input) = on_call(model, op).or_else(|| on_pool(model, op)) {
                feed(bench, model, input);
            }
        }
    }
}

fn feed(bench: &mut Bench, model: &mut Model, input: Input) {
    let ticked = matches!(input, Input::Tick);
    let loses = matches!(
        input,
        Input::Exited(_) | Input::Condemn(..) | Input::Quiesced(_, Quiesced::Stuck)
    );
    model.hear(&input, bench.now);
    if matches!(input, Input::Reload) && bench.sched.phase == Phase::Open {
        model.reloaded();
    }
    let before = model.serving().min(bench.sched.target());
    let actions = bench.on(input);
    model.apply(&actions);
    model.check(&bench.sched, ticked);
    // What a pool that has just grown lacks, it never had.
    let floor = before.min(bench.sched.target());
    assert!(loses || model.serving() >= floor, "capacity was taken away");
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
    let strict = session.is_some_and(|(_, affinity)| affinity != Affinity::Hint);
    let (call, actions) = bench.arrive_with(priority, session);
    let since = bench.now;
    let waiter = Waiter {
        priority,
        strict,
        since,
    };
    model.waiting.insert(call, waiter);
    model.hear(&Input::Withdrawn(call), bench.now);
    model.apply(&actions);
    model.check(&bench.sched, false);
}

/// The input for an operation on a call, if there is a call to do it to.
fn on_call(model: &mut Model, op: &Op) -> Option<Input> {
    let doing = |wanted: Doing| {
        let calls = model.running.iter();
        let calls = calls.filter(move |(_, run)| run.doing == wanted);
        calls.map(|(call, _)| *call).collect::<Vec<_>>()
    };
    match op {
        Op::Abandon(index) => {
            let all: BTreeSet<_> = model.waiting.keys().chain(model.running.keys()).collect();
            let call = *pick(all, *index)?;
            Some(match model.waiting.remove(&call) {
                Some(_) => Input::Withdrawn(call),
                None => Input::Abandoned(call),
            })
        }
        Op::Finish(index) => {
            let call = pick(doing(Doing::Working), *index)?;
            model.finish(call);
            Some(Input::Finished(call))
        }
        Op::Return(index) => {
            let call = pick(doing(Doing::Working), *index)?;
            model.running.remove(&call);
            Some(Input::Returned(call))
        }
        Op::Quiesce(index, clean) => {
            let call = pick(doing(Doing::Cancelled), *index)?;
            if *clean {
                model.finish(call);
                return Some(Input::Quiesced(call, Quiesced::Clean));
            }
            if let Some(run) = model.running.get_mut(&call) {
                run.doing = Doing::Stuck;
            }
            Some(Input::Quiesced(call, Quiesced::Stuck))
        }
        _ => None,
    }
}

/// The input for an operation on a worker or on the pool, if there is a worker to do it to.
fn on_pool(model: &Model, op: &Op) -> Option<Input> {
    let launching = || model.workers(WorkerState::Launching);
    let all = || model.states.keys().copied();
    let reason = || RetireReason::Policy("ttl".into());
    Some(match op {
        Op::Launch(index, lanes) => {
            let (worker, lanes) = (pick(launching(), *index)?, *lanes);
            Input::Launched { worker, lanes }
        }
        Op::FailLaunch(index, permanent) => {
            let (worker, permanent) = (pick(launching(), *index)?, *permanent);
            Input::LaunchFailed { worker, permanent }
        }
        Op::Exit(index) => {
            let alive = all().filter(|id| model.states[id] != WorkerState::Launching);
            Input::Exited(pick(alive, *index)?)
        }
        Op::Retire(index) => Input::Retire(pick(all(), *index)?, reason()),
        Op::Condemn(index) => {
            let why = if index % 2 == 0 {
                RetireReason::Protocol
            } else {
                RetireReason::Killed("rss".into())
            };
            Input::Condemn(pick(all(), *index / 2)?, why)
        }
        Op::Release(index) => Input::Release(pick(all(), *index)?),
        Op::Reload => Input::Reload,
        Op::Resize(min, more) => Input::Resize {
            min: *min,
            max: min + more,
        },
        Op::Drain => Input::Drain,
        Op::Wait(_) | Op::Wake => Input::Tick,
        _ => return None,
    })
}

/// Lets everything come to its end: launches succeed, calls finish, workers go, and time passes only as the scheduler
/// asks for it. Stuck lanes stay stuck.
fn come_to_rest(bench: &mut Bench, model: &mut Model) {
    if bench.sched.gave_up() {
        let (min, max) = model.bounds;
        feed(bench, model, Input::Resize { min, max });
    }
    for _ in 0..10_000 {
        let running = |wanted| model.running.values().any(|run| run.doing == wanted);
        let stopping = model.workers(WorkerState::Stopping);
        if let Some(worker) = stopping.first() {
            feed(bench, model, Input::Exited(*worker));
        } else if !model.workers(WorkerState::Launching).is_empty() {
            play(bench, model, &Op::Launch(0, 1));
        } else if running(Doing::Cancelled) {
            play(bench, model, &Op::Quiesce(0, true));
        } else if running(Doing::Working) {
            play(bench, model, &Op::Finish(0));
        } else if model.is_at_rest() {
            return;
        } else {
            let at = bench.sched.wake_at();
            assert!(at.is_some(), "nothing is asked for: {:?}", bench.sched);
            play(bench, model, &Op::Wake);
        }
    }
    panic!("the pool does not come to rest: {:?}", bench.sched);
}

/// Closes the pool: whatever it was doing, everything ends.
fn close(bench: &mut Bench, model: &mut Model) {
    model.hear(&Input::Close, bench.now);
    let actions = bench.on(Input::Close);
    model.apply(&actions);
    assert!(model.waiting.is_empty());
    for worker in model.workers(WorkerState::Stopping) {
        model.hear(&Input::Exited(worker), bench.now);
        assert_eq!(bench.on(Input::Exited(worker)), []);
    }
    assert!(model.states.is_empty(), "{:?}", model.states);
    assert_eq!(bench.sched.workers().count(), 0);
    assert_eq!(bench.sched.wake_at(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_rules_and_comes_to_its_end(
        settings in settings(),
        history in prop::collection::vec(op(), 1..200),
        closes in any::<bool>(),
    ) {
        let mut bench = Bench::with(settings.clone());
        let mut model = Model::new(settings, bench.now);
        model.apply(&bench.out.clone());
        for op in &history {
            play(&mut bench, &mut model, op);
        }
        if closes {
            close(&mut bench, &mut model);
        } else {
            come_to_rest(&mut bench, &mut model);
            prop_assert_eq!(model.outdated(), BTreeSet::new(), "older than the last reload");
        }
    }
}
