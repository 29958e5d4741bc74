//! Several fake pools: do they live and die as one?

use tokio::time::{Instant, timeout};

use super::*;
use crate::pool::PoolSettings;
use crate::testing::{FakeLaunch, FakeProfile};

const LONG: Duration = Duration::from_secs(10);

fn pool(name: &str, profile: &FakeProfile) -> PoolConfig {
    let settings = PoolSettings {
        size: 2,
        ..PoolSettings::default()
    };
    PoolConfig::new(name, Arc::new(profile.clone())).with_settings(settings)
}

async fn start(pools: impl IntoIterator<Item = PoolConfig>) -> Result<Snakepit, StartError> {
    let config = pools.into_iter().fold(Config::new(), Config::with_pool);
    Snakepit::builder().config(config).start().await
}

async fn none_alive(profile: &FakeProfile) {
    let gone = async {
        while profile.alive() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, gone).await.expect("no worker is left");
}

#[tokio::test(start_paused = true)]
async fn pools_start_at_the_same_time_and_keep_their_order() {
    let slow = || FakeProfile::new().script([FakeLaunch::After(LONG), FakeLaunch::After(LONG)]);
    let (first, second) = (slow(), FakeProfile::new());
    let third = slow();
    let began = Instant::now();
    let pit = start([pool("a", &first), pool("b", &second), pool("c", &third)])
        .await
        .unwrap();
    assert!(began.elapsed() < 2 * LONG, "{:?}", began.elapsed());
    let names: Vec<_> = pit
        .pools()
        .iter()
        .map(|pool| pool.name().as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_does_not_start_ends_the_others() {
    let ready = FakeProfile::new();
    let broken = FakeProfile::new().script([FakeLaunch::After(LONG), FakeLaunch::FailForGood]);
    let endless = FakeProfile::new().script([FakeLaunch::Hang, FakeLaunch::Hang]);
    let error = start([
        pool("ready", &ready),
        pool("broken", &broken),
        pool("endless", &endless),
    ])
    .await
    .unwrap_err();
    assert!(matches!(&error, StartError::Launch { pool, .. } if pool.as_str() == "broken"));
    let profiles = [&ready, &broken, &endless];
    assert_eq!(profiles.map(FakeProfile::alive), [0, 0, 0]);
}

#[tokio::test]
async fn a_start_that_is_dropped_leaves_no_worker() {
    let profiles = [
        FakeProfile::new(),
        FakeProfile::new().script([FakeLaunch::Ready, FakeLaunch::Hang]),
    ];
    let [ready, endless] = &profiles;
    let starting = start([pool("ready", ready), pool("endless", endless)]);
    let launched = async {
        while ready.alive() < 2 || endless.alive() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = starting => panic!("one worker is never ready"),
        () = launched => {}
    }
    none_alive(ready).await;
    none_alive(endless).await;
}

#[tokio::test]
async fn pools_are_called_by_name_and_an_unknown_name_is_told_the_nearest() {
    let pit = start([
        pool("fast", &FakeProfile::new()),
        pool("slow", &FakeProfile::new()),
    ]);
    let pit = pit.await.unwrap();
    let answer: String = pit.pool("slow").unwrap().call("echo", "hi").await.unwrap();
    assert_eq!(answer, "hi");

    let error = pit.pool("fats").unwrap_err();
    assert_eq!(error.to_string(), "no pool is named `fats`");
    assert_eq!(error.hint(), "did you mean `fast`?");
    assert_eq!(
        pit.pool("other").unwrap_err().hint(),
        "the pools are: `fast`, `slow`"
    );
}

#[tokio::test]
async fn shutdown_and_drain_leave_no_worker_in_any_pool() {
    let profiles = [FakeProfile::new(), FakeProfile::new()];
    let [first, second] = &profiles;
    let pit = start([pool("a", first), pool("b", second)]).await.unwrap();
    pit.shutdown().await;
    assert_eq!(profiles.each_ref().map(FakeProfile::alive), [0, 0]);

    let pit = start([pool("a", first), pool("b", second)]).await.unwrap();
    let reports = pit.drain(LONG).await;
    assert_eq!(profiles.each_ref().map(FakeProfile::alive), [0, 0]);
    let left: Vec<_> = reports
        .iter()
        .map(|(name, left)| (name.as_str(), left.interrupted))
        .collect();
    assert_eq!(left, [("a", 0), ("b", 0)]);
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_before_anything_starts() {
    assert!(matches!(start([]).await, Err(StartError::NoPools)));
    let profile = FakeProfile::new();
    let twice = start([pool("a", &profile), pool("a", &profile)]).await;
    assert!(matches!(twice, Err(StartError::DuplicateName { pool }) if pool.as_str() == "a"));
    assert_eq!(profile.launches(), 0);
}

/// The task of the replacement is aborted before it ever ran, and must be struck off all the same.
#[tokio::test(start_paused = true)]
async fn shutdown_right_after_a_worker_was_lost_comes_to_an_end() {
    let profile = FakeProfile::new();
    let pit = start([pool("a", &profile)]).await.unwrap();
    pit.pools()[0].call::<()>("die", ()).await.unwrap_err();
    timeout(LONG, pit.shutdown())
        .await
        .expect("no task is forgotten");
}
