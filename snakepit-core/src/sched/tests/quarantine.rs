//! Lanes that will not become free, and calls that take long.

use super::*;

/// One worker of three lanes with three calls, the first of them abandoned.
fn busy() -> (Bench, WorkerId, [CallId; 3]) {
    let mut bench = Bench::ready(1, 3);
    let worker = bench.with_state(WorkerState::Ready)[0];
    let calls = [bench.arrive().0, bench.arrive().0, bench.arrive().0];
    bench.on(Input::Abandoned(calls[0]));
    (bench, worker, calls)
}

#[test]
fn a_worker_with_a_stuck_lane_finishes_its_other_calls_and_is_replaced_first() {
    let (mut bench, worker, calls) = busy();
    let actions = bench.on(Input::Quiesced(calls[0], Quiesced::Stuck));
    let quarantined = Action::Quarantined {
        worker,
        call: calls[0],
    };
    assert_eq!(about(&actions, worker), [quarantined]);
    assert_eq!(launches(&actions), 1, "its replacement");
    assert_eq!(bench.on(Input::Finished(calls[1])), []);
    let (next, actions) = bench.arrive();
    assert_eq!(actions, [], "no new calls, though a lane is free");
    assert_eq!(
        bench.on(Input::Finished(calls[2])),
        [Action::Abort(worker, RetireReason::Stuck)]
    );
    assert_eq!(granted(&bench.finish_launches(1)), [next]);
    assert_eq!(bench.on(Input::Exited(worker)), []);
}

#[test]
fn it_is_killed_when_its_other_calls_take_too_long() {
    let (mut bench, worker, calls) = busy();
    bench.on(Input::Quiesced(calls[0], Quiesced::Stuck));
    bench.finish_launches(3);
    let grace = PoolSettings::default().quarantine_grace;
    assert_eq!(about(&bench.pass(grace / 2), worker), []);
    assert_eq!(
        about(&bench.pass(grace / 2), worker),
        [Action::Abort(worker, RetireReason::Stuck)]
    );
}

#[test]
fn it_is_killed_when_the_other_lanes_are_stuck_too() {
    let (mut bench, worker, calls) = busy();
    bench.on(Input::Quiesced(calls[0], Quiesced::Stuck));
    bench.on(Input::Finished(calls[1]));
    bench.on(Input::Abandoned(calls[2]));
    assert_eq!(
        bench.on(Input::Quiesced(calls[2], Quiesced::Stuck)),
        [Action::Abort(worker, RetireReason::Stuck)]
    );
}

#[test]
fn a_worker_that_drains_is_quarantined_too() {
    let (mut bench, worker, calls) = busy();
    bench.on(Input::Retire(worker, RetireReason::Recycle));
    bench.finish_launches(3);
    assert_eq!(bench.state(worker), Some(WorkerState::Draining));
    bench.on(Input::Quiesced(calls[0], Quiesced::Stuck));
    assert_eq!(bench.state(worker), Some(WorkerState::Quarantined));
    bench.on(Input::Finished(calls[1]));
    assert_eq!(
        bench.on(Input::Finished(calls[2])),
        [Action::Abort(worker, RetireReason::Stuck)]
    );
}

#[test]
fn calls_bound_to_it_go_elsewhere() {
    let mut bench = Bench::ready(2, 2);
    let session = Some(("s", Affinity::StrictQueue));
    let (first, _) = bench.arrive_with(Priority::Normal, session);
    let (second, _) = bench.arrive_with(Priority::Normal, session);
    let home = bench.worker_of(first).unwrap();
    let (waiting, actions) = bench.arrive_with(Priority::Normal, session);
    assert_eq!(actions, []);
    bench.on(Input::Abandoned(first));
    let actions = bench.on(Input::Quiesced(first, Quiesced::Stuck));
    assert_eq!(granted(&actions), [waiting]);
    assert_ne!(bench.worker_of(waiting), Some(home));
    assert_eq!(bench.worker_of(second), Some(home), "it goes on");
}

#[test]
fn closing_kills_it() {
    let (mut bench, worker, calls) = busy();
    bench.on(Input::Quiesced(calls[0], Quiesced::Stuck));
    let actions = bench.on(Input::Close);
    assert_eq!(
        about(&actions, worker),
        [Action::Abort(worker, RetireReason::Shutdown)]
    );
}

fn telling(after: Duration) -> Bench {
    let mut bench = Bench::with(PoolSettings {
        size: 2,
        slow_call_after: Some(after),
        ..PoolSettings::default()
    });
    bench.finish_launches(1);
    bench
}

#[test]
fn a_slow_call_is_told_once_and_goes_on() {
    let after = Duration::from_secs(1);
    let mut bench = telling(after);
    let (call, _) = bench.arrive();
    let (worker, lane) = bench.sched.place(call).unwrap();
    let running = after;
    assert_eq!(
        bench.wake(),
        [Action::Slow {
            call,
            worker,
            lane,
            running
        }]
    );
    assert_eq!(bench.sched.wake_at(), None, "nothing else can be slow");
    assert_eq!(bench.pass(after * 10), []);
    assert_eq!(bench.on(Input::Finished(call)), []);
}

#[test]
fn every_slow_call_is_told_in_time() {
    let after = Duration::from_secs(1);
    let mut bench = telling(after);
    bench.arrive();
    bench.pass(after / 100);
    let (second, _) = bench.arrive();
    let told = bench.pass(after + after / 16);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(matches!(told[1], Action::Slow { call, .. } if call == second));
}

#[test]
fn an_abandoned_call_is_not_slow() {
    let after = Duration::from_secs(1);
    let mut bench = telling(after);
    let (call, _) = bench.arrive();
    bench.on(Input::Abandoned(call));
    assert_eq!(bench.pass(after * 2), []);
}
