//! Real libraries that turn the GIL on, or refuse to load in a sub-interpreter. They come with `cargo xtask test`.

use std::sync::Arc;

use snakepit_core::{Pool, WorkerProfile};
use snakepit_profiles::{Builder, GilPolicy, ThreadProfile};

use crate::support::{Pit, eventually, gil_is_on, note, python_version};

/// Turns the GIL on where it is off, until version 7.
const CULPRIT: &str = "lxml.etree";

/// An interpreter that has libraries; `None`, said aloud, where tests have nothing to test.
fn environment(suits: impl FnOnce() -> bool, what: &str) -> Option<String> {
    let found = Pit::environment().filter(|_| suits());
    if found.is_none() {
        note(&format!(
            "skipped: there is no {what} with libraries; `cargo xtask test` makes one"
        ));
    }
    found
}

fn free_threaded() -> Option<String> {
    environment(|| !gil_is_on(), "free-threaded Python")
}

fn threads(pit: &Pit, python: &str) -> Builder<ThreadProfile> {
    pit.threads("libraries.py").python(python)
}

async fn start(profile: impl WorkerProfile) -> Pool {
    let started = Pool::builder("libraries", Arc::new(profile))
        .size(1)
        .start();
    started.await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_library_that_turns_the_gil_on_is_named_at_the_launch() {
    let Some(python) = free_threaded() else {
        return;
    };
    let pit = Pit::new();
    let builder = threads(&pit, &python).env("IMPORTS", CULPRIT);
    let refused = builder.clone().gil(GilPolicy::RequireOff).build();
    let error = pit.try_launch(&refused).await.unwrap_err();
    assert_eq!(error.code(), "launch.refused");
    assert!(error.to_string().contains(CULPRIT), "{error}");
    let pool = start(builder.build()).await;
    let notices = pool.snapshot().notices;
    let said = |code: &str| {
        notices
            .iter()
            .any(|notice| notice.code == code && notice.message.contains("lxml"))
    };
    assert!(said("gil.on"), "{notices:?}");
    pool.shutdown().await;
    drop((refused, pool));
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_call_that_turns_the_gil_on_is_told_and_costs_the_worker_where_that_matters() {
    let Some(python) = free_threaded() else {
        return;
    };
    let pit = Pit::new();
    for policy in [GilPolicy::Any, GilPolicy::PreferOff, GilPolicy::RequireOff] {
        let pool = start(threads(&pit, &python).gil(policy).build()).await;
        let first: u32 = pool.call("load", CULPRIT).await.unwrap();
        // It was sent before the answer, on another connection.
        let told = || {
            let notices = pool.snapshot().notices;
            notices.into_iter().find(|notice| notice.code == "gil.on")
        };
        if policy == GilPolicy::Any {
            assert!(told().is_none());
        } else {
            eventually(|| told().is_some(), || "nothing is told".to_owned()).await;
            let notice = told().unwrap();
            assert!(
                notice.message.contains("`load` by lxml.etree"),
                "{notice:?}"
            );
            assert_eq!(notice.unfit, policy == GilPolicy::RequireOff);
        }
        let serves = || {
            pool.snapshot().workers.iter().any(|worker| {
                let hello = worker.hello.as_ref();
                worker.state == "ready" && hello.and_then(|hello| hello.process) != Some(first)
            })
        };
        if policy == GilPolicy::RequireOff {
            eventually(serves, || "it is not replaced".to_owned()).await;
        }
        pool.shutdown().await;
    }
    pit.assert_empty().await;
}

#[tokio::test]
async fn a_library_that_refuses_sub_interpreters_is_named() {
    let suits = || python_version() >= (3, 14);
    let Some(python) = environment(suits, "CPython 3.14") else {
        return;
    };
    let pit = Pit::new();
    let builder = pit.interpreters("libraries.py").python(python);
    let profile = builder.env("IMPORTS", "numpy").build();
    let error = pit.try_launch(&profile).await.unwrap_err();
    assert_eq!(error.code(), "launch.adapter", "{error}");
    assert!(
        error.is_permanent() && error.to_string().contains("numpy"),
        "{error}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("process")));
    drop(profile);
    pit.assert_empty().await;
}

#[tokio::test]
async fn an_interpreter_too_old_for_sub_interpreters_is_refused() {
    if python_version() >= (3, 14) {
        return;
    }
    let pit = Pit::new();
    let profile = pit.interpreters("libraries.py").build();
    let error = pit.try_launch(&profile).await.unwrap_err();
    assert_eq!(error.code(), "launch.interpreter", "{error}");
    assert!(
        error.is_permanent() && error.to_string().contains("3.14"),
        "{error}"
    );
    drop(profile);
    pit.assert_empty().await;
}
