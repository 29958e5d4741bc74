//! Streams through whole pools, on real interpreters: results, inputs, both at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use snakepit_core::error::ToolError;
use snakepit_core::{Args, Value};

use crate::support::{LIMIT, Pit, eventually};
use crate::tools::{finish, start, stubborn};

#[tokio::test]
async fn a_stream_arrives_as_an_iterator() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    for command in ["total", "async_total"] {
        for count in [0_u32, 1, 1000] {
            let request = pool.request(command, ());
            let total: u32 = request
                .input("numbers", stream::iter(0..count))
                .call()
                .await
                .unwrap();
            assert_eq!(total, (0..count).sum::<u32>());
        }
    }
    let large = stream::iter(vec![Bytes::from(vec![1; 700_000]); 9]).map(Value::from);
    let lengths: Vec<u32> = pool
        .request("lengths", ())
        .input("numbers", large)
        .call()
        .await
        .unwrap();
    assert_eq!(lengths, [700_000; 9]);
    finish(pit, pool).await;
}

#[tokio::test]
async fn items_nobody_asks_for_are_never_polled() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    let polled = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&polled);
    let numbers = stream::iter(0..1_000_000).inspect(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let first: u32 = pool
        .request("first", ())
        .input("numbers", numbers)
        .call()
        .await
        .unwrap();
    assert_eq!(first, 0);
    assert!(polled.load(Ordering::SeqCst) <= 16);
    // And the lane is as good as new.
    assert_eq!(
        pool.request("total", ())
            .input("numbers", stream::iter([1, 2]))
            .call::<u8>()
            .await
            .unwrap(),
        3
    );
    finish(pit, pool).await;
}

#[tokio::test]
async fn an_error_in_a_stream_is_raised_where_the_item_would_be() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    let numbers = stream::iter([
        Ok(1),
        Ok(2),
        Err(ToolError::new("dried up").with_code("acme.dry")),
        Ok(3),
    ]);
    let request = pool
        .request("until_error", ())
        .try_input("numbers", numbers);
    let (seen, message, code): (Vec<u8>, String, String) = request.call().await.unwrap();
    assert_eq!(
        (&*seen, &*message, &*code),
        (&[1, 2][..], "dried up", "acme.dry")
    );
    let unsendable = stream::iter([stubborn()]);
    let request = pool.request("until_error", ()).input("numbers", unsendable);
    let (_, _, code): (Vec<u8>, String, String) = request.call().await.unwrap();
    assert_eq!(code, "input.unserialisable");
    let twice = pool
        .request_values("total", Args::none().with("numbers", 1))
        .input("numbers", stream::iter([1]));
    assert_eq!(twice.call::<u8>().await.unwrap_err().code(), "call.encode");
    finish(pit, pool).await;
}

#[tokio::test]
async fn streams_go_both_ways_at_the_same_time() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    pool.tool("double", |number: u32| async move {
        Ok::<_, ToolError>(2 * number)
    });
    let doubled = pool
        .request("doubled", ())
        .input("numbers", stream::iter(0..500_u32));
    let doubled: Vec<u32> = doubled
        .stream::<u32>()
        .await
        .unwrap()
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(
        doubled,
        (0..500).map(|number| 2 * number).collect::<Vec<_>>()
    );
    let asked = pool
        .stream::<u32>("asked_between", ("double", 100))
        .await
        .unwrap();
    let asked: Vec<u32> = asked.map(Result::unwrap).collect().await;
    assert_eq!(asked, (0..100).map(|number| 2 * number).collect::<Vec<_>>());
    // Chunks far larger than any socket, while items as large are on their way.
    let large = stream::iter(vec!["x".repeat(300_000); 20]);
    let doubled = pool
        .request("doubled", ())
        .input("numbers", large)
        .stream::<String>()
        .await
        .unwrap();
    let lengths: Vec<usize> = doubled.map(|chunk| chunk.unwrap().len()).collect().await;
    assert_eq!(lengths, [600_000; 20]);
    finish(pit, pool).await;
}

#[tokio::test]
async fn a_call_whose_input_was_read_is_not_tried_again() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    let polled = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&polled);
    let numbers = stream::iter(0..10).inspect(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let request = pool
        .request("dies", ())
        .idempotent(true)
        .input("numbers", numbers);
    assert_eq!(
        request.call::<()>().await.unwrap_err().code(),
        "call.worker_lost"
    );
    assert!(polled.load(Ordering::SeqCst) <= 10);
    finish(pit, pool).await;
}

#[tokio::test]
async fn what_a_generator_yielded_before_it_raised_is_kept() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    for chunk in [0_u32, 1, 16, 17, 100] {
        let mut stream = pool.stream::<u32>("breaks_at", (chunk,)).await.unwrap();
        for expected in 0..chunk {
            assert_eq!(stream.next().await.unwrap().unwrap(), expected);
        }
        let error = stream.next().await.unwrap().unwrap_err();
        assert!(
            error.to_string().contains(&format!("broke at {chunk}")),
            "{error}"
        );
        assert!(stream.next().await.is_none(), "one terminator");
    }
    finish(pit, pool).await;
}

#[tokio::test]
async fn a_consumer_that_vanishes_stops_the_generator_within_its_credit() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    let folder = tempfile::tempdir().unwrap();
    // One that has begun: before that there is no `finally`.
    for taken in [1, 40] {
        let path = folder.path().join(format!("{taken}"));
        let mut stream = pool
            .stream::<u32>("noted", (path.to_str().unwrap(),))
            .await
            .unwrap();
        for expected in 1..=taken {
            assert_eq!(stream.next().await.unwrap().unwrap(), expected);
        }
        drop(stream);
        let made = || {
            std::fs::read_to_string(&path)
                .ok()
                .and_then(|text| text.parse::<u32>().ok())
        };
        eventually(|| made().is_some(), || "`finally` did not run".into()).await;
        // Those taken, those under way, and the one that waits.
        let most = taken + 8 * snakepit_profiles::frame::FREE_CHUNKS + 1;
        assert!(made().unwrap() <= most, "{:?}", made());
    }
    pool.call::<u64>("nap", (0,)).await.unwrap();
    assert_eq!(pool.snapshot().lanes, 1);
    tokio::time::timeout(LIMIT, finish(pit, pool))
        .await
        .unwrap();
}
