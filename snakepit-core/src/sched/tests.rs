//! What the scheduler promises, one behaviour a test.

use std::time::{Duration, Instant};

use super::*;

/// A scheduler, a clock and the actions of the last input.
pub(super) struct Bench {
    pub(super) sched: Scheduler,
    pub(super) now: Instant,
    pub(super) out: Vec<Action>,
    next_call: u64,
}

impl Bench {
    pub(super) fn new(target: usize, queue_size: usize) -> Self {
        Self::with(PoolSettings {
            size: target,
            queue_size,
            ..PoolSettings::default()
        })
    }

    pub(super) fn with(settings: PoolSettings) -> Self {
        let config = SchedulerConfig {
            settings,
            session_ttl: Duration::from_secs(60),
            seed: 1,
        };
        let mut bench = Self {
            sched: Scheduler::new(&config),
            now: Instant::now(),
            out: Vec::new(),
            next_call: 1,
        };
        bench.on(Input::Tick);
        bench
    }

    /// With all workers ready.
    fn ready(target: usize, lanes: u16) -> Self {
        let mut bench = Self::new(target, 100);
        bench.finish_launches(lanes);
        bench
    }

    pub(super) fn on(&mut self, input: Input) -> Vec<Action> {
        self.out.clear();
        self.sched.on(input, self.now, &mut self.out);
        self.out.clone()
    }

    fn finish_launches(&mut self, lanes: u16) -> Vec<Action> {
        let launching: Vec<_> = self.with_state(WorkerState::Launching);
        launching
            .into_iter()
            .flat_map(|worker| self.on(Input::Launched { worker, lanes }))
            .collect()
    }

    fn with_state(&self, state: WorkerState) -> Vec<WorkerId> {
        self.sched
            .workers()
            .filter(|status| status.state == state)
            .map(|status| status.worker)
            .collect()
    }

    fn arrive(&mut self) -> (CallId, Vec<Action>) {
        self.arrive_with(Priority::Normal, None)
    }

    pub(super) fn arrive_with(
        &mut self,
        priority: Priority,
        session: Option<(&str, Affinity)>,
    ) -> (CallId, Vec<Action>) {
        let call = CallId::new(self.next_call);
        self.next_call += 1;
        let session = session.map(|(name, affinity)| (SessionId::new(name), affinity));
        let give_up_at = self.now + Duration::from_secs(5);
        (
            call,
            self.on(Input::Arrived(Arrival {
                call,
                priority,
                session,
                give_up_at,
            })),
        )
    }

    fn worker_of(&self, call: CallId) -> Option<WorkerId> {
        self.sched.place(call).map(|(worker, _)| worker)
    }
}

fn granted(actions: &[Action]) -> Vec<CallId> {
    let calls = actions.iter().filter_map(|action| match action {
        Action::Grant { call, .. } => Some(*call),
        _ => None,
    });
    calls.collect()
}

fn refused(actions: &[Action]) -> Vec<Refusal> {
    let refusals = actions.iter().filter_map(|action| match action {
        Action::Reject { why, .. } => Some(*why),
        _ => None,
    });
    refusals.collect()
}

fn launches(actions: &[Action]) -> usize {
    actions
        .iter()
        .filter(|action| matches!(action, Action::Launch(_)))
        .count()
}

#[test]
fn launches_as_many_workers_as_wanted() {
    let bench = Bench::new(3, 10);
    assert_eq!(launches(&bench.out), 3);
}

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
fn a_strict_session_moves_when_its_worker_dies() {
    let mut bench = Bench::ready(2, 1);
    let (first, _) = bench.arrive_with(Priority::Normal, Some(("s", Affinity::StrictQueue)));
    let home = bench.worker_of(first).unwrap();
    let (second, _) = bench.arrive_with(Priority::Normal, Some(("s", Affinity::StrictQueue)));
    assert_eq!(granted(&bench.on(Input::Exited(home))), [second]);
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
