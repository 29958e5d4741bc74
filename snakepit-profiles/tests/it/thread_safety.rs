//! Threads that use an object at the same time: what a pool tells of it, or does about it, and that it does not by default.

use std::sync::Arc;

use futures_util::future::try_join_all;
use snakepit_core::{Notice, Pool, WorkerProfile};
use snakepit_profiles::ThreadSafety;

use crate::support::{Pit, eventually};

async fn pool(pit: &Pit, thread_safety: Option<ThreadSafety>) -> Pool {
    let mut builder = pit.threads("overlapping.py").threads_per_worker(2);
    if let Some(thread_safety) = thread_safety {
        builder = builder.thread_safety(thread_safety);
    }
    start(builder.build()).await
}

async fn start(profile: impl WorkerProfile) -> Pool {
    let pool = Pool::builder("threads", Arc::new(profile)).size(1);
    let started = pool.start().await;
    started.unwrap_or_else(|error| panic!("{error}"))
}

/// The zygote ends with the pool.
async fn end(pool: Pool, pit: &Pit) {
    pool.shutdown().await;
    drop(pool);
    pit.assert_empty().await;
}

fn overlaps(pool: &Pool) -> Vec<Arc<Notice>> {
    let mut notices = pool.snapshot().notices;
    notices.retain(|notice| notice.code == "thread_safety.overlap");
    notices
}

async fn both(pool: &Pool, command: &str) {
    let calls = (0..2).map(|_| pool.call::<Option<u32>>(command, ()));
    try_join_all(calls).await.unwrap();
}

#[tokio::test]
async fn a_pool_that_warns_tells_once_where_two_lanes_use_an_object_at_once() {
    let pit = Pit::new();
    let pool = pool(&pit, Some(ThreadSafety::Warn)).await;
    both(&pool, "add").await;
    both(&pool, "meet").await;
    eventually(
        || !overlaps(&pool).is_empty(),
        || format!("{:?}", pool.snapshot()),
    )
    .await;
    for _ in 0..3 {
        both(&pool, "meet").await;
    }
    let told = overlaps(&pool);
    assert_eq!(told.len(), 1, "{told:?}");
    let message = &told[0].message;
    assert!(
        message.starts_with("one Meeting is used by two threads at once: Meeting.meet at "),
        "{message}"
    );
    assert_eq!(message.matches("overlapping.py:").count(), 2, "{message}");
    assert_eq!(message.matches(" in meet").count(), 2, "{message}");
    end(pool, &pit).await;
}

#[tokio::test]
async fn a_strict_pool_fails_the_later_of_two_calls_and_goes_on() {
    let pit = Pit::new();
    let pool = pool(&pit, Some(ThreadSafety::Strict)).await;
    let holding = pool.clone();
    let holding = tokio::spawn(async move { holding.call::<()>("hold", ()).await });
    let error = pool.call::<String>("touch", ()).await.unwrap_err();
    assert_eq!(error.code(), "call.exception");
    let text = error.to_string();
    for part in [
        "snakepit_bridge.ThreadSafetyError",
        "one Hold is used by two threads at once",
        "Hold.hold at ",
        "Hold.touch at ",
        " in touch",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    pool.call::<()>("let_go", ()).await.unwrap();
    holding.await.unwrap().unwrap();
    assert_eq!(pool.call::<String>("touch", ()).await.unwrap(), "touched");
    assert!(overlaps(&pool).is_empty());
    end(pool, &pit).await;
}

#[tokio::test]
async fn what_happens_while_lanes_are_set_up_is_told_too() {
    let pit = Pit::new();
    let builder = pit.threads("overlapping.py").threads_per_worker(2);
    let builder = builder.thread_safety(ThreadSafety::Warn);
    let pool = start(builder.env("MEET_IN_SETUP", "yes").build()).await;
    eventually(
        || overlaps(&pool).len() == 1,
        || format!("{:?}", pool.snapshot()),
    )
    .await;
    end(pool, &pit).await;
}

#[tokio::test]
async fn by_default_nothing_is_watched() {
    let pit = Pit::new();
    let pool = pool(&pit, None).await;
    assert!(!pool.call::<bool>("is_watched", ()).await.unwrap());
    both(&pool, "meet").await;
    assert!(overlaps(&pool).is_empty());
    end(pool, &pit).await;
}
