//! What of the engine only shows from within.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::control::Control;
use super::lease::Lease;
use super::member::Member;
use super::shared::{Answer, Shared};
use super::{DrainReport, Pool};
use crate::command::Command;
use crate::error::{CallError, LaunchError, LaunchErrorKind, Rejection, Stage};
use crate::event::{Event, EventKind};
use crate::ids::WorkerId;
use crate::recycle::{RecyclePolicy, Verdict, WorkerView};
use crate::sched::{Arrival, Priority, Refusal, WorkerState};
use crate::session::SESSION_CLOSED;
use crate::testing::FakeProfile;
use crate::worker::Hello;

#[derive(Debug)]
struct Keep;

impl RecyclePolicy for Keep {
    fn name(&self) -> &'static str {
        "keep"
    }

    fn assess(&self, _worker: &WorkerView, _now: Instant) -> Verdict {
        Verdict::Keep
    }
}

async fn started(profile: &FakeProfile, size: usize) -> Pool {
    let pool = Pool::builder("p", Arc::new(profile.clone()));
    let pool = pool.size(size).policy(Keep).start().await;
    pool.expect("it starts")
}

async fn until(shared: &Shared, condition: impl Fn(&super::shared::State) -> bool) {
    let met = async {
        while !condition(&shared.state.lock()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let met = tokio::time::timeout(Duration::from_secs(30), met);
    met.await.expect("it comes true");
}

#[tokio::test]
async fn a_worker_that_stops_is_not_asked_about_again_and_again() {
    let pool = started(&FakeProfile::new(), 2).await;
    let shared = &pool.shared;
    pool.resize(1).expect("it may shrink");
    // Nobody has had a turn since, so the worker has not gone yet.
    let stopping = {
        let mut state = shared.state.lock();
        let mut all = state.sched.workers();
        let stopping = all.find(|status| status.state == WorkerState::Stopping);
        let stopping = stopping.expect("one stops").worker;
        drop(all);
        let record = state.record(stopping).expect("it is a member");
        record.check_at = Some(Instant::now());
        stopping
    };
    shared.assess_due();
    let check_at = shared
        .state
        .lock()
        .record(stopping)
        .map(|record| record.check_at);
    assert_eq!(check_at, Some(None));
}

#[tokio::test]
async fn a_wanted_exit_is_not_the_last_loss() {
    let profile = FakeProfile::new();
    let pool = started(&profile, 1).await;
    let shared = &pool.shared;
    profile.workers()[0].crash();
    until(shared, |state| {
        state.last_exit.is_some() && state.sched.ready() == 1
    })
    .await;
    let crash = shared.state.lock().last_exit.clone().expect("a crash");
    let second = WorkerId::new(2);
    pool.recycle(second).expect("it serves");
    until(shared, |state| {
        state.sched.ready() == 1 && !state.tasks.contains_key(&second)
    })
    .await;
    let last = shared.state.lock().last_exit.clone().expect("a crash");
    assert!(Arc::ptr_eq(&crash, &last), "{last:?}");
}

#[tokio::test]
async fn an_open_pool_never_says_that_it_is_closed() {
    let pool = started(&FakeProfile::new(), 1).await;
    let refused = |why| pool.shared.refused("f", why, None);
    let error = refused(Refusal::Unavailable);
    assert!(
        matches!(
            error,
            CallError::TimedOut {
                stage: Stage::Queue,
                ..
            }
        ),
        "{error}"
    );
    // What failed once and was mended is not why a call waits now.
    let message = "long ago".to_owned();
    let old = LaunchError::new(LaunchErrorKind::Other {
        message,
        permanent: false,
    });
    pool.shared.state.lock().last_failure = Some(Arc::new(old));
    let error = refused(Refusal::Unavailable);
    assert!(matches!(error, CallError::TimedOut { .. }), "{error}");
    let error = refused(Refusal::BreakerOpen);
    let CallError::Rejected { reason, .. } = &error else {
        panic!("{error}");
    };
    assert!(matches!(reason, Rejection::BreakerOpen { .. }), "{error}");
}

#[tokio::test]
async fn a_launch_that_was_broken_off_does_not_fail_as_well() {
    let failures = Arc::new(Mutex::new(0));
    let sink = {
        let failures = Arc::clone(&failures);
        move |event: &Event| {
            if let EventKind::LaunchFailed { .. } = event.kind {
                *failures.lock() += 1;
            }
        }
    };
    let pool = Pool::builder("p", Arc::new(FakeProfile::new()))
        .size(1)
        .event_sink(Arc::new(sink))
        .start()
        .await
        .expect("it starts");
    let error = LaunchError::new(LaunchErrorKind::Interpreter("none".into()));
    super::maintain::report_failure(&pool.shared, WorkerId::new(77), error);
    assert_eq!(*failures.lock(), 0);
    let state = pool.shared.state.lock();
    assert_eq!((state.failures, state.failing.total()), (0, 0));
    assert!(state.last_failure.is_none());
}

#[tokio::test]
async fn nothing_is_learnt_from_a_worker_that_is_not_wanted() {
    let profile = FakeProfile::new();
    let pool = started(&profile, 1).await;
    let mut command = Command::new("echo");
    command.timeout = Some(Duration::from_secs(7));
    let mut hello = Hello::new(1);
    hello.commands = vec![command].into();
    let worker = profile.workers()[0].clone();
    let member = Arc::new(Member::new(WorkerId::new(77), worker, Arc::new(hello)));
    let shared = &pool.shared;
    let wanted = super::maintain::introduce(shared, &member, None, Duration::ZERO);
    assert!(!wanted);
    assert_eq!(shared.defaults.timeout("echo"), None);
}

/// Asks for a lane: of any worker, or as the pool does for a call of its own.
fn ask(
    shared: &Arc<Shared>,
    only_on: Option<WorkerId>,
) -> Result<Answer, oneshot::Receiver<Answer>> {
    let call = shared.next_call();
    let deadline = Instant::now() + Duration::from_secs(30);
    let arrival = Arrival {
        call,
        priority: Priority::Normal,
        session: None,
        only_on,
        give_up_at: deadline,
        deadline,
    };
    let command = only_on.map_or("echo", |_| SESSION_CLOSED);
    shared.admit(arrival, Arc::new(Control::new(command.into())))
}

#[tokio::test]
async fn calls_of_the_pools_own_are_in_no_report() {
    for grace in [None, Some(Duration::ZERO)] {
        let pool = started(&FakeProfile::new(), 1).await;
        let worker = pool.snapshot().workers[0].worker;
        let running = ask(&pool.shared, Some(worker));
        let waiting = ask(&pool.shared, Some(worker));
        assert!(running.is_ok() && waiting.is_err());
        assert_eq!(pool.snapshot().queued, 0);
        let report = async {
            match grace {
                Some(grace) => pool.drain(grace).await,
                None => pool.shutdown().await,
            }
        };
        let (report, ()) = tokio::join!(report, async { drop(running) });
        assert_eq!(report, DrainReport::default());
    }
}

/// A lane of a pool that has a free one.
fn lease(shared: &Arc<Shared>) -> Lease {
    match ask(shared, None) {
        Ok(Ok(lease)) => lease,
        _ => panic!("no lane is free"),
    }
}

#[tokio::test]
async fn a_lease_that_was_not_used_or_whose_worker_is_condemned_is_no_finished_call() {
    let pool = started(&FakeProfile::new(), 1).await;
    let shared = &pool.shared;
    let worker = WorkerId::new(1);
    let look = || {
        let state = shared.state.lock();
        let status = state.sched.worker(worker).expect("it is there");
        (status.served, state.sched.running())
    };
    drop(lease(shared));
    assert_eq!(look(), (0, 0));
    let error = CallError::Protocol {
        worker: "p/1".into(),
        detail: "nonsense".into(),
    };
    lease(shared).fail(error);
    assert_eq!(look(), (0, 0));
}

#[tokio::test]
async fn neither_retries_nor_refused_calls_pay_for_retries() {
    let profile = FakeProfile::new();
    let pool = started(&profile, 1).await;
    let shared = &pool.shared;
    while shared.state.lock().retries.spend() {}
    let echo = async || assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    let die = async || {
        let die = pool.request("die", ()).idempotent(true).call::<()>().await;
        die.expect_err("it dies").code()
    };
    for _ in 0..4 {
        echo().await;
    }
    assert_eq!(die().await, "call.poisoned", "five calls pay for a retry");
    for _ in 0..3 {
        echo().await;
    }
    assert_eq!(die().await, "call.worker_lost", "four do not");

    let running = tokio::spawn(pool.request("sleep", 600.0).call::<()>());
    until(shared, |state| state.sched.running() == 1).await;
    for _ in 0..5 {
        let refused = pool.request("echo", 1).queue_timeout(Duration::ZERO);
        let refused = refused.call::<u8>().await.expect_err("no lane is free");
        assert_eq!(refused.code(), "call.queue_timeout");
    }
    let mut state = shared.state.lock();
    assert!(state.retries.spend(), "the fifth granted call pays");
    assert!(!state.retries.spend());
    drop(state);
    running.abort();
}
