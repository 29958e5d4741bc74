//! Promises about calls whose caller left.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::support::{
    A_MOMENT, Bench, FIRST_LANE, FOR_EVER, LONG_GRACE, SHORT_GRACE, abandon, begin, one,
};
use crate::limits::CancelGrace;
use crate::value::{Args, Value};
use crate::worker::Quiesced;

pub async fn a_call_dropped_midway_costs_no_capacity(bench: &Bench) {
    let pool = bench.pool(1).await;
    for number in 0..3 {
        let sleeping = pool.request("sleep", FOR_EVER).call::<()>();
        assert!(
            timeout(A_MOMENT, sleeping).await.is_err(),
            "it slept for ever in no time"
        );
        assert_eq!(
            pool.call::<u8>("echo", number)
                .await
                .expect("the next call"),
            number
        );
    }
}

pub async fn a_stream_dropped_midway_costs_no_capacity(bench: &Bench) {
    if !bench.subject.streams {
        return;
    }
    let pool = bench.pool(1).await;
    for read in [0, 1, 40] {
        let mut stream = pool
            .stream::<u64>("numbers", 1_000_000_u64)
            .await
            .expect("a stream");
        for number in 0..read {
            assert_eq!(
                stream.next().await.expect("an item").expect("a number"),
                number
            );
        }
        drop(stream);
        assert_eq!(
            pool.call::<u64>("echo", read).await.expect("the next call"),
            read
        );
    }
}

pub async fn calls_dropped_at_any_time_leave_no_answer_behind(bench: &Bench) {
    // `echo` ends by itself, however slow the machine is.
    let pool = bench.pool_with(1, LONG_GRACE).await;
    for number in 0..40_u64 {
        let wait = Duration::from_micros(number * 25);
        let _ = timeout(wait, pool.request("echo", "abandoned").call::<Value>()).await;
        assert_eq!(
            pool.call::<u64>("echo", number)
                .await
                .expect("the next call"),
            number
        );
    }
}

pub async fn a_call_that_ended_is_cancelled_cleanly(bench: &Bench) {
    let worker = bench.worker().await;
    let call = bench.call("echo", Args::positional([1]));
    let id = call.id;
    one(&*worker, call).await.expect("echo");
    assert_eq!(
        worker
            .cancel(FIRST_LANE, id, CancelGrace::interrupt(LONG_GRACE))
            .await,
        Quiesced::Clean
    );
    one(&*worker, bench.call("echo", Args::positional([2])))
        .await
        .expect("the next call");
    // Whatever becomes of this one, the answer must come within its grace, more or less.
    let sleeping = bench.call("sleep", Args::positional([FOR_EVER]));
    if abandon(&worker, sleeping, SHORT_GRACE).await == Quiesced::Clean {
        let next = one(&*worker, bench.call("echo", Args::positional([3]))).await;
        assert_eq!(
            next.expect("a call on the lane that is free"),
            Value::Int(3)
        );
    }
}

pub async fn a_call_stopped_by_its_handle_costs_no_capacity(bench: &Bench) {
    let pool = bench.pool(1).await;
    for number in 0..3 {
        let request = pool.request("sleep", FOR_EVER);
        let handle = request.cancel_handle();
        let sleeping = tokio::spawn(request.call::<()>());
        sleep(A_MOMENT).await;
        assert!(handle.cancel());
        let error = sleeping.await.expect("a task").expect_err("it was stopped");
        assert_eq!(error.code(), "call.cancelled");
        let next = pool.call::<u8>("echo", number).await;
        assert_eq!(next.expect("the next call"), number);
    }
}

pub async fn a_drain_interrupts_what_is_left(bench: &Bench) {
    let pool = bench.pool(1).await;
    let sleeping = tokio::spawn(pool.request("sleep", FOR_EVER).call::<()>());
    sleep(A_MOMENT).await;
    let report = pool.drain(Duration::ZERO).await;
    assert_eq!((report.finished, report.interrupted), (0, 1), "{report:?}");
    let error = sleeping.await.expect("a task").expect_err("it was stopped");
    assert_eq!(error.code(), "call.cancelled");
    bench.nothing_is_left().await;
}

pub async fn asking_where_a_call_is_does_not_disturb_it(bench: &Bench) {
    let worker = bench.worker().await;
    let call = bench.call("sleep", Args::positional([0.3]));
    let id = call.id;
    let sleeping = begin(&worker, call);
    for _ in 0..3 {
        // What it says is up to the profile.
        let _ = worker.stack(FIRST_LANE, id).await;
    }
    assert_eq!(
        sleeping.await.expect("a task").expect("it slept"),
        Value::Null
    );
    assert!(worker.stack(FIRST_LANE, id).await.is_empty(), "it is over");
    let next = one(&*worker, bench.call("echo", Args::positional([1]))).await;
    assert_eq!(next.expect("the next call"), Value::Int(1));
}

pub async fn giving_memory_back_comes_to_an_end(bench: &Bench) {
    let worker = bench.worker().await;
    worker.trim().await;
    let sleeping = begin(&worker, bench.call("sleep", Args::positional([0.2])));
    worker.trim().await;
    assert_eq!(
        sleeping.await.expect("a task").expect("it slept"),
        Value::Null
    );
    worker.abort("the test wants it so");
    worker.exited().await;
    worker.trim().await;
}
