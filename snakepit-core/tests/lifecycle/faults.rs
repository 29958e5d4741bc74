//! Foreign code that panics and settings that make no sense: told, and survived.

use std::sync::Arc;
use std::time::Duration;

use snakepit_core::event::Event;
use snakepit_core::testing::{FakeMeter, FakeProfile};
use snakepit_core::{HealthStatus, Pool, PoolBuilder, PoolSettings, Verdict};
use tokio::time::timeout;

use crate::odd::{Fault, Odd};
use crate::support::{History, LONG, Rule, SHORT, begin, builder, until};

#[tokio::test]
async fn a_launch_that_panics_is_a_launch_that_failed() {
    let profile = Odd::with(Fault::LaunchPanics);
    let history = History::default();
    let pool = Pool::builder("p", Arc::new(profile))
        .size(1)
        .event_sink(history.sink());
    let error = timeout(LONG, pool.start())
        .await
        .expect("an end")
        .expect_err("no worker");
    assert!(error.to_string().contains("without an answer"), "{error}");
    assert!(history.of("failed").len() >= 3);
}

/// A pool of one worker with this fault.
fn faulty(fault: Fault, history: &History) -> (Odd, PoolBuilder) {
    let profile = Odd::with(fault);
    let pool = Pool::builder("p", Arc::new(profile.clone()))
        .size(1)
        .cancel_grace(SHORT)
        .event_sink(history.sink());
    (profile, pool)
}

#[tokio::test]
async fn a_cancellation_that_gives_no_answer_costs_its_worker_and_no_lane() {
    for fault in [Fault::CancelPanics, Fault::CancelHangs] {
        let (profile, pool) = faulty(fault, &History::default());
        let pool = pool.start().await.expect("it starts");
        let call = begin(&pool, "sleep").await;
        call.abort();
        until(|| profile.inner.launches() == 2).await;
        assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
        let report = timeout(LONG, pool.drain(LONG)).await.expect("an end");
        assert_eq!((report.killed, profile.inner.alive()), (0, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn a_worker_whose_end_panics_or_hangs_is_killed() {
    for fault in [Fault::StopPanics, Fault::StopHangs] {
        let settings = PoolSettings {
            size: 1,
            stop_grace: SHORT,
            ..PoolSettings::default()
        };
        let (profile, pool) = faulty(fault, &History::default());
        let pool = pool.settings(settings).start().await.expect("it starts");
        timeout(LONG, pool.shutdown()).await.expect("an end");
        assert_eq!(profile.inner.alive(), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn a_kill_that_panics_keeps_nothing_else_from_being_done() {
    let history = History::default();
    let (profile, pool) = faulty(Fault::AbortPanics, &history);
    let pool = pool.start().await.expect("it starts");
    let immortal = profile.inner.workers()[0].clone();
    let stuck = pool.request("hang", ()).timeout(SHORT).call::<()>().await;
    stuck.expect_err("it hangs");
    until(|| history.of("stopping 1").len() == 1).await;
    immortal.crash();
    until(|| history.of("exited 1").len() == 1).await;
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    timeout(LONG, pool.shutdown()).await.expect("an end");
    assert_eq!(profile.inner.alive(), 0);
}

#[tokio::test]
async fn a_worker_that_cannot_be_waited_for_is_killed_and_gone() {
    let history = History::default();
    let (profile, pool) = faulty(Fault::ExitedPanics, &history);
    let pool = pool.launch();
    until(|| history.of("exited").len() > 1).await;
    timeout(LONG, pool.shutdown()).await.expect("an end");
    assert_eq!(profile.inner.alive(), 0);
}

#[tokio::test]
async fn a_worker_whose_ping_panics_gives_no_sign() {
    let (profile, pool) = faulty(Fault::PingPanics, &History::default());
    let rule = Rule::new(|_, _| Verdict::Keep).heartbeat(Duration::from_millis(20));
    let pool = pool.policy(rule).start().await.expect("it starts");
    until(|| pool.health().status == HealthStatus::Down).await;
    assert_eq!((profile.inner.launches(), profile.inner.alive()), (1, 1));
}

#[tokio::test]
async fn a_call_whose_stack_cannot_be_told_is_slow_all_the_same() {
    let history = History::default();
    let (_profile, pool) = faulty(Fault::StackPanics, &history);
    let settings = PoolSettings {
        size: 1,
        slow_call_after: Some(Duration::from_millis(20)),
        ..PoolSettings::default()
    };
    let pool = pool.settings(settings).start().await.expect("it starts");
    let call = begin(&pool, "sleep").await;
    until(|| history.of("slow").len() == 1).await;
    assert_eq!(history.of("slow"), ["slow call 1: sleep []"]);
    call.abort();
}

#[tokio::test]
async fn a_worker_that_panics_when_it_is_trimmed_was_trimmed() {
    let (profile, pool) = faulty(Fault::TrimPanics, &History::default());
    let rule = Rule::new(|worker, _| match worker.trimmed_at {
        None => Verdict::Trim,
        Some(_) => Verdict::Retire("it was trimmed".into()),
    });
    let pool = pool.policy(rule).start().await.expect("it starts");
    until(|| profile.inner.launches() > 1).await;
    timeout(LONG, pool.shutdown()).await.expect("an end");
}

#[tokio::test]
async fn a_sink_that_panics_loses_its_event_and_nothing_else() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let pool = builder(&profile)
        .event_sink(Arc::new(|_: &Event| panic!("as the test wants it")))
        .event_sink(history.sink());
    let pool = timeout(LONG, pool.start())
        .await
        .expect("an end")
        .expect("it starts");
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    profile.workers()[0].crash();
    until(|| history.of("ready").len() == 2).await;
    assert_eq!(pool.call::<u8>("echo", 2).await.expect("a call"), 2);
    pool.drain(LONG).await;
    assert_eq!(profile.alive(), 0);
}

#[tokio::test]
async fn a_policy_that_panics_is_stopped_and_the_pool_goes_on() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let pool = builder(&profile)
        .size(2)
        .policy(Rule::new(|_, _| panic!("as the test wants it")))
        .event_sink(history.sink());
    let pool = timeout(LONG, pool.start())
        .await
        .expect("an end")
        .expect("it starts");
    until(|| !history.of("no more").is_empty()).await;
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    assert_eq!(
        history.of("no more"),
        ["no more rule: it panicked: as the test wants it"]
    );
    let health = pool.health();
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(profile.launches(), 2);
}

#[tokio::test]
async fn a_pool_that_starts_with_a_nonsense_size_says_so() {
    let ceiling = FakeProfile::new().ceiling(7, "there are 7 seats");
    let reversed = PoolSettings {
        size: 3,
        max_size: Some(2),
        ..PoolSettings::default()
    };
    let pools = [
        (builder(&FakeProfile::new()).size(0), "at least one worker"),
        (builder(&ceiling).size(8), "there are 7 seats"),
        (builder(&FakeProfile::new()).size(10_001), "10000"),
        (
            builder(&FakeProfile::new()).settings(reversed),
            "least of 3",
        ),
    ];
    for (pool, expected) in pools {
        let error = timeout(LONG, pool.start())
            .await
            .expect("an end")
            .expect_err("nonsense");
        assert!(error.is_permanent());
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(ceiling.launches(), 0);
}

#[tokio::test]
async fn times_without_end_are_as_good_as_any() {
    let profile = FakeProfile::new().lanes(2);
    let for_ever = Duration::MAX;
    let settings = PoolSettings {
        size: 1,
        max_size: Some(2),
        scale_up_after: for_ever,
        scale_cooldown: for_ever,
        queue_timeout: for_ever,
        request_timeout: for_ever,
        startup_timeout: for_ever,
        quarantine_grace: for_ever,
        stop_grace: for_ever,
        session_drain: for_ever,
        restart_window: for_ever,
        slow_call_after: Some(for_ever),
        cancel_grace: Duration::from_millis(1),
        ..PoolSettings::default()
    };
    let pool = builder(&profile)
        .settings(settings)
        .start()
        .await
        .expect("it starts");
    let kind = begin(&pool, "sleep").await;
    let hung = begin(&pool, "hang").await;
    hung.abort();
    until(|| profile.launches() == 2).await;
    let waits = begin(&pool, "sleep").await;
    let strict = pool.request("echo", 1).session("s").call::<u8>();
    assert_eq!(strict.await.expect("a call"), 1);
    kind.abort();
    waits.abort();
    pool.drain(for_ever).await;
    assert_eq!(profile.alive(), 0);

    let settings = PoolSettings {
        size: 1,
        cooperative_grace: for_ever,
        cancel_grace: for_ever,
        ..PoolSettings::default()
    };
    let pool = builder(&profile)
        .settings(settings)
        .start()
        .await
        .expect("it starts");
    let call = begin(&pool, "sleep").await;
    pool.drain(Duration::ZERO).await;
    call.await.expect("a task").expect_err("it was stopped");
}

#[tokio::test]
async fn no_time_at_all_between_two_looks_is_a_little() {
    for every in [Duration::ZERO, Duration::MAX] {
        let profile = FakeProfile::new();
        let rule = Rule::new(|_, _| Verdict::Keep).measured().heartbeat(every);
        let pool = builder(&profile)
            .policy(rule)
            .meter(Arc::new(FakeMeter::new(1)))
            .start()
            .await
            .expect("it starts");
        assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
        assert_eq!(profile.launches(), 1);
    }
}
