//! Calls on one worker: answers, errors, streams, cancellation.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use snakepit_core::error::RemoteKind;
use snakepit_core::value::Map;
use snakepit_core::{Args, CallError, CancelGrace, Delivery, Quiesced, Reply, Value};

use crate::support::{LANE, LIMIT, Pit, eventually, poll_once};

/// Interrupts at once, then waits for as long as it takes.
const PATIENT: CancelGrace = CancelGrace::interrupt(LIMIT);

#[tokio::test]
async fn a_worker_answers_and_stops() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let launched = pit.launch(&profile).await;
    assert_eq!(launched.hello.lanes, 1);
    assert_eq!(launched.hello.launch, "zygote");
    assert!(
        launched.hello.runtime.starts_with("CPython 3."),
        "{}",
        launched.hello.runtime
    );
    assert!(
        launched
            .hello
            .commands
            .iter()
            .any(|command| command.name == "echo")
    );
    let worker = launched.worker;
    let values = [
        Value::Null,
        "héllo".into(),
        42.into(),
        1.5.into(),
        Bytes::from(vec![7; 300_000]).into(),
        Value::List(vec![1.into(), Map::from([("k", Value::Bool(true))]).into()]),
    ];
    for value in values {
        let answer = pit
            .call(&*worker, "echo", Args::positional([value.clone()]))
            .await
            .unwrap();
        assert_eq!(answer, value);
    }
    let pid = pit.call(&*worker, "pid", Args::none()).await.unwrap();
    assert_eq!(pid.as_u64(), launched.hello.process.map(u64::from));
    worker.ping().await.unwrap();
    let report = worker.stop(LIMIT).await;
    assert_eq!(report.cause(), "exit code 0");
    assert_eq!(worker.stop(LIMIT).await, report);
    assert_eq!(worker.ping().await.unwrap_err(), report);
    let error = pit.call(&*worker, "echo", Args::none()).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent, "{error}");
    drop((worker, profile));
    pit.assert_empty().await;
}

#[tokio::test]
async fn errors_come_typed_and_the_worker_goes_on() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let worker = pit.launch(&profile).await.worker;
    let error = pit
        .call(&*worker, "boom", Args::positional(["ouch"]))
        .await
        .unwrap_err();
    let CallError::Remote(remote) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (remote.kind, remote.to_string()),
        (RemoteKind::Exception, "ValueError: ouch".into())
    );
    assert_eq!(remote.exception.frames.last().unwrap().function, "boom");
    let error = pit.call(&*worker, "ecko", Args::none()).await.unwrap_err();
    assert_eq!(error.code(), "call.unknown_command");
    let error = pit.call(&*worker, "boom", Args::none()).await.unwrap_err();
    assert_eq!(error.code(), "call.bad_arguments");
    let mut late = pit.request("echo", Args::none());
    late.deadline = Some(Instant::now());
    assert_eq!(
        worker.call(LANE, late).await.unwrap_err().code(),
        "call.expired"
    );
    assert_eq!(
        pit.call(&*worker, "echo", Args::positional([1]))
            .await
            .unwrap(),
        1.into()
    );
}

#[tokio::test]
async fn too_large_either_way_is_an_error_and_harms_nothing() {
    let pit = Pit::new();
    let profile = pit.builder("basic.py").max_payload(100_000).build();
    let worker = pit.launch(&profile).await.worker;
    let large = || Value::from(Bytes::from(vec![0; 100_000]));
    let error = pit
        .call(&*worker, "echo", Args::positional([large()]))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.delivery()),
        ("call.encode", Delivery::NotSent)
    );
    let error = pit
        .call(&*worker, "zeros", Args::positional([100_000]))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "call.too_large");
    assert_eq!(
        pit.call(&*worker, "echo", Args::positional([1]))
            .await
            .unwrap(),
        1.into()
    );
}

#[tokio::test]
async fn large_payloads_pass_through_small_sockets() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let worker = pit.launch(&profile).await.worker;
    let parts: Vec<Value> = (0..600_u32)
        .map(|number| Bytes::from(number.to_le_bytes().repeat(2000)).into())
        .collect();
    let value = Value::List(parts);
    let answer = pit
        .call(&*worker, "echo", Args::positional([value.clone()]))
        .await
        .unwrap();
    assert_eq!(answer, value);
}

async fn stream(
    pit: &Pit,
    worker: &dyn snakepit_core::Worker,
    args: Args,
) -> (u64, snakepit_core::ReplyStream) {
    let call = pit.request("count", args).streaming();
    let id = call.id.get();
    match worker.call(LANE, call).await.unwrap() {
        Reply::Stream(stream) => (id, stream),
        Reply::One(value) => panic!("{value:?} instead of a stream"),
    }
}

#[tokio::test]
async fn a_stream_is_pulled_by_its_consumer() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let worker = pit.launch(&profile).await.worker;
    let (_, mut chunks) = stream(&pit, &*worker, Args::positional([1000])).await;
    for number in 0..20 {
        assert_eq!(chunks.next().await.unwrap().unwrap(), number.into());
    }
    // Nobody asks: the worker may be ahead by what it was granted, and no further.
    let produced = || {
        pit.lines()
            .iter()
            .filter(|line| line.text == "made")
            .count()
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    let ahead = produced();
    assert!(
        ahead <= 20 + 16 + 8,
        "{ahead} chunks were made for 20 that were taken"
    );
    let rest: Vec<_> = chunks.map(Result::unwrap).collect().await;
    assert_eq!(rest, (20..1000).map(Value::from).collect::<Vec<_>>());
    assert_eq!(
        pit.call(&*worker, "count", Args::positional([3]))
            .await
            .unwrap(),
        vec![0, 1, 2].into()
    );
}

#[tokio::test]
async fn a_stream_that_fails_ends_with_the_error() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let worker = pit.launch(&profile).await.worker;
    let (_, chunks) = stream(&pit, &*worker, Args::positional([3]).with("fail", true)).await;
    let seen: Vec<_> = chunks.collect().await;
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[3].as_ref().unwrap_err().code(), "call.exception");
    assert_eq!(
        pit.call(&*worker, "echo", Args::positional([1]))
            .await
            .unwrap(),
        1.into()
    );
}

#[tokio::test]
async fn an_abandoned_stream_is_cancelled_wherever_it_stands() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let worker = pit.launch(&profile).await.worker;
    for taken in [0, 1, 8, 15, 16, 17, 24, 40] {
        let (id, mut chunks) = stream(&pit, &*worker, Args::positional([1_000_000])).await;
        for _ in 0..taken {
            chunks.next().await.unwrap().unwrap();
        }
        drop(chunks);
        let quiesced = worker
            .cancel(LANE, snakepit_core::CallId::new(id), PATIENT)
            .await;
        assert_eq!(quiesced, Quiesced::Clean, "after {taken}");
        let answer = pit
            .call(&*worker, "echo", Args::positional([taken]))
            .await
            .unwrap();
        assert_eq!(answer, taken.into());
    }
}

/// Polls a call a number of times, then drops it and cancels it. Whatever happened, the next answer is the next call's.
#[tokio::test]
async fn a_call_dropped_at_any_point_never_answers_another() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let worker = pit.launch(&profile).await.worker;
    let large = Value::from(Bytes::from(vec![1; 3_000_000]));
    for (command, argument) in [
        ("echo", Value::from(1)),
        ("nap", 10.into()),
        ("echo", large),
    ] {
        for polls in 0..40 {
            let call = pit.request(command, Args::positional([argument.clone()]));
            let id = call.id;
            let mut future = worker.call(LANE, call);
            for _ in 0..polls {
                if poll_once(&mut future).await {
                    break;
                }
            }
            drop(future);
            assert_eq!(worker.cancel(LANE, id, PATIENT).await, Quiesced::Clean);
            let answer = pit
                .call(&*worker, "echo", Args::positional([polls]))
                .await
                .unwrap();
            assert_eq!(answer, polls.into());
        }
    }
}

#[tokio::test]
async fn a_cancelled_nap_ends_early() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let worker = pit.launch(&profile).await.worker;
    let call = pit.request("nap", Args::positional([1000]));
    let id = call.id;
    let future = worker.call(LANE, call);
    tokio::time::timeout(Duration::from_millis(50), future)
        .await
        .unwrap_err();
    assert_eq!(worker.cancel(LANE, id, PATIENT).await, Quiesced::Clean);
    assert_eq!(
        worker.cancel(LANE, id, PATIENT).await,
        Quiesced::Clean,
        "it ended meanwhile"
    );
    worker.ping().await.unwrap();
}

#[tokio::test]
async fn a_call_that_ignores_cancel_is_stuck() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let worker = pit.launch(&profile).await.worker;
    let call = pit.request("deaf", Args::positional([1000]));
    let id = call.id;
    let future = worker.call(LANE, call);
    tokio::time::timeout(Duration::from_millis(50), future)
        .await
        .unwrap_err();
    let grace = CancelGrace::interrupt(Duration::from_millis(100));
    assert_eq!(worker.cancel(LANE, id, grace).await, Quiesced::Stuck);
    worker.ping().await.unwrap();
    worker.abort("it would not let go");
    let report = worker.exited().await;
    assert_eq!(report.cause(), "it would not let go (SIGKILL)");
    drop((worker, profile));
    pit.assert_empty().await;
}

#[tokio::test]
async fn output_comes_with_its_call() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let worker = pit.launch(&profile).await.worker;
    let call = pit.request("speak", Args::none());
    let id = call.id;
    worker.call(LANE, call).await.unwrap();
    for text in ["printed", "complained", "noted", "written"] {
        let heard = || pit.lines().into_iter().find(|line| line.text == text);
        eventually(
            || heard().is_some(),
            || format!("no `{text}` in {:?}", pit.lines()),
        )
        .await;
        assert_eq!(heard().unwrap().call, Some(id), "{text}");
    }
}
