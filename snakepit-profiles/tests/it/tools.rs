//! Host tools, input streams and result streams through whole pools, on real interpreters.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use snakepit_core::error::{Rejection, ToolError};
use snakepit_core::value::Map;
use snakepit_core::{Args, CallError, MAX_DEPTH, Pool, PoolBuilder, Retry, ToolSpec, Value};

use crate::support::{LIMIT, Pit, eventually};

fn builder(pit: &Pit) -> PoolBuilder {
    let profile = pit.builder("tools.py").build();
    Pool::builder("tools", Arc::new(profile)).size(1)
}

async fn start(pit: &Pit) -> Pool {
    builder(pit).start().await.unwrap()
}

/// A pool of one worker with many lanes.
async fn wide(pit: &Pit, lanes: u16) -> Pool {
    let profile = pit.threads("tools.py").threads_per_worker(lanes).build();
    let pool = Pool::builder("tools", Arc::new(profile)).size(1);
    pool.start().await.unwrap()
}

async fn finish(pit: Pit, pool: Pool) {
    pool.shutdown().await;
    drop(pool);
    pit.assert_empty().await;
}

#[derive(Deserialize)]
struct Lookup {
    id: u32,
}

#[tokio::test]
async fn python_asks_typed_tools_by_position_and_by_name() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    pool.tool("lookup", |args: Lookup| async move {
        Ok::<_, ToolError>(format!("customer {}", args.id))
    });
    pool.tool("add", |(a, b): (i64, i64)| async move {
        Ok::<_, ToolError>(a + b)
    });
    let by_name = Args::positional(["lookup"]).with("id", 7);
    let answer: String = pool.request_values("ask", by_name).call().await.unwrap();
    assert_eq!(answer, "customer 7");
    let answer: String = pool.call("ask", ("lookup", 8)).await.unwrap();
    assert_eq!(answer, "customer 8");
    let answer: i64 = pool.call("ask", ("add", 1, 2)).await.unwrap();
    assert_eq!(answer, 3);
    finish(pit, pool).await;
}

#[tokio::test]
async fn values_pass_both_ways_exactly_however_large() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    pool.tool(
        "echo",
        |value: Value| async move { Ok::<_, ToolError>(value) },
    );
    for value in [
        Value::Null,
        Value::from(f64::NAN),
        Value::Tuple(vec![1.into(), "x".into()]),
        Bytes::from(vec![7; 5_000_000]).into(),
        "y".repeat(1_000_000).into(),
    ] {
        let answer: Value = pool.call("ask", ("echo", value.clone())).await.unwrap();
        assert_eq!(answer, value);
    }
    let many: Vec<u32> = pool.call("many", ("echo", 500)).await.unwrap();
    assert_eq!(many, (0..500).collect::<Vec<_>>());
    let gathered: Vec<u32> = pool.call("gathered", ("echo", 20)).await.unwrap();
    assert_eq!(gathered, (0..20).collect::<Vec<_>>());
    finish(pit, pool).await;
}

#[derive(Debug, Deserialize)]
struct Caught {
    message: String,
    code: String,
    tool: String,
    retry: String,
    hint: Option<String>,
}

#[tokio::test]
async fn errors_of_tools_arrive_typed_and_the_call_goes_on() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    pool.tool("lookup", |_: Lookup| async {
        let error = ToolError::new("no customer").with_code("crm.none");
        Err::<(), _>(error.with_retry(Retry::Later).with_hint("wait"))
    });
    pool.tool("text", |()| async { Err::<(), _>("only text") });
    pool.tool("panics", |()| async {
        assert!(Path::new("/").is_file(), "on purpose");
        Ok::<_, ToolError>(())
    });
    pool.tool("unsendable", |()| async { Ok::<_, ToolError>(stubborn()) });
    pool.tool("hangs", |()| {
        std::future::pending::<Result<(), ToolError>>()
    });

    let caught: Caught = pool.call("caught", ("lookup", 7)).await.unwrap();
    assert_eq!(
        (&*caught.message, &*caught.code),
        ("no customer", "crm.none")
    );
    assert_eq!((&*caught.tool, &*caught.retry), ("lookup", "later"));
    assert_eq!(caught.hint.as_deref(), Some("wait"));

    for (tool, code, message) in [
        ("text", "tool.failed", "only text"),
        (
            "panics",
            "tool.panicked",
            "tool `panics` panicked: on purpose",
        ),
        (
            "lokup",
            "tool.unknown",
            "there is no tool `lokup`; did you mean `lookup`?",
        ),
        ("unsendable", "tool.unserialisable", "a placeholder"),
    ] {
        let caught: Caught = pool.call("caught", (tool,)).await.unwrap();
        assert_eq!(caught.code, code);
        assert!(caught.message.contains(message), "{caught:?}");
    }
    let caught: Caught = pool.call("caught", ("lookup", "x")).await.unwrap();
    assert_eq!(caught.code, "tool.bad_arguments");
    assert!(caught.message.contains("`[0]`"), "{caught:?}");

    let error = pool.call::<()>("ask", ("text",)).await.unwrap_err();
    assert!(
        error.to_string().contains("ToolError: only text"),
        "{error}"
    );
    let error = pool.call::<()>("ask_within", (0.01, "hangs")).await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("did not answer within")
    );
    pool.call::<Vec<Value>>("tools", ()).await.unwrap();
    finish(pit, pool).await;
}

/// A value no host can send.
fn stubborn() -> Value {
    Value::Opaque(Box::new(snakepit_core::value::Opaque {
        type_name: "T".into(),
        repr: "<T>".into(),
    }))
}

#[tokio::test]
async fn tools_are_listed_and_a_request_has_its_own() {
    let pit = Pit::new();
    let spec = ToolSpec::new("shared")
        .with_doc("For all.")
        .with_schema(Map::from([("type", "object")]));
    let pool = builder(&pit)
        .tool(spec.clone(), |()| async { Ok::<_, ToolError>("shared") })
        .start()
        .await
        .unwrap();
    assert_eq!(pool.tools(), [spec.clone()]);
    let own = pool
        .request("tools", ())
        .tool("own", |()| async { Ok::<_, ToolError>(()) });
    let listed: Vec<Value> = own.call().await.unwrap();
    assert_eq!(listed, [ToolSpec::new("own").to_value(), spec.to_value()]);
    let hidden = pool.request("ask", ("shared",));
    let hidden = hidden.tool("shared", |()| async { Ok::<_, ToolError>("own") });
    assert_eq!(hidden.call::<String>().await.unwrap(), "own");
    assert_eq!(
        pool.call::<String>("ask", ("shared",)).await.unwrap(),
        "shared"
    );
    finish(pit, pool).await;
}

#[tokio::test]
async fn a_pool_without_tools_says_so() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    let caught: Caught = pool.call("caught", ("lookup",)).await.unwrap();
    assert_eq!(caught.code, "tool.unknown");
    assert!(caught.hint.unwrap().contains("Pool::tool"));
    assert!(
        pool.call::<Vec<Value>>("tools", ())
            .await
            .unwrap()
            .is_empty()
    );
    finish(pit, pool).await;
}

#[tokio::test]
async fn a_tool_that_calls_itself_for_ever_is_stopped() {
    let pit = Pit::new();
    let lanes = u16::try_from(MAX_DEPTH).unwrap() + 2;
    let pool = wide(&pit, lanes).await;
    let inner = pool.clone();
    pool.tool("deeper", move |()| {
        let pool = inner.clone();
        async move { pool.call::<Value>("deeper", ()).await }
    });
    let error = pool.call::<Value>("deeper", ()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&format!("takes no call inside of {MAX_DEPTH} others")),
        "{text}"
    );

    let inner = pool.clone();
    let reached = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&reached);
    pool.tool("deeper", move |()| {
        let (pool, seen) = (inner.clone(), Arc::clone(&seen));
        async move {
            seen.fetch_add(1, Ordering::SeqCst);
            let error = match pool.call::<Value>("deeper", ()).await {
                Err(CallError::Rejected { reason, .. }) => {
                    assert!(matches!(reason, Rejection::TooDeep { limit: MAX_DEPTH }));
                    "too deep".to_owned()
                }
                other => return Ok::<_, ToolError>(other.unwrap()),
            };
            Ok(error.into())
        }
    });
    let nested: Value = pool.call("deeper", ()).await.unwrap();
    assert!(format!("{nested:?}").contains("too deep"), "{nested:?}");
    assert_eq!(reached.load(Ordering::SeqCst), MAX_DEPTH as usize + 1);
    // The tool holds the pool it is a tool of.
    pool.tool("deeper", |()| async { Ok::<_, ToolError>(()) });
    finish(pit, pool).await;
}

#[tokio::test]
async fn calls_of_a_tool_have_the_deadline_of_the_call_it_works_for() {
    let pit = Pit::new();
    let pool = wide(&pit, 2).await;
    let inner = pool.clone();
    pool.tool("left", move |()| {
        let pool = inner.clone();
        async move { pool.call::<f64>("left", ()).await }
    });
    let request = pool
        .request("ask", ("left",))
        .timeout(Duration::from_secs(20));
    let left: f64 = request.call().await.unwrap();
    assert!((0.0..=20.0).contains(&left), "{left}");
    pool.tool("left", |()| async { Ok::<_, ToolError>(()) });
    finish(pit, pool).await;
}

/// Says when it is dropped.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_takes_its_tool_along_and_frees_its_lane() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    let (begun, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, guard) = (Arc::clone(&begun), Arc::clone(&dropped));
    pool.tool("hangs", move |()| {
        let guard = Guard(Arc::clone(&guard));
        seen.fetch_add(1, Ordering::SeqCst);
        async move {
            let _guard = guard;
            std::future::pending::<Result<(), ToolError>>().await
        }
    });
    for round in 1..=3 {
        let calling = pool.clone();
        let call = tokio::spawn(async move { calling.call::<()>("ask", ("hangs",)).await });
        eventually(
            || begun.load(Ordering::SeqCst) == round,
            || "never asked".into(),
        )
        .await;
        call.abort();
        eventually(
            || dropped.load(Ordering::SeqCst) == round,
            || "not dropped".into(),
        )
        .await;
        pool.call::<u64>("nap", (0,)).await.unwrap();
    }
    let timed = pool
        .request("ask", ("hangs",))
        .timeout(Duration::from_millis(50));
    assert_eq!(timed.call::<()>().await.unwrap_err().code(), "call.timeout");
    pool.call::<u64>("nap", (0,)).await.unwrap();
    assert_eq!(pool.snapshot().workers.len(), 1);
    assert_eq!(dropped.load(Ordering::SeqCst), 4);
    finish(pit, pool).await;
}

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
