//! Health: the status follows what happens, tells why, and changes once for each change.

use std::sync::Arc;
use std::time::Duration;

use snakepit_core::error::Rejection;
use snakepit_core::testing::{FakeLaunch, FakeProfile};
use snakepit_core::{BreakerState, CallError, HealthStatus, PoolSettings, Verdict};

use crate::support::{History, LONG, Rule, begin, builder, failed, until};

#[tokio::test]
async fn a_pool_becomes_ready_worker_by_worker() {
    let profile = FakeProfile::new().script([FakeLaunch::Ready, FakeLaunch::Hang]);
    let pool = builder(&profile).size(2).launch();
    assert_eq!(pool.health().status, HealthStatus::Down);
    until(|| pool.health().status == HealthStatus::Degraded).await;
    let health = pool.health();
    assert_eq!(health.reasons, ["1 of 2 workers are ready"]);
    assert_eq!((health.lanes, health.workers, health.wanted), (1, 1, 2));
}

#[tokio::test]
async fn launches_that_fail_are_told_with_their_cause() {
    let profile = FakeProfile::new();
    let pool = builder(&profile).size(2).start().await.expect("it starts");
    profile.plan([FakeLaunch::FailForGood]);
    profile.workers()[0].crash();
    until(|| pool.health().reasons.len() == 2).await;
    let health = pool.health();
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(
        health.reasons,
        [
            "1 of 2 workers are ready",
            "launching workers was given up: the script says so"
        ]
    );
    pool.resize(2).expect("the owner has mended it");
    until(|| pool.health().status == HealthStatus::Ready).await;
}

#[tokio::test]
async fn each_change_of_health_is_one_event() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let pool = builder(&profile).size(2).event_sink(history.sink());
    let pool = pool.start().await.expect("it starts");
    for number in 0..20 {
        pool.call::<u8>("echo", number).await.expect("a call");
    }
    profile.workers()[0].crash();
    until(|| history.of("ready").len() == 3).await;
    pool.shutdown().await;
    let expected = ["degraded", "ready", "degraded", "ready", "down"];
    assert_eq!(
        history.of("health"),
        expected.map(|status| format!("health {status}"))
    );
}

#[tokio::test]
async fn a_pool_that_drains_is_down_and_says_so() {
    let pool = builder(&FakeProfile::new())
        .start()
        .await
        .expect("it starts");
    pool.shutdown().await;
    let health = pool.health();
    assert_eq!((health.status, health.lanes), (HealthStatus::Down, 0));
    assert_eq!(health.reasons, ["the pool is closed"]);
}

#[tokio::test]
async fn an_open_breaker_refuses_calls_with_its_numbers_and_closes_again() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let settings = PoolSettings {
        size: 1,
        restart_budget: Some(2),
        restart_window: Duration::from_secs(5),
        poison_threshold: 100,
        ..PoolSettings::default()
    };
    let pool = snakepit_core::Pool::builder("p", Arc::new(profile.clone()))
        .settings(settings)
        .event_sink(history.sink())
        .start()
        .await
        .expect("it starts");
    while pool.snapshot().breaker == BreakerState::Closed {
        let _ = pool.call::<()>("die", ()).await;
    }
    let error = failed(pool.call::<u8>("echo", 1).await, "pool.breaker_open");
    let CallError::Rejected { reason, .. } = &error else {
        panic!("{error:?}");
    };
    let Rejection::BreakerOpen {
        deaths,
        window,
        last,
        ..
    } = reason
    else {
        panic!("{reason:?}");
    };
    assert!(*deaths >= 2, "{error}");
    assert_eq!(*window, Duration::from_secs(5));
    assert!(
        last.as_ref().is_some_and(|last| last.cause() == "SIGSEGV"),
        "{error}"
    );
    let health = pool.health();
    assert_eq!(health.status, HealthStatus::Down);
    assert!(
        health
            .reasons
            .iter()
            .any(|reason| reason.contains("died faster")),
        "{health:?}"
    );
    until(|| pool.snapshot().ready == 1).await;
    pool.call::<u8>("echo", 1).await.expect("the trial");
    until(|| pool.health().status == HealthStatus::Ready).await;
    let breaker = history.of("breaker");
    assert_eq!(breaker.len(), 3, "{breaker:?}");
    assert!(breaker[0].starts_with("breaker Open"), "{breaker:?}");
    assert_eq!(breaker[1..], ["breaker HalfOpen", "breaker Closed"]);
}

#[tokio::test]
async fn a_silent_worker_on_its_way_out_is_no_concern_of_health() {
    let profile = FakeProfile::new().lanes(2);
    let settings = PoolSettings {
        size: 1,
        quarantine_grace: LONG * 100,
        cancel_grace: Duration::from_millis(1),
        ..PoolSettings::default()
    };
    let pool = builder(&profile)
        .settings(settings)
        .policy(Rule::new(|_, _| Verdict::Keep).heartbeat(Duration::from_millis(10)))
        .start()
        .await
        .expect("it starts");
    let kind = begin(&pool, "sleep").await;
    let stuck = begin(&pool, "hang").await;
    profile.workers()[0].set_mute(true);
    until(|| pool.health().status == HealthStatus::Down).await;
    stuck.abort();
    until(|| pool.health().status == HealthStatus::Ready).await;
    assert_eq!(pool.health().reasons, Vec::<String>::new());
    assert_eq!(profile.alive(), 2);
    kind.abort();
}
