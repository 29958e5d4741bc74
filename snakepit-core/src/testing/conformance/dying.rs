//! Promises about workers that die, or are made to.

use futures_util::future::join_all;
use tokio::time::sleep;

use super::support::{A_MOMENT, Bench, FOR_EVER, LONG_GRACE, SHORT_GRACE, assert_lost, begin, one};
use crate::error::CallError;
use crate::value::Args;

pub async fn a_dying_worker_fails_its_call_at_once(bench: &Bench) {
    let worker = bench.worker().await;
    assert_lost(&one(&*worker, bench.call("die", Args::none())).await);
    worker.exited().await;
}

pub async fn an_aborted_worker_fails_its_calls_at_once(bench: &Bench) {
    let worker = bench.worker().await;
    let call = begin(&worker, bench.call("sleep", Args::positional([FOR_EVER])));
    sleep(A_MOMENT).await;
    worker.abort("the test wants it so");
    assert_lost(&call.await.expect("a task"));
    let report = worker.exited().await;
    assert_eq!(report.reason.as_deref(), Some("the test wants it so"));
}

pub async fn every_waiter_hears_of_the_exit(bench: &Bench) {
    let worker = bench.worker().await;
    let early = (0..5).map(|_| {
        let worker = std::sync::Arc::clone(&worker);
        tokio::spawn(async move { worker.exited().await })
    });
    let early: Vec<_> = early.collect();
    sleep(A_MOMENT).await;
    worker.abort("the test wants it so");
    let first = worker.exited().await;
    for waiter in join_all(early).await {
        assert_eq!(waiter.expect("a task").status, first.status);
    }
    assert_eq!(worker.exited().await, first);
}

pub async fn a_worker_can_be_stopped_twice(bench: &Bench) {
    let worker = bench.worker().await;
    one(&*worker, bench.call("echo", Args::positional([1])))
        .await
        .expect("echo");
    let both = join_all([worker.stop(LONG_GRACE), worker.stop(LONG_GRACE)]).await;
    let third = worker.stop(LONG_GRACE).await;
    assert!(
        both.iter().all(|report| report.status == third.status),
        "{both:?}, {third:?}"
    );
    assert_eq!(worker.exited().await.status, third.status);
}

pub async fn a_busy_worker_is_stopped_after_its_grace(bench: &Bench) {
    let worker = bench.worker().await;
    let call = begin(&worker, bench.call("sleep", Args::positional([FOR_EVER])));
    sleep(A_MOMENT).await;
    worker.stop(SHORT_GRACE).await;
    call.await
        .expect("a task")
        .expect_err("it slept for ever in no time");
}

pub async fn a_worker_that_is_gone_takes_no_calls(bench: &Bench) {
    let worker = bench.worker().await;
    worker.abort("the test wants it so");
    let report = worker.exited().await;
    let late = one(&*worker, bench.call("echo", Args::positional([1]))).await;
    assert_lost(&late);
    // Nor does anything else wait for ever.
    worker.stop(LONG_GRACE).await;
    worker.abort("once more");
    assert_eq!(
        worker.exited().await,
        report,
        "an end does not change afterwards"
    );
}

pub async fn a_lost_worker_is_replaced(bench: &Bench) {
    let pool = bench.pool(1).await;
    for number in 0..3 {
        assert_lost(&pool.call::<()>("die", ()).await);
        let next: Result<u8, CallError> = pool.call("echo", number).await;
        assert_eq!(next.expect("a call of the replacement"), number);
    }
    assert_eq!(bench.workers().len(), 4);
}
