//! What callers learn of the worker that was lost under them, and when a call is tried again.

use std::sync::Arc;

use snakepit_core::CallError;
use snakepit_core::event::EventKind;
use snakepit_core::testing::FakeProfile;

use crate::support::{History, begin, builder, failed, started, until};

#[tokio::test]
async fn a_lost_call_is_named_with_its_worker_and_what_that_had_done() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let pool = builder(&profile).event_sink(history.sink());
    let pool = pool.start().await.expect("it starts");
    for number in 0..3 {
        pool.call::<u8>("echo", number).await.expect("a call");
    }
    let error = failed(pool.call::<()>("die", ()).await, "call.worker_lost");
    let CallError::WorkerLost(report) = error else {
        panic!("{error:?}");
    };
    let call = report.call.as_ref().expect("a call");
    assert_eq!((call.id.get(), &*call.command), (4, "die"));
    assert_eq!((report.served, report.age.is_some()), (3, true));
    let exit = |kind: &EventKind| match kind {
        EventKind::WorkerExited { report, .. } => Some(Arc::clone(report)),
        _ => None,
    };
    until(|| history.find(exit).is_some()).await;
    let report = history.find(exit).expect("an exit");
    assert_eq!((report.served, report.age.is_some()), (3, true));
    assert_eq!(report.call, None);
}

#[tokio::test]
async fn each_call_a_worker_took_along_has_a_report_of_its_own() {
    let profile = FakeProfile::new().lanes(2);
    let pool = started(&profile).await;
    let calls = [begin(&pool, "sleep").await, begin(&pool, "hang").await];
    profile.workers()[0].crash();
    let mut commands = Vec::new();
    for call in calls {
        match failed(call.await.expect("a task"), "call.worker_lost") {
            CallError::WorkerLost(report) => {
                commands.push(report.call.as_ref().expect("a call").command.to_string());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(commands, ["sleep", "hang"]);
}

#[tokio::test]
async fn a_stream_that_is_lost_midway_names_its_call() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let mut stream = pool
        .stream::<u64>("numbers", u64::MAX)
        .await
        .expect("a stream");
    stream.next().await.expect("an item").expect("a number");
    profile.workers()[0].crash();
    let error = loop {
        if let Err(error) = stream.next().await.expect("no end") {
            break error;
        }
    };
    match error {
        CallError::WorkerLost(report) => {
            assert_eq!(&*report.call.as_ref().expect("a call").command, "numbers");
        }
        other => panic!("{other:?}"),
    }
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_poisonous_call_shows_every_worker_it_killed() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let poison = pool.request("die", ()).idempotent(true).call::<()>().await;
    let CallError::Poisoned { reports } = failed(poison, "call.poisoned") else {
        panic!("not poisoned");
    };
    let workers: Vec<_> = reports
        .iter()
        .map(|report| report.worker.as_str())
        .collect();
    assert_eq!(workers, ["p/1", "p/2"]);
    assert!(reports.iter().all(|report| report.call.is_some()));
}

#[tokio::test]
async fn retries_stop_when_the_pool_has_spent_its_budget() {
    let profile = FakeProfile::new();
    let settings = snakepit_core::PoolSettings {
        size: 1,
        poison_threshold: 1000,
        restart_budget: Some(1_000_000),
        ..snakepit_core::PoolSettings::default()
    };
    let pool = builder(&profile).settings(settings);
    let pool = pool.start().await.expect("it starts");
    let lost = pool.request("die", ()).idempotent(true).call::<()>().await;
    failed(lost, "call.worker_lost");
    let tries = profile.executed();
    assert!((11..20).contains(&tries), "{tries} tries");
}
