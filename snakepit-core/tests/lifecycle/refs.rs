//! Handles on objects that stay in a worker: whose they are, when they expire, and that dropping them is told.

use std::collections::BTreeMap;

use snakepit_core::error::{Delivery, RefError};
use snakepit_core::testing::FakeProfile;
use snakepit_core::{Affinity, CallError, ObjectRef, Pool, Session, Value};

use crate::support::{LONG, begin, builder, failed, started, until};

async fn kept(session: &Session, value: &str) -> ObjectRef {
    let request = session.request("echo", value);
    request.keep().await.expect("a handle")
}

fn kept_by(profile: &FakeProfile) -> usize {
    profile.workers().iter().map(|worker| worker.kept()).sum()
}

fn expired(error: CallError) -> String {
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("make the object anew"))
    );
    match error {
        CallError::Ref(RefError::Expired { why, .. }) => why,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_result_that_is_kept_is_fetched_by_its_handle() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let session = pool.session("s");
    let handle = kept(&session, "here").await;
    assert_eq!(format!("{handle:?}"), r#"ObjectRef(a string: "here")"#);
    assert_eq!(handle.session().map(Session::id), Some(session.id()));
    assert_eq!(handle.get::<String>().await.expect("a value"), "here");
    let again: BTreeMap<String, ObjectRef> = session
        .call("echo", (BTreeMap::from([("again", &handle)]),))
        .await
        .expect("a handle within a map");
    assert_eq!(again["again"], handle);
}

#[tokio::test]
async fn the_object_goes_with_the_last_clone_of_its_handle() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let session = pool.session("s");
    let handles = [kept(&session, "a").await, kept(&session, "b").await];
    let clone = handles[0].clone();
    assert_eq!(kept_by(&profile), 2);
    drop(handles);
    until(|| kept_by(&profile) == 1).await;
    assert_eq!(clone.get::<String>().await.expect("a value"), "a");
    // Nobody waits for a busy worker, and it is told all the same.
    let busy = begin(&pool, "sleep").await;
    drop(clone);
    assert_eq!(kept_by(&profile), 1);
    busy.abort();
    until(|| kept_by(&profile) == 0).await;
}

#[tokio::test]
async fn handles_expire_with_their_session() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let session = pool.session("s");
    let handle = kept(&session, "a").await;
    assert!(!handle.is_expired());
    session.close().await.expect("it is open");
    assert!(handle.is_expired());
    let before = profile.executed();
    let error = failed(handle.get::<Value>().await, "call.expired_ref");
    assert_eq!(expired(error), "session `s` has ended");
    session
        .call::<u8>("echo", 1)
        .await
        .expect("another session of that name");
    expired(failed(
        session.call::<Value>("echo", &handle).await,
        "call.expired_ref",
    ));
    assert_eq!(profile.executed(), before + 1);
    drop(handle);
    until(|| kept_by(&profile) == 0).await;
}

#[tokio::test]
async fn handles_expire_with_their_worker_also_for_calls_that_wait() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let handle = kept(&pool.session("s"), "a").await;
    let busy = begin(&pool, "sleep").await;
    let waits = tokio::spawn({
        let handle = handle.clone();
        async move { handle.get::<Value>().await }
    });
    until(|| pool.snapshot().queued == 1).await;
    profile.workers()[0].crash();
    let why = expired(failed(waits.await.expect("a task"), "call.expired_ref"));
    assert!(why.contains("it was on worker 1"), "{why}");
    busy.await.expect("a task").expect_err("its worker died");
    assert!(handle.is_expired());
    expired(failed(handle.get::<Value>().await, "call.expired_ref"));
}

#[tokio::test]
async fn a_handle_is_for_its_session_only() {
    let profile = FakeProfile::new();
    let (pool, other) = (started(&profile).await, started(&FakeProfile::new()).await);
    let handle = kept(&pool.session("s"), "a").await;
    let before = profile.executed();
    let refused = |result: Result<Value, CallError>| {
        let error = failed(result, "call.foreign_ref");
        assert_eq!(error.delivery(), Delivery::NotSent);
        assert!(
            error.to_string().contains("session `s` of pool `p`"),
            "{error}"
        );
    };
    refused(pool.call("echo", &handle).await);
    refused(pool.session("t").call("echo", (vec![&handle],)).await);
    refused(other.session("s").call("echo", &handle).await);
    let nobodys = ObjectRef::new(1, "t", "r");
    failed(nobodys.get::<Value>().await, "call.foreign_ref");
    failed(
        pool.session("s").call::<Value>("echo", &nobodys).await,
        "call.foreign_ref",
    );
    assert!(nobodys.is_expired());
    assert_eq!(profile.executed(), before);
    let error = failed(pool.request("echo", 1).keep().await, "call.not_kept");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("name a session"))
    );
}

/// A pool of two workers, and a handle on each of them in one session.
async fn on_both(profile: &FakeProfile) -> (Pool, Session, [ObjectRef; 2]) {
    let pool = builder(profile).size(2).start().await.expect("it starts");
    pool.ready().await.expect("both");
    let session = pool.session("s").affinity(Affinity::Hint);
    let one = kept(&session, "one").await;
    // With its worker busy a hinted session takes the other.
    let before = pool.snapshot().running;
    let busy = tokio::spawn(session.request("sleep", 600).call::<Value>());
    until(|| pool.snapshot().running > before).await;
    let other = kept(&session, "other").await;
    busy.abort();
    until(|| pool.snapshot().running == 0).await;
    (pool, session, [one, other])
}

#[tokio::test]
async fn calls_go_where_the_objects_are_whatever_the_affinity() {
    let profile = FakeProfile::new();
    let (pool, session, [one, other]) = on_both(&profile).await;
    for _ in 0..3 {
        assert_eq!(one.get::<String>().await.expect("a value"), "one");
        assert_eq!(other.get::<String>().await.expect("a value"), "other");
    }
    let error = failed(
        session.call::<Value>("echo", (vec![&one, &other],)).await,
        "call.foreign_ref",
    );
    assert!(
        matches!(error, CallError::Ref(RefError::Apart { .. })),
        "{error}"
    );
    drop((one, other));
    until(|| kept_by(&profile) == 0).await;
    pool.drain(LONG).await;
}

#[tokio::test]
async fn a_worker_with_objects_is_not_replaced_before_its_session_had_time_for_them() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let handle = kept(&pool.session("s").affinity(Affinity::Hint), "a").await;
    let worker = pool.snapshot().workers[0].worker;
    pool.recycle(worker).expect("it serves");
    until(|| {
        pool.snapshot()
            .workers
            .iter()
            .filter(|one| ["ready", "due"].contains(&one.state))
            .count()
            == 2
    })
    .await;
    assert_eq!(handle.get::<String>().await.expect("a value"), "a");
    assert_eq!(
        pool.snapshot().workers.len(),
        2,
        "it stays for `session_drain`"
    );
    drop(handle);
    until(|| kept_by(&profile) == 0).await;
}
