//! The pool engine over scripted workers: queueing, time limits, launching, death, replacement, shutdown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use snakepit_core::error::{Delivery, Retry};
use snakepit_core::event::{Event, EventKind};
use snakepit_core::testing::{FakeLaunch, FakeProfile};
use snakepit_core::{
    CallError, Pool, PoolBuilder, Recheck, RecyclePolicy, Snakepit, Value, Verdict, WorkerView,
};
use tokio::time::{sleep, timeout};

const FOR_EVER: f64 = 600.0;
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(60);

fn builder(profile: &FakeProfile) -> PoolBuilder {
    Pool::builder("p", Arc::new(profile.clone()))
        .size(1)
        .queue_timeout(LONG)
        .cancel_grace(SHORT)
}

async fn started(profile: &FakeProfile) -> Pool {
    builder(profile).start().await.expect("it starts")
}

/// A call that never ends by itself, running.
async fn sleeper(pool: &Pool) -> tokio::task::JoinHandle<Result<(), CallError>> {
    let before = pool.snapshot().running;
    let task = tokio::spawn(pool.request("sleep", FOR_EVER).call());
    until(|| pool.snapshot().running > before).await;
    task
}

async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LONG, met).await.expect("it comes true");
}

fn failed<T: std::fmt::Debug>(result: Result<T, CallError>, code: &str) -> CallError {
    let error = result.expect_err("a failure");
    assert_eq!(error.code(), code, "{error}");
    error
}

#[tokio::test]
async fn a_call_beyond_the_queue_is_rejected_and_never_runs() {
    let profile = FakeProfile::new();
    let pool = builder(&profile)
        .queue_size(1)
        .start()
        .await
        .expect("it starts");
    let _running = sleeper(&pool).await;
    let _waiting = tokio::spawn(pool.request("echo", 1).call::<u8>());
    until(|| pool.snapshot().queued == 1).await;
    let error = failed(pool.call::<u8>("echo", 2).await, "pool.queue_full");
    assert_eq!(
        (error.delivery(), error.retry()),
        (Delivery::NotSent, Retry::Later)
    );
    assert_eq!(profile.executed(), 1);
}

#[tokio::test]
async fn a_call_that_waits_too_long_never_runs() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let _running = sleeper(&pool).await;
    let late = pool
        .request("echo", 1)
        .queue_timeout(SHORT)
        .call::<u8>()
        .await;
    let error = failed(late, "call.queue_timeout");
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!((profile.executed(), pool.snapshot().queued), (1, 0));
}

#[tokio::test]
async fn a_caller_that_stops_waiting_leaves_the_queue() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let running = sleeper(&pool).await;
    let waiting = tokio::spawn(pool.request("echo", 1).call::<u8>());
    until(|| pool.snapshot().queued == 1).await;
    waiting.abort();
    until(|| pool.snapshot().queued == 0).await;
    running.abort();
    assert_eq!(pool.call::<u8>("echo", 2).await.expect("the next call"), 2);
    assert_eq!(profile.executed(), 2);
}

#[tokio::test]
async fn a_call_that_runs_too_long_is_interrupted_and_costs_no_worker() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let long = pool
        .request("sleep", FOR_EVER)
        .timeout(SHORT)
        .call::<()>()
        .await;
    let error = failed(long, "call.timeout");
    assert_eq!(error.delivery(), Delivery::MaybeExecuted);
    assert_eq!(pool.call::<u8>("echo", 2).await.expect("the next call"), 2);
    assert_eq!(profile.launches(), 1);
}

#[tokio::test]
async fn a_worker_that_does_not_let_go_is_replaced() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let stuck = pool.request("hang", ()).timeout(SHORT).call::<()>().await;
    failed(stuck, "call.timeout");
    assert_eq!(pool.call::<u8>("echo", 2).await.expect("the next call"), 2);
    assert_eq!(profile.launches(), 2);
    until(|| profile.alive() == 1).await;
}

#[tokio::test]
async fn a_stream_that_runs_too_long_is_interrupted() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let request = pool.request("numbers", u64::MAX).timeout(SHORT);
    let mut stream = request.stream::<u64>().await.expect("a stream");
    let error = loop {
        match stream.next().await.expect("no end") {
            Ok(_) => sleep(Duration::from_millis(1)).await,
            Err(error) => break error,
        }
        assert_eq!(pool.snapshot().running, 1, "the lane came back too early");
    };
    assert_eq!(error.code(), "call.timeout");
    assert!(stream.next().await.is_none());
    drop(stream);
    assert_eq!(pool.call::<u8>("echo", 2).await.expect("the next call"), 2);
}

#[tokio::test]
async fn launches_that_fail_together_are_one_failure() {
    let profile = FakeProfile::new().script([FakeLaunch::Fail; 12]);
    let pool = builder(&profile).size(12).start().await;
    let pool = pool.expect("it is tried again");
    // A quarter of the workers are replaced at once.
    profile.plan([FakeLaunch::Fail; 3]);
    pool.reload().await.expect("it is tried again");
    assert_eq!(profile.launches(), 12 + 12 + 3 + 12);
}

#[tokio::test]
async fn launches_that_fail_are_tried_again() {
    let profile = FakeProfile::new().script([FakeLaunch::Fail, FakeLaunch::Fail]);
    let pool = started(&profile).await;
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    assert_eq!(profile.launches(), 3);
}

#[tokio::test]
async fn a_call_without_workers_may_try_later_if_launches_are_tried_again() {
    let profile = FakeProfile::new().script(vec![FakeLaunch::Fail; 100]);
    let pool = builder(&profile).queue_timeout(SHORT).launch();
    until(|| profile.launches() > 1).await;
    let error = failed(pool.call::<u8>("echo", 1).await, "pool.unavailable");
    assert_eq!(error.retry(), Retry::Later);
}

#[tokio::test]
async fn a_launch_that_fails_for_good_ends_the_attempt() {
    let profile = FakeProfile::new().script([FakeLaunch::FailForGood]);
    let error = builder(&profile)
        .start()
        .await
        .expect_err("it cannot start");
    assert!(error.is_permanent());
    assert_eq!((profile.launches(), profile.alive()), (1, 0));

    let profile = FakeProfile::new().script([FakeLaunch::FailForGood]);
    let pool = builder(&profile).launch();
    let error = failed(pool.call::<u8>("echo", 1).await, "pool.unavailable");
    assert!(error.to_string().contains("the script says so"), "{error}");
    assert_eq!(error.retry(), Retry::Never);
}

#[tokio::test]
async fn a_launch_that_takes_too_long_is_broken_off() {
    let profile = FakeProfile::new().script([FakeLaunch::Hang]);
    let pool = builder(&profile)
        .startup_timeout(SHORT)
        .start()
        .await
        .expect("the second launch");
    assert_eq!((profile.launches(), profile.alive()), (2, 1));
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
}

#[tokio::test]
async fn a_start_that_is_dropped_leaves_nothing() {
    let profile = FakeProfile::new().script([FakeLaunch::Ready, FakeLaunch::Hang]);
    let start = builder(&profile).size(2).start();
    assert!(timeout(SHORT, start).await.is_err());
    until(|| profile.alive() == 0).await;
}

#[tokio::test]
async fn a_call_lost_with_its_worker_is_not_repeated_unless_it_may_be() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let error = failed(pool.call::<()>("die", ()).await, "call.worker_lost");
    assert_eq!(error.retry(), Retry::IfIdempotent);
    assert_eq!(profile.executed(), 1);

    let poison = pool.request("die", ()).idempotent(true).call::<()>().await;
    failed(poison, "call.poisoned");
    assert_eq!(profile.executed(), 3);
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("the next call"), 1);
}

#[tokio::test]
async fn a_worker_that_crashes_idle_is_replaced() {
    let profile = FakeProfile::new();
    let pool = builder(&profile).size(2).start().await.expect("it starts");
    profile.workers()[0].crash();
    until(|| profile.launches() == 3).await;
    pool.ready().await.expect("two workers again");
    assert_eq!((pool.snapshot().ready, profile.alive()), (2, 2));
}

#[tokio::test]
async fn every_call_of_a_worker_that_crashes_fails_at_once() {
    let profile = FakeProfile::new().lanes(3);
    let pool = started(&profile).await;
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(sleeper(&pool).await);
    }
    profile.workers()[0].crash();
    for call in calls {
        failed(call.await.expect("a task"), "call.worker_lost");
    }
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("the next call"), 1);
}

#[tokio::test]
async fn a_pool_grows_and_shrinks_without_losing_calls() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    pool.resize(3).expect("it may grow");
    pool.ready().await.expect("three workers");
    assert_eq!(profile.alive(), 3);
    let running = sleeper(&pool).await;
    pool.resize(1).expect("it may shrink");
    until(|| profile.alive() <= 2).await;
    assert!(!running.is_finished(), "shrinking ended a call");
    running.abort();
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("the next call"), 1);
    until(|| profile.alive() == 1).await;
}

#[tokio::test]
async fn draining_finishes_calls_and_takes_no_more() {
    let profile = FakeProfile::new();
    let pool = builder(&profile).size(2).start().await.expect("it starts");
    let short = tokio::spawn(pool.request("sleep", 0.1).call::<()>());
    until(|| pool.snapshot().running == 1).await;
    let draining = pool.clone();
    let drain = tokio::spawn(async move { draining.drain(LONG).await });
    sleep(Duration::from_millis(20)).await;
    failed(pool.call::<u8>("echo", 1).await, "pool.draining");
    let report = drain.await.expect("a task");
    assert_eq!((report.interrupted, report.rejected), (0, 0));
    short
        .await
        .expect("a task")
        .expect("a call that was running");
    assert_eq!(profile.alive(), 0);
    failed(pool.call::<u8>("echo", 1).await, "pool.closed");
}

#[tokio::test]
async fn shutting_down_kills_what_runs_and_rejects_what_waits() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let running = sleeper(&pool).await;
    let waiting = tokio::spawn(pool.request("echo", 1).call::<u8>());
    until(|| pool.snapshot().queued == 1).await;
    let report = timeout(LONG, pool.shutdown()).await.expect("an end");
    assert_eq!((report.killed, report.rejected), (1, 1));
    assert_eq!(profile.alive(), 0);
    running
        .await
        .expect("a task")
        .expect_err("a call that was running");
    failed(waiting.await.expect("a task"), "pool.closed");
}

#[tokio::test]
async fn a_dropped_pool_leaves_nothing() {
    let profile = FakeProfile::new().script([FakeLaunch::Ready, FakeLaunch::Hang]);
    let pool = builder(&profile).size(2).launch();
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    assert_eq!(profile.alive(), 2);
    drop(pool);
    until(|| profile.alive() == 0).await;
}

#[test]
fn a_runtime_that_ends_takes_its_workers_along() {
    let profile = FakeProfile::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let pool = runtime.block_on(started(&profile));
    drop(runtime);
    assert_eq!(profile.alive(), 0);
    let other = tokio::runtime::Runtime::new().expect("a runtime");
    failed(other.block_on(pool.call::<u8>("echo", 1)), "pool.closed");
}

/// Retires a worker after so many calls.
#[derive(Debug)]
struct After(u64);

impl RecyclePolicy for After {
    fn name(&self) -> &'static str {
        "after"
    }

    fn assess(&self, worker: &WorkerView, _now: Instant) -> Verdict {
        if worker.served < self.0 {
            Verdict::Keep
        } else {
            Verdict::Retire("it served enough".into())
        }
    }

    fn recheck(&self, _worker: &WorkerView, _now: Instant) -> Recheck {
        Recheck {
            at: None,
            served: Some(self.0),
        }
    }
}

/// What happened, as words.
fn recorder() -> (Arc<Mutex<Vec<String>>>, Arc<dyn snakepit_core::EventSink>) {
    let words = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let words = Arc::clone(&words);
        move |event: &Event| {
            let word = match &event.kind {
                EventKind::WorkerReady { worker, .. } => format!("ready {worker}"),
                EventKind::WorkerDraining { worker, .. } => format!("draining {worker}"),
                EventKind::WorkerExited { worker, .. } => format!("exited {worker}"),
                EventKind::CallStarted { call, .. } => format!("started {call}"),
                EventKind::CallFinished { call, .. } => format!("finished {call}"),
                _ => return,
            };
            words.lock().push(word);
        }
    };
    (words, Arc::new(sink))
}

#[tokio::test]
async fn a_worker_is_replaced_before_it_goes() {
    let profile = FakeProfile::new();
    let (words, sink) = recorder();
    let pool = builder(&profile)
        .policy(After(1))
        .event_sink(sink)
        .start()
        .await
        .expect("it starts");
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    until(|| words.lock().iter().any(|word| word == "exited 1")).await;
    let expected = [
        "ready 1",
        "started 1",
        "finished 1",
        "ready 2",
        "draining 1",
        "exited 1",
    ];
    assert_eq!(*words.lock(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continuous_recycling_costs_no_call() {
    let profile = FakeProfile::new().lanes(2);
    let pool = builder(&profile)
        .size(2)
        .policy(After(5))
        .start()
        .await
        .expect("it starts");
    let caller = |caller: u64| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for number in 0..50 {
                let sent = caller * 1000 + number;
                assert_eq!(pool.call::<u64>("echo", sent).await.expect("a call"), sent);
                // A fake answers at once: without this, the callers would leave no time for launches.
                tokio::task::yield_now().await;
            }
        })
    };
    for task in (0..8).map(caller).collect::<Vec<_>>() {
        task.await.expect("a caller");
    }
    assert!(
        profile.launches() > 4,
        "only {} launches",
        profile.launches()
    );
    assert_eq!(profile.executed(), 400);
}

#[tokio::test]
async fn a_session_meets_its_worker_again() {
    let profile = FakeProfile::new();
    let pool = builder(&profile).size(3).start().await.expect("it starts");
    for round in 1..=5_u64 {
        let count = pool.request("count", ()).session("a").call::<u64>().await;
        assert_eq!(count.expect("a count"), round);
        for number in 0..4_u8 {
            assert_eq!(pool.call::<u8>("echo", number).await.expect("echo"), number);
        }
    }
}

#[tokio::test]
async fn a_result_that_does_not_fit_says_where() {
    let pool = started(&FakeProfile::new()).await;
    let rows = vec![vec!["x"]];
    let error = failed(
        pool.call::<Vec<Vec<u8>>>("echo", (rows,)).await,
        "call.decode",
    );
    assert!(error.to_string().contains("[0][0]"), "{error}");
    assert_eq!(
        pool.call::<Value>("echo", 1).await.expect("the next call"),
        Value::Int(1)
    );
}

#[tokio::test]
async fn several_pools_start_and_stop_as_one() {
    let profiles = [FakeProfile::new(), FakeProfile::new()];
    let mut config = snakepit_core::Config::new();
    for (name, profile) in ["a", "b"].into_iter().zip(&profiles) {
        let pool = snakepit_core::config::PoolConfig::new(name, Arc::new(profile.clone()));
        config = config.with_pool(pool);
    }
    let snakepit = Snakepit::builder()
        .config(config.clone())
        .start()
        .await
        .expect("it starts");
    let pool = snakepit.pool("b").expect("a pool");
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    snakepit.shutdown().await;
    assert!(profiles.iter().all(|profile| profile.alive() == 0));

    let broken = FakeProfile::new().script([FakeLaunch::FailForGood]);
    let pool = snakepit_core::config::PoolConfig::new("c", Arc::new(broken));
    let error = Snakepit::builder()
        .config(config.with_pool(pool))
        .start()
        .await;
    assert!(
        error
            .expect_err("one cannot start")
            .to_string()
            .contains("`c`")
    );
    assert!(profiles.iter().all(|profile| profile.alive() == 0));
}
