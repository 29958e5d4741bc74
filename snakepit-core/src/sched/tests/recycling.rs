//! Replacement and release: make before break, sessions first, never below what is wanted.

use bytes::Bytes;

use super::*;
use crate::session::Origin;

const STRICT: Affinity = Affinity::StrictQueue;

fn ttl() -> RetireReason {
    RetireReason::Policy("ttl".into())
}

fn ready_with(settings: PoolSettings) -> Bench {
    let mut bench = Bench::with(settings);
    bench.finish_launches(1);
    bench
}

fn elastic(size: usize, max: usize) -> PoolSettings {
    PoolSettings {
        size,
        max_size: Some(max),
        ..PoolSettings::default()
    }
}

#[test]
fn becoming_due_is_told_once() {
    let mut bench = Bench::ready(2, 1);
    let worker = bench.with_state(WorkerState::Ready)[0];
    let actions = bench.on(Input::Retire(worker, ttl()));
    assert_eq!(about(&actions, worker), [Action::Due(worker, ttl())]);
    assert_eq!(bench.on(Input::Retire(worker, RetireReason::Recycle)), []);
    let actions = bench.finish_launches(1);
    assert_eq!(
        about(&actions, worker),
        [Action::Draining(worker, ttl()), Action::Stop(worker, ttl())],
        "the reason is the first one, to the end"
    );
}

#[test]
fn as_many_are_replaced_at_once_as_is_set() {
    let mut bench = ready_with(PoolSettings {
        size: 8,
        max_concurrent_recycles: Some(3),
        ..PoolSettings::default()
    });
    for worker in bench.with_state(WorkerState::Ready) {
        bench.on(Input::Retire(worker, ttl()));
    }
    assert_eq!(bench.with_state(WorkerState::Launching).len(), 3);
}

#[test]
fn the_one_that_has_been_due_for_longest_goes_first() {
    let mut bench = Bench::ready(4, 1);
    let workers = bench.with_state(WorkerState::Ready);
    bench.on(Input::Retire(workers[2], ttl()));
    bench.on(Input::Retire(workers[0], ttl()));
    bench.finish_launches(1);
    assert_eq!(bench.state(workers[2]), Some(WorkerState::Stopping));
    assert_eq!(bench.state(workers[0]), Some(WorkerState::Due));
}

#[test]
fn a_worker_that_sessions_insist_on_serves_them_until_they_are_idle() {
    let mut bench = Bench::ready(1, 1);
    let old = bench.with_state(WorkerState::Ready)[0];
    let drain = PoolSettings::default().session_drain;
    let session = Some(("s", STRICT));
    let (first, _) = bench.arrive_with(Priority::Normal, session);
    bench.on(Input::Finished(first));
    bench.on(Input::Retire(old, ttl()));
    bench.finish_launches(1);
    assert_eq!(bench.state(old), Some(WorkerState::Due), "it is held");
    assert_eq!(bench.sched.ready(), 2, "and nobody else is ended for that");
    let (again, _) = bench.arrive_with(Priority::Normal, session);
    assert_eq!(bench.worker_of(again), Some(old));
    bench.on(Input::Finished(again));
    let (other, _) = bench.arrive_with(Priority::Normal, Some(("t", STRICT)));
    assert_ne!(bench.worker_of(other), Some(old), "no new sessions");
    bench.on(Input::Finished(other));
    bench.pass(drain);
    assert_eq!(bench.state(old), Some(WorkerState::Stopping));
    assert_eq!(bench.sched.ready(), 1);
}

#[test]
fn a_worker_is_not_held_for_a_session_that_its_first_call_saved() {
    let mut bench = Bench::ready(1, 1);
    let old = bench.with_state(WorkerState::Ready)[0];
    let (first, _) = bench.arrive_with(Priority::Normal, Some(("s", STRICT)));
    let state = Some(Bytes::from_static(b"left"));
    let origin = Origin {
        worker: old,
        since: 0,
    };
    bench.sched.save_session(1, origin, 1, state);
    bench.on(Input::Finished(first));
    bench.on(Input::Retire(old, ttl()));
    bench.finish_launches(1);
    assert_eq!(bench.state(old), Some(WorkerState::Stopping));
}

#[test]
fn a_session_in_use_cannot_hold_its_worker_for_ever() {
    let mut bench = Bench::ready(1, 1);
    let old = bench.with_state(WorkerState::Ready)[0];
    let drain = PoolSettings::default().session_drain;
    bench.on(Input::Retire(old, ttl()));
    let use_session = |bench: &mut Bench| {
        let (call, _) = bench.arrive_with(Priority::Normal, Some(("s", STRICT)));
        let worker = bench.worker_of(call);
        bench.on(Input::Finished(call));
        worker
    };
    use_session(&mut bench);
    bench.finish_launches(1);
    for _ in 0..9 {
        bench.pass(drain / 10);
        assert_eq!(use_session(&mut bench), Some(old));
    }
    bench.pass(drain / 10);
    assert_eq!(bench.state(old), Some(WorkerState::Stopping));
    assert_ne!(use_session(&mut bench), Some(old), "it has moved");
}

/// A pool of one worker whose only lane runs a call of session `s`, with another one of that session to come.
fn insisted_on(settings: PoolSettings) -> (Bench, WorkerId) {
    let mut bench = ready_with(settings);
    let old = bench.with_state(WorkerState::Ready)[0];
    bench.arrive_with(Priority::Normal, Some(("s", STRICT)));
    bench.on(Input::Retire(old, ttl()));
    (bench, old)
}

#[test]
fn a_call_that_waited_for_a_worker_that_leaves_takes_a_lane_of_the_one_that_came() {
    let (mut bench, old) = insisted_on(elastic(1, 1));
    bench.pass(PoolSettings::default().session_drain);
    let (waiting, _) = bench.arrive_with(Priority::Normal, Some(("s", STRICT)));
    let actions = bench.finish_launches(1);
    assert_eq!(bench.state(old), Some(WorkerState::Draining));
    assert_eq!(granted(&actions), [waiting]);
}

#[test]
fn so_does_one_that_waited_when_the_sessions_time_was_over() {
    let (mut bench, old) = insisted_on(elastic(1, 1));
    bench.finish_launches(1);
    bench.pass(
        PoolSettings::default()
            .session_drain
            .saturating_sub(Duration::from_secs(1)),
    );
    let (waiting, actions) = bench.arrive_with(Priority::Normal, Some(("s", STRICT)));
    assert_eq!(actions, [], "it waits beside a free lane");
    let actions = bench.pass(Duration::from_secs(1));
    assert_eq!(bench.state(old), Some(WorkerState::Draining));
    assert_eq!(granted(&actions), [waiting]);
}

#[test]
fn a_call_left_behind_by_its_worker_makes_the_pool_grow() {
    let (mut bench, old) = insisted_on(elastic(1, 2));
    bench.finish_launches(1);
    bench.pass(
        PoolSettings::default()
            .session_drain
            .saturating_sub(Duration::from_secs(1)),
    );
    bench.arrive_with(Priority::Normal, Some(("s", STRICT)));
    assert_eq!(granted(&bench.arrive().1).len(), 1, "the other lane");
    assert_eq!(bench.sched.target(), 1);
    bench.pass(Duration::from_secs(1) + PoolSettings::default().scale_up_after);
    assert_eq!(bench.state(old), Some(WorkerState::Draining));
    assert_eq!(bench.sched.target(), 2);
}

#[test]
fn workers_without_sessions_are_replaced_first() {
    let mut bench = Bench::ready(4, 1);
    let (call, _) = bench.arrive_with(Priority::Normal, Some(("s", STRICT)));
    let insisted_on = bench.worker_of(call).unwrap();
    bench.on(Input::Finished(call));
    let other = bench
        .with_state(WorkerState::Ready)
        .into_iter()
        .find(|worker| *worker != insisted_on)
        .unwrap();
    bench.on(Input::Retire(insisted_on, ttl()));
    bench.on(Input::Retire(other, ttl()));
    bench.finish_launches(1);
    assert_eq!(bench.state(other), Some(WorkerState::Stopping));
    assert_eq!(bench.state(insisted_on), Some(WorkerState::Due));
}

#[test]
fn reloading_replaces_everything_and_begins_launches_anew() {
    let mut bench = Bench::new(4, 100);
    let launching = bench.with_state(WorkerState::Launching);
    for worker in &launching[..3] {
        bench.on(Input::Launched {
            worker: *worker,
            lanes: 1,
        });
    }
    bench.on(Input::Retire(launching[0], ttl()));
    let actions = bench.on(Input::Reload);
    let under_way: Vec<_> = bench.with_state(WorkerState::Launching);
    assert!(under_way.iter().all(|worker| !launching.contains(worker)));
    assert!(actions.contains(&Action::Abort(launching[3], RetireReason::Reload)));
    assert!(actions.contains(&Action::Due(launching[1], RetireReason::Reload)));
    assert_eq!(bench.state(launching[0]), Some(WorkerState::Due));
    let late = Input::Launched {
        worker: launching[3],
        lanes: 1,
    };
    assert_eq!(bench.on(late), [], "of the old generation");
    for _ in 0..10 {
        bench.finish_launches(1);
        assert!(bench.sched.ready() >= 3);
    }
    let serving = bench.with_state(WorkerState::Ready);
    assert_eq!(serving.len(), 4);
    assert!(serving.iter().all(|worker| !launching.contains(worker)));
}

#[test]
fn a_reload_that_cannot_launch_leaves_the_old_workers_and_another_one_works() {
    let mut bench = Bench::ready(2, 1);
    let old = bench.with_state(WorkerState::Ready);
    bench.on(Input::Reload);
    let worker = bench.with_state(WorkerState::Launching)[0];
    let permanent = true;
    bench.on(Input::LaunchFailed { worker, permanent });
    assert!(bench.sched.gave_up());
    assert_eq!(bench.sched.ready(), 2);
    let (call, actions) = bench.arrive();
    assert_eq!(granted(&actions), [call]);
    bench.on(Input::Finished(call));
    bench.on(Input::Reload);
    for _ in 0..10 {
        bench.finish_launches(1);
    }
    assert!(
        old.iter()
            .all(|worker| bench.state(*worker) == Some(WorkerState::Stopping))
    );
    assert_eq!(bench.with_state(WorkerState::Ready).len(), 2);
}

#[test]
fn an_idle_worker_is_released_once_in_a_cooldown_and_not_below_the_fewest() {
    let mut bench = ready_with(elastic(1, 4));
    bench.on(Input::Resize { min: 4, max: 4 });
    bench.finish_launches(1);
    bench.on(Input::Resize { min: 2, max: 4 });
    let cooldown = PoolSettings::default().scale_cooldown;
    let workers = bench.with_state(WorkerState::Ready);
    assert_eq!(
        bench.on(Input::Release(workers[0])),
        [],
        "it has just grown"
    );
    bench.pass(cooldown);
    assert_eq!(
        bench.on(Input::Release(workers[0])),
        [
            Action::Resized { from: 4, to: 3 },
            Action::Draining(workers[0], RetireReason::Idle),
            Action::Stop(workers[0], RetireReason::Idle),
        ]
    );
    assert_eq!(bench.on(Input::Release(workers[1])), [], "too soon");
    bench.pass(cooldown);
    assert_ne!(bench.on(Input::Release(workers[1])), []);
    bench.pass(cooldown);
    assert_eq!(bench.on(Input::Release(workers[2])), [], "the fewest");
}

#[test]
fn a_worker_in_use_is_not_released() {
    let mut bench = ready_with(elastic(2, 4));
    bench.on(Input::Resize { min: 1, max: 4 });
    let (call, _) = bench.arrive();
    let busy = bench.worker_of(call).unwrap();
    assert_eq!(bench.on(Input::Release(busy)), []);
}

#[test]
fn the_last_worker_is_not_released_while_another_is_being_launched() {
    let mut bench = Bench::with(elastic(2, 4));
    let worker = bench.with_state(WorkerState::Launching)[0];
    bench.on(Input::Launched { worker, lanes: 1 });
    bench.on(Input::Resize { min: 1, max: 4 });
    assert_eq!(bench.on(Input::Release(worker)), []);
}

#[test]
fn new_bounds_move_the_size_between_them() {
    let mut bench = ready_with(elastic(2, 2));
    let actions = bench.on(Input::Resize { min: 3, max: 5 });
    assert_eq!(actions[0], Action::Resized { from: 2, to: 3 });
    assert_eq!(launches(&actions), 1);
    bench.finish_launches(1);
    assert_eq!(bench.on(Input::Resize { min: 1, max: 5 }), []);
    let actions = bench.on(Input::Resize { min: 1, max: 2 });
    assert_eq!(actions[0], Action::Resized { from: 3, to: 2 });
    assert_eq!(bench.sched.bounds(), (1, 2));
}
