//! Promises about calls that are answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;

use super::support::{A_MOMENT, Bench, FOR_EVER, begin, one};
use crate::error::{CallError, Delivery, RemoteKind};
use crate::ids::LaneId;
use crate::value::{Args, Array, Map, Value};

/// Values that JSON has.
fn plain_values() -> Vec<Value> {
    let map = Map::from([
        ("b", Value::from(1)),
        ("a", Value::from([Value::Null, "x".into()])),
    ]);
    vec![
        Value::Null,
        true.into(),
        (-7).into(),
        i64::MIN.into(),
        0.1.into(),
        1.0.into(),
        1e300.into(),
        "".into(),
        "\"\\\n\u{0}é😀".into(),
        Value::List(vec![]),
        Map::new().into(),
        map.into(),
    ]
}

/// Values that JSON lacks.
fn other_values() -> Vec<Value> {
    let array = Array::new("<i2", vec![2, 1], Bytes::from_static(&[1, 0, 2, 0]));
    vec![
        u64::MAX.into(),
        u128::MAX.into(),
        f64::NAN.into(),
        f64::NEG_INFINITY.into(),
        (-0.0).into(),
        Bytes::from_static(b"\0\xff").into(),
        Value::Tuple(vec![1.into(), Value::Tuple(vec![])]),
        Value::Set(vec![1.into()]),
        Value::FrozenSet(vec!["a".into()]),
        Map::from([(Value::Int(1), "one"), (Value::Null, "null")]).into(),
        Map::from([("$", 1)]).into(),
        Value::Date("2026-11-22".parse().expect("a date")),
        Value::Time("12:30:00.000001".parse().expect("a time")),
        Value::DateTime(Box::new(
            "2026-11-22T12:30:00+01:00"
                .parse()
                .expect("a date and time"),
        )),
        Value::Duration("-PT0.000001S".parse().expect("a duration")),
        Value::Decimal("1.10".parse().expect("a decimal")),
        Value::Uuid(
            "02f0cb5a-475c-4dbb-8f3e-0b5a1c2d3e4f"
                .parse()
                .expect("a UUID"),
        ),
        array.expect("an array").into(),
    ]
}

pub async fn echo_returns_exactly_what_it_was_given(bench: &Bench) {
    let worker = bench.worker().await;
    let mut values = plain_values();
    if !bench.subject.json_only {
        values.extend(other_values());
    }
    values.push(Value::List(values.clone()));
    for value in values {
        let call = bench.call("echo", Args::positional([value.clone()]));
        match one(&*worker, call).await {
            Ok(echo) => assert_eq!(echo, value),
            Err(error) => panic!("{value:?} does not pass: {error}"),
        }
    }
}

pub async fn arguments_come_by_position_and_by_name(bench: &Bench) {
    let pool = bench.pool(1).await;
    let by_name = BTreeMap::from([("value", 7)]);
    assert_eq!(pool.call::<i64>("echo", by_name).await.expect("by name"), 7);
    assert_eq!(
        pool.call::<i64>("echo", (8,)).await.expect("by position"),
        8
    );
    let error = pool
        .call::<Value>("echo", (1, 2, 3))
        .await
        .expect_err("too many arguments");
    assert!(matches!(&error, CallError::Remote(_)), "{error:?}");
    assert_eq!(
        pool.call::<i64>("echo", 9).await.expect("after an error"),
        9
    );
}

pub async fn large_values_pass(bench: &Bench) {
    let pool = bench.pool(1).await;
    let text = "snake\u{1F40D} ".repeat(200_000);
    let echo: String = pool.call("echo", &text).await.expect("a large string");
    assert!(
        echo == text,
        "{} bytes came back as {}",
        text.len(),
        echo.len()
    );
}

pub async fn an_unknown_command_is_an_error_and_nothing_more(bench: &Bench) {
    let worker = bench.worker().await;
    let error = one(&*worker, bench.call("no_such_command", Args::none())).await;
    match error {
        Err(CallError::Remote(remote)) => assert_eq!(remote.kind, RemoteKind::UnknownCommand),
        other => panic!("{other:?} instead of an unknown command"),
    }
    one(&*worker, bench.call("echo", Args::positional([1])))
        .await
        .expect("the next call");
}

pub async fn an_exception_is_an_error_and_nothing_more(bench: &Bench) {
    let worker = bench.worker().await;
    let error = one(
        &*worker,
        bench.call("fail", Args::positional(["as you wish"])),
    )
    .await;
    match error {
        Err(CallError::Remote(remote)) => {
            assert_eq!(remote.kind, RemoteKind::Exception);
            assert!(remote.exception.message.contains("as you wish"), "{remote}");
        }
        other => panic!("{other:?} instead of an exception"),
    }
    one(&*worker, bench.call("echo", Args::positional([1])))
        .await
        .expect("the next call");
}

pub async fn each_answer_reaches_its_own_call(bench: &Bench) {
    let pool = bench.pool(2).await;
    let echoes = (0..200_u64).map(|number| pool.request("echo", number).call::<u64>());
    for (number, answer) in (0..).zip(join_all(echoes).await) {
        assert_eq!(answer.expect("echo"), number);
    }
}

pub async fn a_pool_of_two_runs_two_calls_at_the_same_time(bench: &Bench) {
    let pool = bench.pool(2).await;
    let lanes = pool.snapshot().lanes;
    let sleeping: Vec<_> = (1..lanes)
        .map(|_| tokio::spawn(pool.request("sleep", FOR_EVER).call::<()>()))
        .collect();
    while pool.snapshot().running < sleeping.len() {
        tokio::task::yield_now().await;
    }
    // Were the calls run one after the other, this one would wait for ever.
    assert_eq!(
        pool.call::<u8>("echo", 1)
            .await
            .expect("echo beside a sleeper"),
        1
    );
    pool.shutdown().await;
    for call in sleeping {
        assert!(
            call.await.expect("a task").is_err(),
            "it slept for ever in no time"
        );
    }
}

pub async fn every_lane_of_a_worker_runs_at_the_same_time(bench: &Bench) {
    let launched = bench.launch().await;
    let last = launched.hello.lanes - 1;
    let calls: Vec<_> = (0..last)
        .map(|lane| {
            let worker = Arc::clone(&launched.worker);
            let call = bench.call("sleep", Args::positional([FOR_EVER]));
            tokio::spawn(async move { worker.call(LaneId::new(lane), call).await })
        })
        .collect();
    tokio::time::sleep(A_MOMENT).await;
    let call = bench.call("echo", Args::positional([1]));
    launched
        .worker
        .call(LaneId::new(last), call)
        .await
        .expect("echo beside sleepers");
    launched.worker.abort("the sleepers may wake up");
    for call in calls {
        assert!(
            call.await.expect("a task").is_err(),
            "it slept for ever in no time"
        );
    }
}

pub async fn the_session_is_visible_to_the_command(bench: &Bench) {
    if !bench.subject.sessions {
        return;
    }
    let pool = bench.pool(1).await;
    let request = pool.request("session", ()).session("ada \"é\"");
    let seen: Option<String> = request.call().await.expect("a session");
    assert_eq!(seen.as_deref(), Some("ada \"é\""));
    let seen: Option<String> = pool.call("session", ()).await.expect("no session");
    assert_eq!(seen, None);
}

pub async fn a_call_past_its_deadline_never_runs(bench: &Bench) {
    let worker = bench.worker().await;
    let mut call = bench.call("count", Args::none());
    call.deadline = Some(Instant::now());
    tokio::time::sleep(Duration::from_millis(2)).await;
    let late = one(&*worker, call)
        .await
        .expect_err("a call that is too late");
    assert_eq!(late.delivery(), Delivery::NotSent, "{late}");
    let mut call = bench.call("count", Args::none());
    call.deadline = Some(Instant::now() + Duration::from_secs(60));
    assert_eq!(
        one(&*worker, call).await.expect("a call in time"),
        Value::Int(1)
    );
}

pub async fn a_busy_worker_answers_a_ping(bench: &Bench) {
    let worker = bench.worker().await;
    worker.ping().await.expect("a ping");
    let sleeping = begin(&worker, bench.call("sleep", Args::positional([FOR_EVER])));
    tokio::time::sleep(A_MOMENT).await;
    worker.ping().await.expect("a ping of a busy worker");
    worker.abort("the sleeper may wake up");
    worker.exited().await;
    worker
        .ping()
        .await
        .expect_err("a ping of a worker that is gone");
    sleeping
        .await
        .expect("a task")
        .expect_err("a call of a worker that is gone");
}
