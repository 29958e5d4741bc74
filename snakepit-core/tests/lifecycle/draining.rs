//! Draining: what has to end ends, by itself or by force, and the report says how.

use std::time::Duration;

use futures_util::FutureExt as _;
use snakepit_core::error::Delivery;
use snakepit_core::testing::{FakeLaunch, FakeProfile};
use tokio::time::timeout;

use crate::support::{FOR_EVER, LONG, SHORT, begin, builder, failed, started, until};

#[tokio::test]
async fn calls_that_finish_in_time_are_counted() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let calls: Vec<_> = (0..3)
        .map(|_| tokio::spawn(pool.request("sleep", 0.02).call::<()>()))
        .collect();
    until(|| pool.snapshot().queued == 2).await;
    let report = pool.drain(LONG).await;
    for call in calls {
        call.await.expect("a task").expect("a call");
    }
    assert_eq!((report.finished, report.interrupted), (3, 0));
    assert_eq!((report.killed, report.rejected, profile.alive()), (0, 0, 0));
}

#[tokio::test]
async fn what_is_left_after_the_grace_is_interrupted() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let running = begin(&pool, "sleep").await;
    let waiting = tokio::spawn(pool.request("echo", 1).call::<u8>());
    until(|| pool.snapshot().queued == 1).await;
    let report = pool.drain(SHORT).await;
    assert_eq!((report.finished, report.interrupted), (0, 1));
    assert_eq!((report.killed, report.rejected, profile.alive()), (0, 1, 0));
    let error = failed(running.await.expect("a task"), "call.cancelled");
    assert!(error.to_string().contains("drained"), "{error}");
    let error = failed(waiting.await.expect("a task"), "call.cancelled");
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!(profile.executed(), 1);
}

#[tokio::test]
async fn a_waiting_call_that_nobody_polls_is_rejected_once() {
    for (command, killed) in [("sleep", 0), ("hang", 1)] {
        let profile = FakeProfile::new();
        let pool = started(&profile).await;
        let running = begin(&pool, command).await;
        let mut waiting = Box::pin(pool.request("echo", 1).call::<u8>());
        assert!((&mut waiting).now_or_never().is_none());
        assert_eq!(pool.snapshot().queued, 1);
        let report = pool.drain(Duration::ZERO).await;
        assert_eq!((report.interrupted, report.rejected), (1, 1));
        assert_eq!((report.finished, report.killed), (0, killed));
        assert_eq!(profile.executed(), 1);
        failed(running.await.expect("a task"), "call.cancelled");
        failed(waiting.await, "call.cancelled");
    }
}

#[tokio::test]
async fn what_does_not_let_go_is_killed() {
    let profile = FakeProfile::new().lanes(2);
    let pool = started(&profile).await;
    let hung = begin(&pool, "hang").await;
    let kind = begin(&pool, "sleep").await;
    let report = timeout(LONG, pool.drain(Duration::ZERO))
        .await
        .expect("an end");
    assert_eq!((report.interrupted, report.killed), (2, 1));
    failed(hung.await.expect("a task"), "call.cancelled");
    failed(kind.await.expect("a task"), "call.cancelled");
    assert_eq!(profile.alive(), 0);
}

#[tokio::test]
async fn a_stream_nobody_reads_is_killed() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let mut stream = pool
        .stream::<u64>("numbers", u64::MAX)
        .await
        .expect("a stream");
    stream.next().await.expect("an item").expect("a number");
    let report = timeout(LONG, pool.drain(Duration::ZERO))
        .await
        .expect("an end");
    assert_eq!(
        (report.interrupted, report.killed, profile.alive()),
        (1, 1, 0)
    );
    let error = stream.next().await.expect("an item").expect_err("an end");
    assert_eq!(error.code(), "call.cancelled");
}

#[tokio::test]
async fn a_second_drain_with_a_shorter_grace_cuts_the_first_one_short() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let call = begin(&pool, "sleep").await;
    let first = pool.clone();
    let first = tokio::spawn(async move { first.drain(LONG * 100).await });
    until(|| !pool.health().reasons.is_empty()).await;
    let (second, first) = tokio::join!(pool.drain(SHORT), first);
    let first = first.expect("a task");
    assert_eq!((first.interrupted, second.interrupted), (1, 1));
    failed(call.await.expect("a task"), "call.cancelled");
}

#[tokio::test]
async fn a_drain_that_was_dropped_cuts_nothing_short() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let call = tokio::spawn(pool.request("sleep", 0.2).call::<()>());
    until(|| pool.snapshot().running == 1).await;
    let _ = timeout(
        Duration::from_millis(5),
        pool.drain(Duration::from_millis(20)),
    )
    .await;
    let report = pool.drain(LONG).await;
    assert_eq!((report.finished, report.interrupted), (1, 0));
    call.await.expect("a task").expect("a call");
}

#[tokio::test]
async fn draining_what_is_closed_reports_nothing_at_once() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let running = begin(&pool, "sleep").await;
    let report = timeout(LONG, pool.shutdown()).await.expect("an end");
    assert_eq!(
        (report.finished, report.interrupted, report.killed),
        (0, 0, 1)
    );
    failed(running.await.expect("a task"), "call.worker_lost");
    for report in [
        timeout(LONG, pool.drain(LONG)).await.expect("an end"),
        timeout(LONG, pool.drain(Duration::MAX))
            .await
            .expect("an end"),
        timeout(LONG, pool.shutdown()).await.expect("an end"),
    ] {
        let done = report.finished + report.interrupted + report.killed + report.rejected;
        assert_eq!(done, 0, "{report:?}");
    }
}

#[tokio::test]
async fn a_shutdown_ends_a_drain() {
    let profile = FakeProfile::new();
    let pool = builder(&profile).size(2).start().await.expect("it starts");
    let call = begin(&pool, "sleep").await;
    let draining = pool.clone();
    let drain = tokio::spawn(async move { draining.drain(LONG * 100).await });
    until(|| !pool.health().reasons.is_empty()).await;
    pool.shutdown().await;
    let report = timeout(LONG, drain).await.expect("an end").expect("a task");
    assert_eq!((report.finished, report.killed), (0, 1));
    failed(call.await.expect("a task"), "call.worker_lost");
}

#[tokio::test]
async fn an_idle_pool_drains_at_once() {
    let profile = FakeProfile::new();
    let pool = builder(&profile).size(3).start().await.expect("it starts");
    let report = timeout(LONG, pool.drain(LONG * 100)).await.expect("an end");
    assert_eq!((report.finished, profile.alive()), (0, 0));
    failed(pool.call::<f64>("echo", FOR_EVER).await, "pool.closed");
}

#[tokio::test]
async fn a_drain_ends_when_the_last_caller_that_waits_goes_away() {
    let profile = FakeProfile::new().script([FakeLaunch::Hang]);
    let pool = builder(&profile).queue_timeout(LONG * 100).launch();
    let call = tokio::spawn(pool.request("echo", 1).timeout(LONG * 100).call::<u8>());
    until(|| pool.snapshot().queued == 1).await;
    let draining = pool.clone();
    let drain = tokio::spawn(async move { draining.drain(LONG * 100).await });
    until(|| pool.health().reasons[0] == "the pool is draining").await;
    call.abort();
    timeout(LONG, drain).await.expect("an end").expect("a task");
    assert_eq!(profile.alive(), 0);
}
