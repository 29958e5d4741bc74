//! Host tools of single sessions: whose calls meet them, and for how long.

use std::sync::Arc;
use std::time::Duration;

use snakepit_core::testing::FakeProfile;
use snakepit_core::{Pool, PoolSettings, Session, ToolError, ToolSpec};

use crate::support::until;

async fn pool(session_ttl: Duration) -> Pool {
    let settings = PoolSettings {
        size: 1,
        session_ttl,
        ..PoolSettings::default()
    };
    let builder = Pool::builder("tools", Arc::new(FakeProfile::new())).settings(settings);
    builder.start().await.unwrap()
}

const LONG: Duration = Duration::from_secs(600);

fn offer(session: &Session, answer: &'static str) {
    session.tool(
        "who",
        move |_: i32| async move { Ok::<_, ToolError>(answer) },
    );
}

/// Offers a tool that holds something for as long as it is there.
fn offer_holding(session: &Session, held: &Arc<()>) {
    let held = Arc::clone(held);
    session.tool("who", move |_: i32| {
        let is_held = Arc::strong_count(&held) > 1;
        async move { Ok::<_, ToolError>(if is_held { "a" } else { "" }) }
    });
}

/// What the session's calls get from the tool, or the error's text.
async fn who(session: &Session) -> String {
    let answer = session.call::<String>("ask", ("who", 1)).await;
    answer.unwrap_or_else(|error| error.to_string())
}

#[tokio::test]
async fn a_session_has_tools_of_its_own_which_hide_those_of_the_pool() {
    let pool = pool(LONG).await;
    let (a, b) = (pool.session("a"), pool.session("b"));
    offer(&a, "a");
    assert_eq!(who(&a).await, "a");
    assert!(who(&b).await.contains("there is no tool `who`"));
    pool.tool("who", |_: i32| async { Ok::<_, ToolError>("pool") });
    assert_eq!(
        (who(&a).await.as_str(), who(&b).await.as_str()),
        ("a", "pool")
    );
    let unnamed: String = pool.call("ask", ("who", 1)).await.unwrap();
    assert_eq!(unnamed, "pool");
    // Through whatever handle, replaced at any time, and behind the request's own.
    offer(&pool.session("a"), "a again");
    let named = pool.request("ask", ("who", 1)).session("a");
    assert_eq!(named.call::<String>().await.unwrap(), "a again");
    let own = a.request("ask", ("who", 1));
    let own = own.tool("who", |_: i32| async { Ok::<_, ToolError>("own") });
    assert_eq!(own.call::<String>().await.unwrap(), "own");
    let other = ToolSpec::new("other").with_doc("Of the pool.");
    pool.tool(other.clone(), |()| async { Ok::<_, ToolError>(()) });
    assert_eq!(a.tools(), [other, ToolSpec::new("who")]);
    pool.shutdown().await;
}

#[tokio::test]
async fn tools_end_with_their_session_however_it_ends() {
    let pool = pool(Duration::from_millis(50)).await;
    let session = pool.session("a");
    let held = Arc::new(());
    for closes in [true, false] {
        offer_holding(&session, &held);
        // Another may have been late: then this is the first call of the next session.
        let _ = who(&session).await;
        if closes {
            let _ = session.close().await;
        }
        until(|| Arc::strong_count(&held) == 1).await;
        assert!(who(&session).await.contains("there is no tool"));
    }
    pool.shutdown().await;
}

#[tokio::test]
async fn a_tool_waits_for_the_first_call_as_long_as_a_session_may_be_idle() {
    let pool = pool(Duration::ZERO).await;
    let session = pool.session("a");
    offer(&session, "a");
    assert!(who(&session).await.contains("there is no tool"));
    pool.shutdown().await;
}

#[tokio::test]
async fn a_pool_that_is_closed_holds_no_tool() {
    let pool = pool(LONG).await;
    let held = Arc::new(());
    let (used, unused) = (pool.session("a"), pool.session("b"));
    offer_holding(&used, &held);
    offer_holding(&unused, &held);
    assert_eq!(who(&used).await, "a");
    pool.shutdown().await;
    offer_holding(&used, &held);
    assert_eq!(Arc::strong_count(&held), 1);
}
