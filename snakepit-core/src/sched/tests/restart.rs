//! Deaths that nobody ordered: the breaker opens, tries, and closes.

use super::*;

const BUDGET: u32 = 4;

fn fragile(size: usize) -> Bench {
    let mut bench = Bench::with(PoolSettings {
        size,
        restart_budget: Some(BUDGET),
        ..PoolSettings::default()
    });
    bench.finish_launches(1);
    bench
}

fn breaks(actions: &[Action]) -> Vec<BreakerState> {
    let breaks = actions.iter().filter_map(|action| match action {
        Action::Breaker(state) => Some(*state),
        _ => None,
    });
    breaks.collect()
}

/// One worker dies while it runs a call, and its replacement comes if it may.
fn die(bench: &mut Bench) -> Vec<Action> {
    let (call, mut actions) = bench.arrive();
    if let Some(worker) = bench.worker_of(call) {
        actions.extend(bench.on(Input::Exited(worker)));
    }
    actions
}

/// Workers die until the breaker opens; returns for how long.
fn break_it(bench: &mut Bench) -> Duration {
    for _ in 0..=BUDGET {
        if let [BreakerState::Open { pause }] = breaks(&die(bench))[..] {
            return pause;
        }
        bench.finish_launches(1);
    }
    panic!("the breaker did not open");
}

#[test]
fn too_many_deaths_stop_launching_for_a_while() {
    let mut bench = fragile(1);
    let pause = break_it(&mut bench);
    assert_eq!(bench.sched.breaker_deaths(), BUDGET);
    assert_eq!(bench.sched.breaker.wake_at(), Some(bench.now + pause));
    assert_eq!(refused(&bench.arrive().1), [Refusal::BreakerOpen]);
    let actions = bench.wake();
    assert_eq!(breaks(&actions), [BreakerState::HalfOpen]);
    assert_eq!(launches(&actions), 1);
}

#[test]
fn what_waits_when_it_opens_is_refused_if_nothing_serves() {
    let mut bench = fragile(1);
    for _ in 1..BUDGET {
        die(&mut bench);
        bench.finish_launches(1);
    }
    let (running, _) = bench.arrive();
    bench.arrive();
    let worker = bench.worker_of(running).unwrap();
    assert_eq!(
        refused(&bench.on(Input::Exited(worker))),
        [Refusal::BreakerOpen]
    );
}

#[test]
fn while_another_worker_serves_calls_are_taken() {
    let mut bench = fragile(2);
    break_it(&mut bench);
    assert_eq!(bench.sched.ready(), 1);
    let (call, actions) = bench.arrive();
    assert_eq!(granted(&actions), [call]);
    assert_eq!(bench.arrive().1, [], "it waits");
}

#[test]
fn only_one_worker_is_tried_and_a_finished_call_ends_the_trial() {
    let mut bench = fragile(3);
    break_it(&mut bench);
    for worker in bench.with_state(WorkerState::Ready) {
        bench.on(Input::Exited(worker));
    }
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.sched.breaker(), BreakerState::HalfOpen);
    assert_eq!(bench.with_state(WorkerState::Launching).len(), 1);
    bench.finish_launches(1);
    assert_eq!(bench.with_state(WorkerState::Launching), []);
    let (call, _) = bench.arrive();
    let actions = bench.on(Input::Finished(call));
    assert_eq!(breaks(&actions), [BreakerState::Closed]);
    assert_eq!(bench.sched.breaker_deaths(), 0);
    assert!(launches(&actions) > 0, "the others follow: {actions:?}");
}

#[test]
fn a_call_of_another_worker_does_not_end_the_trial() {
    let mut bench = fragile(2);
    break_it(&mut bench);
    bench.pass(Duration::from_secs(2));
    let trial = bench.with_state(WorkerState::Launching)[0];
    let (call, _) = bench.arrive();
    assert_eq!(breaks(&bench.on(Input::Finished(call))), []);
    bench.finish_launches(1);
    let calls = [bench.arrive().0, bench.arrive().0];
    let (ours, other): (Vec<_>, Vec<_>) = calls
        .into_iter()
        .partition(|call| bench.worker_of(*call) == Some(trial));
    assert_eq!(breaks(&bench.on(Input::Finished(other[0]))), []);
    assert_eq!(
        breaks(&bench.on(Input::Finished(ours[0]))),
        [BreakerState::Closed]
    );
}

#[test]
fn a_trial_that_lives_long_enough_ends_well() {
    let mut bench = fragile(1);
    break_it(&mut bench);
    bench.wake();
    bench.finish_launches(1);
    let actions = bench.pass(PoolSettings::default().restart_window);
    assert_eq!(breaks(&actions), [BreakerState::Closed]);
}

#[test]
fn a_trial_that_dies_makes_the_break_longer_up_to_half_a_minute() {
    let mut bench = fragile(1);
    let mut pause = break_it(&mut bench);
    for _ in 0..3 {
        bench.wake();
        bench.finish_launches(1);
        let actions = die(&mut bench);
        let [BreakerState::Open { pause: longer }] = breaks(&actions)[..] else {
            panic!("it did not open: {actions:?}");
        };
        assert!(longer > pause, "{longer:?} after {pause:?}");
        pause = longer;
    }
    for _ in 0..5 {
        bench.wake();
        bench.finish_launches(1);
        die(&mut bench);
    }
    let left = bench.sched.breaker.wake_at().unwrap() - bench.now;
    assert!(left <= Duration::from_secs(36), "{left:?}");
}

#[test]
fn a_trial_launch_that_fails_opens_it_again() {
    let mut bench = fragile(1);
    break_it(&mut bench);
    bench.wake();
    let worker = bench.with_state(WorkerState::Launching)[0];
    let permanent = false;
    let actions = bench.on(Input::LaunchFailed { worker, permanent });
    assert!(matches!(breaks(&actions)[..], [BreakerState::Open { .. }]));
}

#[test]
fn a_trial_that_we_end_ourselves_is_followed_by_another() {
    let mut bench = fragile(1);
    break_it(&mut bench);
    bench.wake();
    let trial = bench.with_state(WorkerState::Launching)[0];
    let actions = bench.on(Input::Reload);
    assert!(actions.contains(&Action::Abort(trial, RetireReason::Reload)));
    assert_eq!(launches(&actions), 1);
}

#[test]
fn deaths_outweighed_by_calls_do_not_open_it() {
    let mut bench = fragile(1);
    for _ in 0..3 * BUDGET {
        for _ in 0..2 {
            let (call, _) = bench.arrive();
            bench.on(Input::Finished(call));
        }
        assert_eq!(breaks(&die(&mut bench)), []);
        bench.finish_launches(1);
    }
}

#[test]
fn deaths_long_ago_do_not_count() {
    let mut bench = fragile(1);
    for _ in 0..3 * BUDGET {
        assert_eq!(breaks(&die(&mut bench)), []);
        bench.finish_launches(1);
        bench.pass(PoolSettings::default().restart_window / 2);
    }
}

/// A policy kills the worker that was launched last, which is idle.
fn kill_youngest(bench: &mut Bench) -> Vec<Action> {
    bench.finish_launches(1);
    let worker = *bench.with_state(WorkerState::Ready).last().unwrap();
    let actions = bench.on(Input::Condemn(worker, RetireReason::Killed("rss".into())));
    bench.on(Input::Exited(worker));
    actions
}

#[test]
fn workers_a_policy_kills_before_they_are_of_use_are_held_back() {
    let mut bench = fragile(1);
    assert_eq!(launches(&kill_youngest(&mut bench)), 1, "the first one");
    let mut delays = Vec::new();
    for _ in 2..BUDGET {
        assert_eq!(launches(&kill_youngest(&mut bench)), 0);
        let killed_at = bench.now;
        assert_eq!(launches(&bench.wake()), 1);
        delays.push(bench.now - killed_at);
    }
    assert!(
        delays.windows(2).all(|pair| pair[0] < pair[1]),
        "{delays:?}"
    );
    let actions = kill_youngest(&mut bench);
    assert!(matches!(breaks(&actions)[..], [BreakerState::Open { .. }]));
}

#[test]
fn a_trial_that_a_policy_kills_opens_it_again() {
    let mut bench = fragile(1);
    break_it(&mut bench);
    bench.wake();
    let actions = kill_youngest(&mut bench);
    assert!(matches!(breaks(&actions)[..], [BreakerState::Open { .. }]));
    assert_eq!(launches(&actions), 0);
}

#[test]
fn workers_a_policy_kills_after_they_were_of_use_do_not_count() {
    let mut bench = fragile(1);
    for _ in 0..3 * BUDGET {
        let (call, _) = bench.arrive();
        bench.on(Input::Finished(call));
        let actions = kill_youngest(&mut bench);
        assert_eq!((breaks(&actions), launches(&actions)), (vec![], 1));
        bench.finish_launches(1);
    }
}

#[test]
fn workers_we_end_do_not_count() {
    let mut bench = fragile(1);
    for _ in 0..3 * BUDGET {
        let worker = bench.with_state(WorkerState::Ready)[0];
        bench.on(Input::Condemn(worker, RetireReason::Protocol));
        bench.finish_launches(1);
        assert_eq!(breaks(&bench.on(Input::Exited(worker))), []);
    }
}

#[test]
fn it_does_not_close_while_the_launch_of_a_trial_is_held_back() {
    let restart_window = Duration::from_secs(1);
    let mut bench = Bench::with(PoolSettings {
        size: 6,
        restart_budget: Some(6),
        restart_window,
        ..PoolSettings::default()
    });
    // Launches that failed one after the other: the next one is a long way off.
    let permanent = false;
    for _ in 0..6 {
        let worker = *bench.with_state(WorkerState::Launching).last().unwrap();
        bench.on(Input::LaunchFailed { worker, permanent });
        bench.wake();
    }
    bench.finish_launches(1);
    let mut actions = Vec::new();
    for worker in bench.with_state(WorkerState::Ready) {
        actions.extend(bench.on(Input::Exited(worker)));
    }
    assert!(matches!(breaks(&actions)[..], [BreakerState::Open { .. }]));
    let held = bench.sched.next_launch().unwrap() - bench.now;
    assert!(held > 3 * restart_window, "{held:?}");
    let actions = bench.pass(held);
    assert_eq!(breaks(&actions), [BreakerState::HalfOpen]);
    assert_eq!(launches(&actions), 1, "one is tried");
}

#[test]
fn a_lane_that_comes_back_unused_does_not_end_the_trial() {
    let mut bench = fragile(1);
    break_it(&mut bench);
    bench.wake();
    bench.finish_launches(1);
    let (unused, _) = bench.arrive();
    let (next, _) = bench.arrive();
    assert_eq!(granted(&bench.on(Input::Returned(unused))), [next]);
    assert_eq!(bench.sched.breaker(), BreakerState::HalfOpen);
    let trial = bench.with_state(WorkerState::Ready)[0];
    assert_eq!(bench.sched.worker(trial).unwrap().served, 0);
    let killed = RetireReason::Killed("rss".into());
    let actions = bench.on(Input::Condemn(trial, killed));
    assert!(matches!(breaks(&actions)[..], [BreakerState::Open { .. }]));
}

#[test]
fn a_call_of_a_condemned_trial_does_not_end_the_trial() {
    let mut bench = fragile(1);
    break_it(&mut bench);
    bench.wake();
    bench.finish_launches(1);
    let (call, _) = bench.arrive();
    let trial = bench.worker_of(call).unwrap();
    bench.on(Input::Condemn(trial, RetireReason::Protocol));
    assert_eq!(bench.on(Input::Returned(call)), []);
    assert_eq!(bench.sched.breaker(), BreakerState::HalfOpen);
    let actions = bench.on(Input::Exited(trial));
    assert_eq!(launches(&actions), 1, "another one is tried");
}
