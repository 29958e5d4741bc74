//! Promises about what a call asks of its caller's side, for profiles that know of it.

use std::sync::Arc;

use futures_util::stream::iter;
use tokio::sync::Notify;

use super::support::Bench;
use crate::error::{CallError, RemoteKind, ToolError};

pub async fn a_command_asks_a_tool_and_gets_its_answer(bench: &Bench) {
    if !bench.subject.tools {
        return;
    }
    let pool = bench.pool(1).await;
    pool.tool("double", |number: u32| async move {
        Ok::<_, ToolError>(2 * number)
    });
    pool.tool("fails", |_: u32| async { Err::<(), _>("on purpose") });
    let doubled: u32 = pool.call("ask", ("double", 21)).await.expect("an answer");
    assert_eq!(doubled, 42);
    for tool in ["fails", "unheard_of"] {
        match pool.call::<u32>("ask", (tool, 1)).await {
            Err(CallError::Remote(error)) => assert_eq!(error.kind, RemoteKind::Exception),
            other => panic!("{other:?} instead of an exception"),
        }
    }
    let again: u32 = pool.call("ask", ("double", 1)).await.expect("an answer");
    assert_eq!(again, 2);
}

pub async fn a_tool_is_dropped_with_the_call_it_works_for(bench: &Bench) {
    if !bench.subject.tools {
        return;
    }
    let pool = bench.pool(1).await;
    let begun = Arc::new(Notify::new());
    let seen = Arc::clone(&begun);
    pool.tool("hangs", move |_: u32| {
        seen.notify_one();
        std::future::pending::<Result<(), ToolError>>()
    });
    let calling = pool.clone();
    let call = tokio::spawn(async move { calling.call::<()>("ask", ("hangs", 1)).await });
    begun.notified().await;
    call.abort();
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("the next call"), 1);
}

pub async fn a_stream_is_an_argument(bench: &Bench) {
    if !bench.subject.tools {
        return;
    }
    let pool = bench.pool(1).await;
    for count in [0, 1, 500_u64] {
        let request = pool.request("total", ()).input("numbers", iter(0..count));
        let total: u64 = request.call().await.expect("a sum");
        assert_eq!(total, (0..count).sum::<u64>());
    }
}
