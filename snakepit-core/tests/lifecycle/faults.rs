//! Foreign code that panics and settings that make no sense: told, and survived.

use std::sync::Arc;
use std::time::Duration;

use snakepit_core::event::Event;
use snakepit_core::testing::{FakeMeter, FakeProfile};
use snakepit_core::{HealthStatus, Pool, PoolSettings, Verdict};
use tokio::time::timeout;

use crate::odd::Odd;
use crate::support::{History, LONG, Rule, begin, builder, until};

#[tokio::test]
async fn a_launch_that_panics_is_a_launch_that_failed() {
    let profile = Odd::panicking();
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
