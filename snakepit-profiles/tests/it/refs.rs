//! Handles on Python objects in pools of real workers: they are the objects, they expire, and dropping them lets go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;
use snakepit_core::error::Delivery;
use snakepit_core::{CallError, ObjectRef, Pool, PoolSettings, Session, Value, WorkerProfile};

use crate::support::{LIMIT, Pit, eventually, kill};

async fn pool(profile: impl WorkerProfile, size: usize) -> Pool {
    let settings = PoolSettings {
        size,
        queue_timeout: LIMIT,
        ..PoolSettings::default()
    };
    let builder = Pool::builder("refs", Arc::new(profile)).settings(settings);
    builder
        .start()
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn train(session: &Session, name: &str) -> ObjectRef {
    let request = session.request("train", name);
    request
        .keep()
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Waits until Python has let go of these.
async fn gone(session: &Session, names: &[&str]) {
    let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.sort();
    let all = async {
        loop {
            let mut gone: Vec<String> = session.call("gone", ()).await.unwrap();
            gone.sort();
            if gone == names {
                return;
            }
        }
    };
    let found = tokio::time::timeout(LIMIT, all).await;
    found.unwrap_or_else(|_| panic!("{names:?}"));
}

fn refused<T: std::fmt::Debug>(result: Result<T, CallError>, code: &str) -> CallError {
    let error = result.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    let is_usage = code == "call.bad_arguments" || code == "call.unserialisable";
    assert!(is_usage || error.hint().is_some(), "{error}");
    error
}

async fn objects_are_used_and_let_go_of(profile: impl WorkerProfile, pit: &Pit) {
    let pool = pool(profile, 2).await;
    let session = pool.session("s");
    let model = train(&session, "m").await;
    assert_eq!(format!("{model:?}"), "ObjectRef(refs.Model: <Model m>)");
    let predicted: String = model.call("predict", 3).await.unwrap();
    assert_eq!(predicted, "m 6");
    let child = model.request("child", ()).unwrap().keep().await.unwrap();

    let all: BTreeMap<String, ObjectRef> = session.call("train_all", (["a", "b"],)).await.unwrap();
    let stream = session
        .stream::<ObjectRef>("stream", (["x", "y"],))
        .await
        .unwrap();
    let streamed: Vec<_> = stream.map(Result::unwrap).collect().await;
    let models = [&model, &child, &all["b"], &streamed[1]];
    let (names, best): (Vec<String>, String) = session
        .call(
            "names",
            BTreeMap::from([
                ("models", Value::from_iter(models.map(Clone::clone))),
                ("best", all["a"].clone().into()),
            ]),
        )
        .await
        .unwrap();
    assert_eq!(names, ["m", "m's child", "b", "y"]);
    assert_eq!(best, "a");
    refused(model.get::<Value>().await, "call.unserialisable");
    let error = refused(
        model.call::<Value>("_secret", ()).await,
        "call.bad_arguments",
    );
    assert_eq!(error.delivery(), Delivery::NotSent);

    gone(&session, &[]).await;
    drop(streamed);
    gone(&session, &["x", "y"]).await;
    let clone = model.clone();
    drop((model, child));
    gone(&session, &["x", "y", "m's child"]).await;
    session.close().await.unwrap();
    refused(clone.call::<Value>("predict", 1).await, "call.expired_ref");
    // The next session of that name may be at home elsewhere: both workers are asked, at the same time.
    let names: BTreeSet<_> = ["x", "y", "m's child", "m", "a", "b"]
        .map(String::from)
        .into();
    let start = std::time::Instant::now();
    loop {
        let ask = || pool.call::<BTreeSet<String>>("gone", ());
        let (one, other) = tokio::join!(ask(), ask());
        if [one.unwrap(), other.unwrap()].contains(&names) {
            break;
        }
        assert!(start.elapsed() < LIMIT, "{names:?}");
    }

    pool.shutdown().await;
    drop((pool, session, clone, all));
    pit.assert_empty().await;
}

#[tokio::test]
async fn objects_of_a_process_worker_are_used_and_let_go_of() {
    let pit = Pit::new();
    objects_are_used_and_let_go_of(pit.profile("refs.py"), &pit).await;
}

#[tokio::test]
async fn objects_of_a_thread_worker_are_used_from_all_lanes_and_let_go_of() {
    let pit = Pit::new();
    objects_are_used_and_let_go_of(pit.threads("refs.py").build(), &pit).await;
}

#[tokio::test]
async fn handles_expire_when_their_worker_is_killed() {
    let pit = Pit::new();
    let pool = pool(pit.profile("refs.py"), 2).await;
    let session = pool.session("s");
    let model = train(&session, "m").await;
    kill(session.call("process", ()).await.unwrap());
    eventually(|| model.is_expired(), || format!("{:?}", pool.snapshot())).await;
    let error = refused(model.call::<Value>("predict", 1).await, "call.expired_ref");
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.to_string().contains("SIGKILL"), "{error}");
    let again = train(&session, "m").await;
    assert_eq!(again.call::<String>("predict", 1).await.unwrap(), "m 2");
    pool.shutdown().await;
    drop((pool, session, model, again));
    pit.assert_empty().await;
}

#[tokio::test]
async fn handles_need_their_session_and_there_are_only_so_many() {
    let pit = Pit::new();
    let pool = pool(pit.profile("refs.py"), 1).await;
    let session = pool.session("s");
    refused(
        pool.call::<Value>("train_all", (["m"],)).await,
        "call.not_kept",
    );
    refused(pool.request("train", "m").keep().await, "call.not_kept");
    let model = train(&session, "m").await;
    refused(
        pool.call::<Value>("names", ([&model],)).await,
        "call.foreign_ref",
    );
    refused(
        pool.session("t").call::<Value>("names", ([&model],)).await,
        "call.foreign_ref",
    );
    refused(session.call::<Value>("fill", 1000).await, "call.not_kept");
    let many: Vec<ObjectRef> = session.call("fill", 999).await.unwrap();
    refused(session.request("train", "n").keep().await, "call.not_kept");
    assert_eq!(many[7].get::<u32>().await.unwrap(), 7);
    drop(many);
    let another = async { while session.request("train", "n").keep().await.is_err() {} };
    tokio::time::timeout(LIMIT, another).await.unwrap();
    pool.shutdown().await;
    drop((pool, session, model));
    pit.assert_empty().await;
}
