//! What becomes of calls, one behaviour a test.

use super::*;

#[test]
fn calls_that_arrive_before_any_worker_wait_and_go_first_come_first_served() {
    let mut bench = Bench::new(1, 10);
    let calls: Vec<_> = (0..3).map(|_| bench.arrive().0).collect();
    assert_eq!(granted(&bench.finish_launches(1)), [calls[0]]);
    assert_eq!(granted(&bench.on(Input::Finished(calls[0]))), [calls[1]]);
    assert_eq!(granted(&bench.on(Input::Finished(calls[1]))), [calls[2]]);
}

#[test]
fn calls_spread_over_workers_before_they_share_one() {
    let mut bench = Bench::ready(3, 2);
    let calls: Vec<_> = (0..3).map(|_| bench.arrive().0).collect();
    let mut workers: Vec<_> = calls.iter().map(|call| bench.worker_of(*call)).collect();
    workers.sort();
    workers.dedup();
    assert_eq!(workers.len(), 3);
}

#[test]
fn an_idle_pool_reuses_its_warmest_worker() {
    let mut bench = Bench::ready(3, 1);
    let (first, _) = bench.arrive();
    let worker = bench.worker_of(first);
    bench.on(Input::Finished(first));
    let (second, _) = bench.arrive();
    assert_eq!(bench.worker_of(second), worker);
}

#[test]
fn higher_priority_goes_first() {
    let mut bench = Bench::ready(1, 1);
    let (running, _) = bench.arrive();
    let (low, _) = bench.arrive_with(Priority::Low, None);
    let (normal, _) = bench.arrive();
    let (high, _) = bench.arrive_with(Priority::High, None);
    assert_eq!(granted(&bench.on(Input::Finished(running))), [high]);
    assert_eq!(granted(&bench.on(Input::Finished(high))), [normal]);
    assert_eq!(granted(&bench.on(Input::Finished(normal))), [low]);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let mut bench = Bench::new(1, 2);
    bench.arrive();
    bench.arrive();
    assert_eq!(refused(&bench.arrive().1), [Refusal::QueueFull]);
}

#[test]
fn a_call_that_waited_too_long_is_refused_and_never_granted() {
    let mut bench = Bench::ready(1, 1);
    let (running, _) = bench.arrive();
    let (late, _) = bench.arrive();
    assert_eq!(
        bench.sched.wake_at(),
        Some(bench.now + Duration::from_secs(5))
    );
    bench.now += Duration::from_secs(5);
    let actions = bench.on(Input::Tick);
    assert_eq!(
        actions,
        [Action::Reject {
            call: late,
            why: Refusal::QueueTimeout
        }]
    );
    assert_eq!(granted(&bench.on(Input::Finished(running))), []);
}

#[test]
fn an_expired_call_is_not_started_even_if_the_tick_is_late() {
    let mut bench = Bench::ready(1, 1);
    let (running, _) = bench.arrive();
    bench.arrive();
    bench.now += Duration::from_secs(6);
    assert_eq!(
        refused(&bench.on(Input::Finished(running))),
        [Refusal::QueueTimeout]
    );
}

/// A call that never waits.
fn impatient(bench: &mut Bench, time_left: Duration) -> (CallId, Vec<Action>) {
    bench.arrive_in_haste(Priority::Normal, None, Duration::ZERO, time_left)
}

#[test]
fn a_call_that_never_waits_takes_a_free_lane_and_is_refused_without_one() {
    let mut bench = Bench::ready(1, 1);
    let time_left = Duration::from_secs(1);
    let (call, actions) = impatient(&mut bench, time_left);
    assert_eq!(granted(&actions), [call]);
    let (_, actions) = impatient(&mut bench, time_left);
    assert_eq!(refused(&actions), [Refusal::QueueTimeout]);
    assert_eq!(bench.sched.queued(), 0);
}

#[test]
fn a_call_whose_time_is_over_takes_no_lane() {
    let mut bench = Bench::ready(1, 1);
    let (_, actions) = impatient(&mut bench, Duration::ZERO);
    assert_eq!(refused(&actions), [Refusal::QueueTimeout]);
    assert_eq!(bench.sched.running(), 0);
}

#[test]
fn an_abandoned_call_keeps_its_lane_until_the_worker_lets_go() {
    let mut bench = Bench::ready(1, 1);
    let (call, _) = bench.arrive();
    let (next, _) = bench.arrive();
    let actions = bench.on(Input::Abandoned(call));
    assert!(
        matches!(actions[..], [Action::Cancel { call: cancelled, .. }] if cancelled == call),
        "{actions:?}"
    );
    assert_eq!(bench.on(Input::Abandoned(call)), [], "cancelled once only");
    assert_eq!(
        granted(&bench.on(Input::Quiesced(call, Quiesced::Clean))),
        [next]
    );
}

#[test]
fn a_thousand_abandoned_waiters_leave_nothing_behind() {
    let mut bench = Bench::new(1, 1000);
    for _ in 0..50 {
        let calls: Vec<_> = (0..1000).map(|_| bench.arrive().0).collect();
        for call in calls {
            assert_eq!(bench.on(Input::Withdrawn(call)), []);
        }
        assert_eq!(bench.sched.queued(), 0);
        assert!(
            bench.sched.queue.footprint() <= 2 * 1000 + 64,
            "{}",
            bench.sched.queue.footprint()
        );
    }
    assert_eq!(granted(&bench.finish_launches(1)), []);
}

#[test]
fn a_session_prefers_its_worker() {
    let mut bench = Bench::ready(3, 1);
    let hint = Some(("s", Affinity::Hint));
    let (first, _) = bench.arrive_with(Priority::Normal, hint);
    let home = bench.worker_of(first);
    bench.on(Input::Finished(first));
    let (other, _) = bench.arrive_with(Priority::Normal, Some(("t", Affinity::Hint)));
    assert_eq!(bench.worker_of(other), home, "the warmest worker");
    let (second, _) = bench.arrive_with(Priority::Normal, hint);
    assert_ne!(bench.worker_of(second), home, "busy, so elsewhere");
    bench.on(Input::Finished(other));
    bench.on(Input::Finished(second));
    let (third, _) = bench.arrive_with(Priority::Normal, hint);
    assert_eq!(bench.worker_of(third), home);
}

#[test]
fn a_strict_session_waits_for_its_worker_or_fails_fast() {
    let mut bench = Bench::ready(2, 1);
    let (first, _) = bench.arrive_with(Priority::Normal, Some(("s", Affinity::StrictQueue)));
    let home = bench.worker_of(first).unwrap();
    let (second, actions) = bench.arrive_with(Priority::Normal, Some(("s", Affinity::StrictQueue)));
    assert_eq!(actions, [], "it waits although another worker is free");
    let (_, actions) = bench.arrive_with(Priority::Normal, Some(("s", Affinity::StrictFailFast)));
    assert_eq!(refused(&actions), [Refusal::SessionBusy]);
    assert_eq!(granted(&bench.on(Input::Finished(first))), [second]);
    assert_eq!(bench.worker_of(second), Some(home));
}

#[test]
fn a_call_that_fails_fast_does_not_wait_for_the_worker_its_session_got_meanwhile() {
    let mut bench = Bench::new(2, 10);
    let session = Some(("s", Affinity::StrictFailFast));
    let (first, _) = bench.arrive_with(Priority::Normal, session);
    bench.arrive_with(Priority::Normal, session);
    let actions = bench.finish_launches(1);
    assert_eq!(granted(&actions), [first]);
    assert_eq!(refused(&actions), [Refusal::SessionBusy]);
    assert_eq!(bench.sched.queued(), 0);
}

#[test]
fn draining_finishes_what_waits_and_takes_nothing_new() {
    let mut bench = Bench::ready(1, 1);
    let (running, _) = bench.arrive();
    let (waiting, _) = bench.arrive();
    bench.on(Input::Drain);
    assert_eq!(refused(&bench.arrive().1), [Refusal::Draining]);
    assert_eq!(granted(&bench.on(Input::Finished(running))), [waiting]);
    bench.on(Input::Finished(waiting));
    assert!(bench.sched.is_idle());
}

#[test]
fn calls_of_the_pools_own_take_no_place_of_a_caller() {
    let mut bench = Bench::new(1, 1);
    bench.finish_launches(1);
    let (running, _) = bench.arrive();
    let worker = bench.worker_of(running).unwrap();
    let (first, _) = bench.errand(worker);
    let (second, _) = bench.errand(worker);
    assert_eq!(bench.sched.queued(), 0);
    let (waiting, actions) = bench.arrive();
    assert_eq!(refused(&actions), []);
    assert_eq!(bench.sched.queued(), 1);
    assert_eq!(refused(&bench.arrive().1), [Refusal::QueueFull]);
    for (over, next) in [(running, first), (first, second), (second, waiting)] {
        assert_eq!(granted(&bench.on(Input::Finished(over))), [next]);
    }
    assert_eq!(bench.sched.queued(), 0);
    bench.on(Input::Finished(waiting));
    assert!(bench.sched.is_idle());
}

#[test]
fn a_call_of_the_pools_own_keeps_no_idle_worker_in_a_pool_that_may_shrink() {
    let mut bench = Bench::with(PoolSettings {
        size: 1,
        max_size: Some(2),
        scale_up_after: Duration::from_millis(1),
        scale_cooldown: Duration::from_secs(1),
        ..PoolSettings::default()
    });
    bench.finish_launches(1);
    let (first, _) = bench.arrive();
    let (second, _) = bench.arrive();
    bench.pass(Duration::from_millis(2));
    bench.finish_launches(1);
    let (busy, idle) = (bench.worker_of(first), bench.worker_of(second));
    let (busy, idle) = (busy.unwrap(), idle.unwrap());
    bench.on(Input::Finished(second));
    bench.pass(Duration::from_secs(2));
    bench.errand(busy);
    bench.on(Input::Release(idle));
    assert_eq!(bench.state(idle), Some(WorkerState::Stopping));
}
