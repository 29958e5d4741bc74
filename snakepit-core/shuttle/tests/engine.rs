//! Leases, cancel handles and drains under schedules that Shuttle chooses: each call has one outcome, its handle tells the
//! truth, no lane is lost. `cargo test --manifest-path snakepit-core/shuttle/Cargo.toml`

use std::sync::Arc;
use std::time::Duration;

use snakepit_core::testing::FakeProfile;
use snakepit_core::{CallError, Pool};

/// New ones with every run, so that runs add up.
const SCHEDULES: usize = 500;

/// Runs a test under many schedules; a failure prints the one to replay.
fn explore<F: Future<Output = ()>>(test: impl Fn() -> F + Send + Sync + 'static) {
    shuttle::check_random(
        move || {
            let runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = { runtime }.enable_all().build().expect("a runtime");
            runtime.block_on(test());
        },
        SCHEDULES,
    );
}

async fn pool(profile: &FakeProfile) -> Pool {
    let builder = Pool::builder("p", Arc::new(profile.clone())).size(1);
    let builder = builder.cancel_grace(Duration::from_secs(60));
    builder.start().await.expect("it starts")
}

/// As many calls as there are lanes run, and nothing is left of those before.
async fn all_lanes_are_back(pool: &Pool, lanes: u64) {
    let calls: Vec<_> = (0..lanes)
        .map(|number| tokio::spawn(pool.request("echo", number).call::<u64>()))
        .collect();
    for (number, call) in (0..).zip(calls) {
        let answer = call.await.expect("a task").expect("a lane");
        assert_eq!(answer, number);
    }
    let snapshot = pool.snapshot();
    assert_eq!((snapshot.queued, snapshot.lanes as u64), (0, lanes));
}

#[test]
fn a_handle_and_the_caller_never_disagree() {
    explore(|| async {
        let profile = FakeProfile::new();
        let pool = pool(&profile).await;
        let request = pool.request("echo", 1);
        let handle = request.cancel_handle();
        let other = tokio::spawn(pool.request("echo", 2).call::<u8>());
        let call = tokio::spawn(request.call::<u8>());
        let cancel = tokio::spawn(async move { handle.cancel() });
        let told = cancel.await.expect("a task");
        match call.await.expect("a task") {
            Ok(answer) => assert_eq!((answer, told), (1, false)),
            Err(error) => assert_eq!((error.code(), told), ("call.cancelled", true)),
        }
        assert_eq!(other.await.expect("a task").expect("an answer"), 2);
        all_lanes_are_back(&pool, 1).await;
        pool.shutdown().await;
        assert_eq!(profile.alive(), 0);
    });
}

#[test]
fn calls_dropped_at_any_time_lose_no_lane() {
    explore(|| async {
        let profile = FakeProfile::new().lanes(2);
        let pool = pool(&profile).await;
        let dropped: Vec<_> = (0..3)
            .map(|number| tokio::spawn(pool.request("echo", number).call::<u8>()))
            .collect();
        tokio::task::yield_now().await;
        dropped.iter().for_each(tokio::task::JoinHandle::abort);
        all_lanes_are_back(&pool, 2).await;
        pool.shutdown().await;
        assert_eq!(profile.alive(), 0);
    });
}

#[test]
fn a_worker_that_dies_at_any_time_costs_its_calls_and_no_capacity() {
    explore(|| async {
        let profile = FakeProfile::new().lanes(2);
        let pool = pool(&profile).await;
        let calls: Vec<_> = (0..2)
            .map(|number| tokio::spawn(pool.request("echo", number).call::<u8>()))
            .collect();
        let first = profile.workers()[0].clone();
        let crash = tokio::spawn(async move { first.crash() });
        for (number, call) in (0..).zip(calls) {
            match call.await.expect("a task") {
                Ok(answer) => assert_eq!(answer, number),
                Err(CallError::WorkerLost(report)) => {
                    assert_eq!(
                        report.call.as_ref().map(|call| &*call.command),
                        Some("echo")
                    );
                }
                Err(other) => panic!("{other}"),
            }
        }
        crash.await.expect("a task");
        all_lanes_are_back(&pool, 2).await;
        pool.shutdown().await;
        assert_eq!(profile.alive(), 0);
    });
}

#[test]
fn a_drain_and_a_shutdown_at_the_same_time_account_for_every_call() {
    explore(|| async {
        let profile = FakeProfile::new();
        let pool = pool(&profile).await;
        let calls: Vec<_> = (0..2)
            .map(|number| tokio::spawn(pool.request("echo", number).call::<u8>()))
            .collect();
        let draining = pool.clone();
        let drain = tokio::spawn(async move { draining.drain(Duration::MAX).await });
        let closing = pool.clone();
        let close = tokio::spawn(async move { closing.shutdown().await });
        for (number, call) in (0..).zip(calls) {
            match call.await.expect("a task") {
                Ok(answer) => assert_eq!(answer, number),
                Err(error) => assert!(
                    ["pool.draining", "pool.closed", "call.worker_lost"].contains(&error.code()),
                    "{error}"
                ),
            }
        }
        drain.await.expect("a task");
        close.await.expect("a task");
        assert_eq!(profile.alive(), 0);
    });
}
