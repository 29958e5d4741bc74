//! Workers are told of sessions that ended, whatever the pool's settings are.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use snakepit_core::testing::FakeProfile;
use snakepit_core::{LaunchContext, LaunchError, Launched, Pool, WorkerProfile};

use crate::support::{LONG, until};

/// A profile whose workers keep something for sessions.
#[derive(Debug)]
struct Keeper(FakeProfile);

#[async_trait]
impl WorkerProfile for Keeper {
    fn kind(&self) -> &'static str {
        "keeper"
    }

    async fn launch(&self, cx: LaunchContext) -> Result<Launched, LaunchError> {
        let mut launched = self.0.launch(cx).await?;
        launched.hello.keeps_sessions = true;
        Ok(launched)
    }
}

// With a thread for the test: what it is about would keep the other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_without_time_for_calls_has_some_for_farewells() {
    let profile = FakeProfile::new();
    let pool = Pool::builder("p", Arc::new(Keeper(profile.clone())))
        .size(1)
        .request_timeout(Duration::ZERO);
    let pool = pool.start().await.expect("it starts");
    let call = pool.request("echo", 1).session("s").timeout(LONG);
    call.call::<u8>().await.expect("a call");
    pool.close_session("s").await.expect("it is open");
    until(|| profile.executed() == 2).await;
}
