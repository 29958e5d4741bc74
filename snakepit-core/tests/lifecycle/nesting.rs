//! A tool may make calls of its own pool, and does not keep that pool.

use snakepit_core::error::ToolError;
use snakepit_core::testing::FakeProfile;
use snakepit_core::{Pool, Value};

use crate::support::{LONG, builder, started, until};

/// Offers a tool that makes a call of the pool.
fn offer_nested(pool: &Pool) {
    let weak = pool.downgrade();
    pool.tool("nested", move |value: Value| {
        let weak = weak.clone();
        async move {
            let gone = || ToolError::new("the pool is gone");
            let pool = weak.upgrade().ok_or_else(gone)?;
            let answer = pool.call::<Value>("echo", value).await;
            answer.map_err(ToolError::from_error)
        }
    });
}

#[tokio::test]
async fn a_tool_that_calls_its_own_pool_does_not_keep_it() {
    let profile = FakeProfile::new().lanes(2);
    let pool = started(&profile).await;
    offer_nested(&pool);
    let answer: u8 = pool.call("ask", ("nested", 7)).await.expect("an answer");
    assert_eq!(answer, 7);
    let weak = pool.downgrade();
    assert_eq!(
        weak.upgrade().map(|pool| pool.name().clone()),
        Some("p".into())
    );
    drop(pool);
    assert!(weak.upgrade().is_none());
    until(|| profile.alive() == 0).await;
}

#[tokio::test]
async fn a_pool_that_is_closed_lets_go_of_its_tools() {
    for drains in [false, true] {
        let profile = FakeProfile::new();
        let pool = builder(&profile).start().await.expect("it starts");
        let keep = |pool: &Pool| {
            let kept = pool.clone();
            pool.tool("keeps", move |()| {
                let kept = kept.clone();
                async move { Ok::<_, ToolError>(kept.snapshot().ready) }
            });
        };
        keep(&pool);
        if drains {
            pool.drain(LONG).await;
        } else {
            pool.shutdown().await;
        }
        assert_eq!(pool.tools(), []);
        keep(&pool);
        let weak = pool.downgrade();
        drop(pool);
        until(|| weak.upgrade().is_none()).await;
    }
}
