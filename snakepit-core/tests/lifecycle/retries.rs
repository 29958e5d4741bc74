//! Trying again: what a retry may cost in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use snakepit_core::Pool;

use crate::odd::Odd;
use crate::support::{LONG, until};

#[tokio::test]
async fn time_spent_running_is_not_time_spent_waiting() {
    let patience = Duration::from_millis(500);
    let profile = Odd::default();
    let pool = Pool::builder("p", Arc::new(profile.clone()))
        .size(1)
        .queue_timeout(patience)
        .request_timeout(LONG);
    let pool = pool.start().await.expect("it starts");
    let call = pool.request("die_once", ()).idempotent(true);
    let call = tokio::spawn(call.call::<Option<u8>>());
    until(|| pool.snapshot().running == 1).await;
    let began = Instant::now();
    until(|| began.elapsed() > patience).await;
    profile.die.notify_one();
    let answer = call.await.expect("a task");
    assert_eq!(answer.expect("a second try"), None);
    assert_eq!(profile.inner.launches(), 2);
}
