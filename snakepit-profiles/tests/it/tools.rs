//! Host tools through whole pools, on real interpreters.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use snakepit_core::error::{Rejection, ToolError};
use snakepit_core::value::Map;
use snakepit_core::{Args, CallError, MAX_DEPTH, Pool, PoolBuilder, Retry, ToolSpec, Value};

use crate::support::{Pit, eventually};

fn builder(pit: &Pit) -> PoolBuilder {
    let profile = pit.builder("tools.py").build();
    Pool::builder("tools", Arc::new(profile)).size(1)
}

pub(crate) async fn start(pit: &Pit) -> Pool {
    builder(pit).start().await.unwrap()
}

/// A pool of one worker with many lanes.
async fn wide(pit: &Pit, lanes: u16) -> Pool {
    let profile = pit.threads("tools.py").threads_per_worker(lanes).build();
    let pool = Pool::builder("tools", Arc::new(profile)).size(1);
    pool.start().await.unwrap()
}

pub(crate) async fn finish(pit: Pit, pool: Pool) {
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

/// Arguments, a result and an error, none of which works.
struct Broken;

impl<'de> Deserialize<'de> for Broken {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("while it is read")
    }
}

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("while it is written")
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("while it is described")
    }
}

#[tokio::test]
async fn what_panics_in_the_types_of_a_tool_is_told_to_python_and_the_call_goes_on() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    pool.tool("read", |_: Broken| async { Ok::<_, ToolError>(()) });
    pool.tool("written", |()| async { Ok::<_, ToolError>(Broken) });
    pool.tool("described", |()| async { Err::<(), _>(Broken) });
    for tool in ["read", "written", "described"] {
        let caught: Caught = pool.call("caught", (tool,)).await.unwrap();
        assert_eq!(caught.code, "tool.panicked");
        let message = format!("tool `{tool}` panicked: while it is {tool}");
        assert_eq!(caught.message, message);
    }
    finish(pit, pool).await;
}

/// A value no host can send.
pub(crate) fn stubborn() -> Value {
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
    assert_eq!(pool.tools(), std::slice::from_ref(&spec));
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
async fn a_session_has_its_own_tools_until_it_ends() {
    let pit = Pit::new();
    let pool = wide(&pit, 2).await;
    pool.tool("who", |()| async { Ok::<_, ToolError>("pool") });
    let (ada, bob) = (pool.session("ada"), pool.session("bob"));
    ada.tool("who", |()| async { Ok::<_, ToolError>("ada") });
    let hers = ToolSpec::new("hers").with_doc("Of one session.");
    ada.tool(
        hers.clone(),
        |id: u32| async move { Ok::<_, ToolError>(id) },
    );
    let who = |session: &snakepit_core::Session| session.request("ask", ("who",)).call::<String>();
    let (one, other) = tokio::join!(who(&ada), who(&bob));
    assert_eq!(
        (one.unwrap(), other.unwrap()),
        ("ada".into(), "pool".into())
    );
    assert_eq!(ada.call::<u32>("ask", ("hers", 7)).await.unwrap(), 7);
    let listed: Vec<Value> = ada.call("tools", ()).await.unwrap();
    assert_eq!(listed, [hers.to_value(), ToolSpec::new("who").to_value()]);
    let caught: Caught = bob.call("caught", ("hers", 7)).await.unwrap();
    assert_eq!(caught.code, "tool.unknown");
    assert_eq!(caught.hint.as_deref(), Some("the tools are: who"));
    ada.close().await.unwrap();
    assert_eq!(who(&ada).await.unwrap(), "pool");
    drop((ada, bob));
    finish(pit, pool).await;
}

#[tokio::test]
async fn a_pool_without_tools_says_so() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    let caught: Caught = pool.call("caught", ("lookup",)).await.unwrap();
    assert_eq!(caught.code, "tool.unknown");
    assert!(
        caught
            .hint
            .unwrap()
            .contains("`Pool::tool` or `Session::tool`")
    );
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
    let weak = pool.downgrade();
    pool.tool("deeper", move |()| {
        let pool = weak.upgrade().unwrap();
        async move { pool.call::<Value>("deeper", ()).await }
    });
    let error = pool.call::<Value>("deeper", ()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&format!("takes no call inside of {MAX_DEPTH} others")),
        "{text}"
    );

    let weak = pool.downgrade();
    let reached = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&reached);
    pool.tool("deeper", move |()| {
        let (pool, seen) = (weak.upgrade().unwrap(), Arc::clone(&seen));
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
    finish(pit, pool).await;
}

#[tokio::test]
async fn calls_of_a_tool_have_the_deadline_of_the_call_it_works_for() {
    let pit = Pit::new();
    let pool = wide(&pit, 2).await;
    let weak = pool.downgrade();
    pool.tool("left", move |()| {
        let pool = weak.upgrade().unwrap();
        async move { pool.call::<f64>("left", ()).await }
    });
    let request = pool
        .request("ask", ("left",))
        .timeout(Duration::from_secs(20));
    let left: f64 = request.call().await.unwrap();
    assert!((0.0..=20.0).contains(&left), "{left}");
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
