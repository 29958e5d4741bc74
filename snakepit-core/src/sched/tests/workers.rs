//! What becomes of workers that start, die or are in excess, one behaviour a test.

use super::*;

#[test]
fn launches_as_many_workers_as_wanted() {
    let bench = Bench::new(3, 10);
    assert_eq!(launches(&bench.out), 3);
}

#[test]
fn a_stuck_worker_is_killed_and_replaced_at_once() {
    let mut bench = Bench::ready(1, 1);
    let (call, _) = bench.arrive();
    let worker = bench.worker_of(call).unwrap();
    bench.on(Input::Abandoned(call));
    let actions = bench.on(Input::Quiesced(call, Quiesced::Stuck));
    assert!(
        actions.contains(&Action::Abort(worker, RetireReason::Stuck)),
        "{actions:?}"
    );
    assert_eq!(launches(&actions), 1);
    assert_eq!(
        launches(&bench.on(Input::Exited(worker))),
        0,
        "already replaced"
    );
}

#[test]
fn a_dead_worker_is_replaced_and_its_calls_forgotten() {
    let mut bench = Bench::ready(2, 1);
    let (call, _) = bench.arrive();
    let worker = bench.worker_of(call).unwrap();
    assert_eq!(launches(&bench.on(Input::Exited(worker))), 1);
    assert_eq!(bench.sched.running(), 0);
    assert_eq!(
        bench.on(Input::Finished(call)),
        [],
        "the late report of its caller changes nothing"
    );
}

#[test]
fn failed_launches_back_off() {
    let mut bench = Bench::new(1, 10);
    let worker = bench.with_state(WorkerState::Launching)[0];
    let actions = bench.on(Input::LaunchFailed {
        worker,
        permanent: false,
    });
    assert_eq!(launches(&actions), 0);
    let at = bench.sched.wake_at().expect("a retry is planned");
    bench.now = at;
    assert_eq!(launches(&bench.on(Input::Tick)), 1);
}

#[test]
fn a_permanent_failure_ends_launching_and_rejects_what_waits() {
    let mut bench = Bench::new(1, 10);
    bench.arrive();
    let worker = bench.with_state(WorkerState::Launching)[0];
    let actions = bench.on(Input::LaunchFailed {
        worker,
        permanent: true,
    });
    assert_eq!(refused(&actions), [Refusal::Unavailable]);
    assert_eq!(refused(&bench.arrive().1), [Refusal::Unavailable]);
    bench.now += Duration::from_secs(3600);
    assert_eq!(bench.on(Input::Tick), []);
    assert_eq!(
        launches(&bench.on(Input::Resize { min: 1, max: 1 })),
        1,
        "resizing tries again"
    );
}

/// The launch under way fails, but trying again may help.
fn fail_launch(bench: &mut Bench) -> Vec<Action> {
    let worker = bench.with_state(WorkerState::Launching)[0];
    let permanent = false;
    bench.on(Input::LaunchFailed { worker, permanent })
}

/// One of two workers dies; its replacement is being launched.
fn survivor() -> Bench {
    let mut bench = Bench::ready(2, 1);
    let worker = bench.with_state(WorkerState::Ready)[0];
    assert_eq!(launches(&bench.on(Input::Exited(worker))), 1);
    bench
}

#[test]
fn failed_launches_back_off_while_an_older_worker_serves() {
    let mut bench = survivor();
    let mut delays = Vec::new();
    for _ in 0..5 {
        fail_launch(&mut bench);
        let (call, _) = bench.arrive();
        let actions = bench.on(Input::Finished(call));
        assert_eq!(launches(&actions), 0, "that call proves nothing");
        let failed_at = bench.now;
        assert_eq!(launches(&bench.wake()), 1);
        delays.push(bench.now - failed_at);
    }
    let grow = delays.windows(2).all(|pair| pair[0] < pair[1]);
    assert!(grow, "{delays:?}");
}

#[test]
fn young_deaths_back_off_while_an_older_worker_serves() {
    let mut bench = survivor();
    let (call, _) = bench.arrive();
    bench.on(Input::Finished(call));
    let young = bench.with_state(WorkerState::Launching)[0];
    bench.finish_launches(1);
    assert_eq!(launches(&bench.on(Input::Exited(young))), 0);
}

#[test]
fn a_call_of_a_worker_launched_since_ends_the_back_off() {
    let mut bench = survivor();
    fail_launch(&mut bench);
    bench.wake();
    bench.finish_launches(1);
    assert_eq!(bench.sched.launch_failures(), 1);
    for call in [bench.arrive().0, bench.arrive().0] {
        bench.on(Input::Finished(call));
    }
    assert_eq!(bench.sched.launch_failures(), 0);
}

#[test]
fn a_call_that_waits_in_vain_is_told_of_launches_that_failed() {
    let mut bench = Bench::new(1, 10);
    fail_launch(&mut bench);
    bench.arrive();
    let told = refused(&bench.pass(Duration::from_secs(5)));
    assert_eq!(told, [Refusal::Unavailable]);
}

#[test]
fn a_call_that_waits_in_vain_after_an_early_death_has_timed_out() {
    let mut bench = Bench::ready(1, 1);
    let worker = bench.with_state(WorkerState::Ready)[0];
    bench.on(Input::Exited(worker));
    bench.arrive();
    let told = refused(&bench.pass(Duration::from_secs(5)));
    assert_eq!(told, [Refusal::QueueTimeout], "there is no cause to tell");
}

#[test]
fn a_worker_that_dies_while_launching_does_not_spin() {
    let mut bench = Bench::new(1, 10);
    let worker = bench.with_state(WorkerState::Launching)[0];
    assert_eq!(launches(&bench.on(Input::Exited(worker))), 0);
    assert!(bench.sched.wake_at().is_some());
}

#[test]
fn a_retiring_worker_serves_until_its_replacement_is_ready() {
    let mut bench = Bench::ready(1, 1);
    let old = bench.with_state(WorkerState::Ready)[0];
    let why = RetireReason::Policy("ttl".into());
    let actions = bench.on(Input::Retire(old, why.clone()));
    assert_eq!(launches(&actions), 1);
    let (call, actions) = bench.arrive();
    assert_eq!(granted(&actions), [call], "the old worker still serves");
    let actions = bench.finish_launches(1);
    assert_eq!(
        actions,
        [Action::Draining(old, why)],
        "busy: it drains, and is not stopped yet"
    );
    assert_eq!(
        bench.on(Input::Finished(call)),
        [Action::Stop(old, RetireReason::Policy("ttl".into()))]
    );
    assert_eq!(launches(&bench.on(Input::Exited(old))), 0);
    assert_eq!(bench.sched.ready(), 1);
}

#[test]
fn not_all_workers_are_replaced_at_once() {
    let mut bench = Bench::ready(8, 1);
    let workers = bench.with_state(WorkerState::Ready);
    let launched: usize = workers
        .into_iter()
        .map(|worker| {
            launches(&bench.on(Input::Retire(worker, RetireReason::Policy("ttl".into()))))
        })
        .sum();
    assert_eq!(launched, 2, "a quarter of the pool");
}

#[test]
fn shrinking_stops_idle_workers_and_breaks_off_launches() {
    let mut bench = Bench::new(3, 10);
    let actions = bench.on(Input::Resize { min: 1, max: 1 });
    assert_eq!(
        actions
            .iter()
            .filter(|action| matches!(action, Action::Abort(..)))
            .count(),
        2
    );
    bench.finish_launches(1);
    let (call, _) = bench.arrive();
    bench.on(Input::Resize { min: 2, max: 2 });
    bench.finish_launches(1);
    let busy = bench.worker_of(call).unwrap();
    let actions = bench.on(Input::Resize { min: 1, max: 1 });
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Stop(worker, _) if *worker != busy)),
        "{actions:?}"
    );
}

#[test]
fn closing_rejects_what_waits_stops_the_idle_and_kills_the_busy() {
    let mut bench = Bench::ready(2, 1);
    let (call, _) = bench.arrive_with(Priority::Normal, Some(("s", Affinity::StrictQueue)));
    bench.arrive_with(Priority::Normal, Some(("s", Affinity::StrictQueue)));
    let busy = bench.worker_of(call).unwrap();
    let actions = bench.on(Input::Close);
    assert_eq!(refused(&actions), [Refusal::Closed]);
    assert!(
        actions.contains(&Action::Abort(busy, RetireReason::Shutdown)),
        "{actions:?}"
    );
    assert_eq!(
        actions
            .iter()
            .filter(|action| matches!(action, Action::Stop(..)))
            .count(),
        1
    );
    assert_eq!(launches(&bench.on(Input::Exited(busy))), 0);
    assert_eq!(refused(&bench.arrive().1), [Refusal::Closed]);
}

#[test]
fn launches_that_fail_together_are_one_failure() {
    let mut bench = Bench::new(8, 10);
    let permanent = false;
    for worker in bench.with_state(WorkerState::Launching) {
        bench.on(Input::LaunchFailed { worker, permanent });
    }
    let delay = bench.sched.next_launch().unwrap() - bench.now;
    assert!(delay <= Duration::from_millis(120), "{delay:?}");
    assert_eq!(bench.sched.launch_failures(), 1);
    assert_eq!(launches(&bench.wake()), 8);
    for worker in bench.with_state(WorkerState::Launching) {
        bench.on(Input::LaunchFailed { worker, permanent });
    }
    let longer = bench.sched.next_launch().unwrap() - bench.now;
    assert!(longer > delay && longer <= 2 * Duration::from_millis(120));
    assert_eq!(bench.sched.launch_failures(), 2);
}

#[test]
fn a_launch_that_fails_late_is_no_new_failure_but_is_not_repeated_at_once() {
    let mut bench = Bench::new(2, 10);
    let permanent = false;
    let both = bench.with_state(WorkerState::Launching);
    let fail = |bench: &mut Bench, worker| bench.on(Input::LaunchFailed { worker, permanent });
    fail(&mut bench, both[1]);
    assert_eq!(launches(&bench.wake()), 1);
    assert_eq!(launches(&fail(&mut bench, both[0])), 0);
    assert_eq!(bench.sched.launch_failures(), 1);
    assert_eq!(launches(&bench.wake()), 1);
}

#[test]
fn workers_that_die_young_together_are_one_accident() {
    let mut bench = Bench::ready(8, 1);
    for worker in bench.with_state(WorkerState::Ready) {
        assert_eq!(launches(&bench.on(Input::Exited(worker))), 1);
    }
    bench.finish_launches(1);
    for worker in bench.with_state(WorkerState::Ready) {
        assert_eq!(launches(&bench.on(Input::Exited(worker))), 0);
    }
    let delay = bench.sched.next_launch().unwrap() - bench.now;
    assert!(delay <= 2 * Duration::from_millis(120), "{delay:?}");
}

#[test]
fn a_lane_that_comes_back_unused_does_not_end_the_back_off() {
    let mut bench = Bench::new(2, 10);
    let worker = bench.with_state(WorkerState::Launching)[0];
    let permanent = false;
    bench.on(Input::LaunchFailed { worker, permanent });
    bench.now += Duration::from_millis(1);
    bench.finish_launches(1);
    let (unused, _) = bench.arrive();
    assert_eq!(bench.on(Input::Returned(unused)), []);
    assert_eq!(bench.sched.launch_failures(), 1);
}
