//! Promises about calls that are answered with a stream.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::sleep;

use super::support::{Bench, FIRST_LANE, one};
use crate::error::{CallError, RemoteKind};
use crate::value::{Args, Value};
use crate::worker::{Reply, ReplyStream, Worker};

/// A stream on the first lane; a plain answer counts as a stream of one.
async fn stream(bench: &Bench, worker: &dyn Worker, command: &str, argument: u64) -> ReplyStream {
    let call = bench
        .call(command, Args::positional([argument]))
        .streaming();
    match worker.call(FIRST_LANE, call).await.expect("a stream") {
        Reply::Stream(stream) => stream,
        Reply::One(value) => futures_util::stream::iter([Ok(value)]).boxed(),
    }
}

pub async fn a_stream_comes_in_order(bench: &Bench) {
    if !bench.subject.streams {
        return;
    }
    let pool = bench.pool(1).await;
    for count in [0, 1, 500] {
        let mut stream = pool
            .stream::<u64>("numbers", count)
            .await
            .expect("a stream");
        for number in 0..count {
            assert_eq!(
                stream.next().await.expect("an item").expect("a number"),
                number
            );
        }
        assert!(stream.next().await.is_none());
    }
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("after streams"), 1);
}

pub async fn a_stream_waits_for_its_reader(bench: &Bench) {
    if !bench.subject.streams {
        return;
    }
    let worker = bench.worker().await;
    let mut numbers = stream(bench, &*worker, "numbers", 2000).await;
    for number in 0..2000_u64 {
        if number % 500 == 10 {
            // Longer than the worker needs to produce as much as it may.
            sleep(Duration::from_millis(30)).await;
        }
        let item = numbers.next().await.expect("an item").expect("a number");
        assert_eq!(item, Value::from(number));
    }
    assert!(numbers.next().await.is_none());
}

pub async fn an_error_ends_a_stream_and_nothing_more(bench: &Bench) {
    if !bench.subject.streams {
        return;
    }
    let worker = bench.worker().await;
    let mut numbers = stream(bench, &*worker, "broken_numbers", 3).await;
    for number in 0..3 {
        let item = numbers.next().await.expect("an item").expect("a number");
        assert_eq!(item, Value::Int(number));
    }
    match numbers.next().await {
        Some(Err(CallError::Remote(error))) => assert_eq!(error.kind, RemoteKind::Exception),
        other => panic!("{other:?} instead of an exception"),
    }
    assert!(
        numbers.next().await.is_none(),
        "something follows the error"
    );
    drop(numbers);
    let echo = bench.call("echo", Args::positional([1]));
    assert_eq!(
        one(&*worker, echo).await.expect("the next call"),
        Value::Int(1)
    );
}

pub async fn a_stream_called_plainly_is_a_list(bench: &Bench) {
    if !bench.subject.streams {
        return;
    }
    let worker = bench.worker().await;
    let numbers = one(&*worker, bench.call("numbers", Args::positional([3]))).await;
    assert_eq!(numbers.expect("a list"), Value::from([0, 1, 2]));
    let broken = one(
        &*worker,
        bench.call("broken_numbers", Args::positional([3])),
    )
    .await;
    assert!(matches!(&broken, Err(CallError::Remote(_))), "{broken:?}");
}

pub async fn a_plain_command_asked_for_a_stream_yields_one_value(bench: &Bench) {
    if !bench.subject.streams {
        return;
    }
    let worker = bench.worker().await;
    let mut echo = stream(bench, &*worker, "echo", 7).await;
    assert_eq!(
        echo.next().await.expect("an item").expect("a value"),
        Value::Int(7)
    );
    assert!(echo.next().await.is_none());
    drop(echo);
    let again = one(&*worker, bench.call("echo", Args::positional([8]))).await;
    assert_eq!(again.expect("the next call"), Value::Int(8));
}
