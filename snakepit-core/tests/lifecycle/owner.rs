//! What the owner of a pool asks for is done, or refused with a reason: recycle, reload, resize.

use std::time::Duration;

use snakepit_core::testing::{FakeLaunch, FakeProfile};
use snakepit_core::{RecycleError, ResizeError, WorkerId};
use tokio::time::timeout;

use crate::support::{History, LONG, begin, builder, failed, started, until};

#[tokio::test]
async fn a_worker_is_recycled_on_request() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let pool = builder(&profile).event_sink(history.sink());
    let pool = pool.start().await.expect("it starts");
    let first = pool.snapshot().workers[0].worker;
    pool.recycle(first).expect("it serves");
    pool.recycle(first).expect("once more changes nothing");
    until(|| history.of("exited 1").len() == 1).await;
    assert_eq!(history.of("due"), ["due 1: its replacement was asked for"]);
    assert_eq!(profile.launches(), 2);
}

#[tokio::test]
async fn what_cannot_be_recycled_is_refused_with_its_state() {
    let profile = FakeProfile::new().script([FakeLaunch::Ready, FakeLaunch::Hang]);
    let pool = builder(&profile).size(2).launch();
    until(|| pool.snapshot().ready == 1 && profile.alive() == 2).await;
    let worker = WorkerId::new(77);
    let unknown = pool.recycle(worker).expect_err("there is none");
    assert_eq!(unknown, RecycleError::UnknownWorker { worker });
    let launching = pool.recycle(WorkerId::new(2)).expect_err("it is not ready");
    assert_eq!(launching.to_string(), "worker 2 is launching");
    pool.shutdown().await;
    assert_eq!(pool.recycle(WorkerId::new(1)), Err(RecycleError::Closed));
    assert_eq!(pool.resize(3), Err(ResizeError::Closed));
}

#[tokio::test]
async fn nonsense_sizes_are_refused_and_change_nothing() {
    let profile = FakeProfile::new().ceiling(7, "there are 7 seats");
    let pool = started(&profile).await;
    assert_eq!(pool.resize(0), Err(ResizeError::Zero));
    assert_eq!(
        pool.resize_between(3, 2),
        Err(ResizeError::Reversed { min: 3, max: 2 })
    );
    let error = pool.resize(8).expect_err("too many");
    assert_eq!(
        error.to_string(),
        "8 workers are more than the 7 there can be: there are 7 seats"
    );
    assert_eq!(pool.snapshot().target, 1);
    let pool = started(&FakeProfile::new()).await;
    assert!(matches!(
        pool.resize(10_001),
        Err(ResizeError::TooMany { most: 10_000, .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_replaces_every_worker_under_load_without_losing_a_call() {
    let profile = FakeProfile::new().lanes(2);
    let pool = builder(&profile).size(4).start().await.expect("it starts");
    let caller = |caller: u64| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for number in 0..100 {
                let sent = caller * 1000 + number;
                assert_eq!(pool.call::<u64>("echo", sent).await.expect("a call"), sent);
            }
        })
    };
    let callers: Vec<_> = (0..8).map(caller).collect();
    let report = timeout(LONG, pool.reload())
        .await
        .expect("an end")
        .expect("new workers");
    assert_eq!((report.replaced, profile.renewals()), (4, 1));
    for task in callers {
        task.await.expect("a caller");
    }
    let snapshot = pool.snapshot();
    assert!(
        snapshot
            .workers
            .iter()
            .all(|worker| worker.worker.get() > 4),
        "{snapshot:?}"
    );
    assert_eq!(profile.executed(), 800);
}

#[tokio::test]
async fn a_reload_that_cannot_launch_says_so_and_a_further_one_works() {
    let profile = FakeProfile::new();
    let pool = builder(&profile).size(2).start().await.expect("it starts");
    profile.plan([FakeLaunch::FailForGood]);
    let error = timeout(LONG, pool.reload())
        .await
        .expect("an end")
        .expect_err("no new workers");
    assert!(error.is_permanent());
    assert_eq!(pool.snapshot().ready, 2);
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("an old worker"), 1);
    let report = timeout(LONG, pool.reload())
        .await
        .expect("an end")
        .expect("new workers");
    assert_eq!(report.replaced, 2);
    assert!(
        pool.snapshot()
            .workers
            .iter()
            .all(|worker| worker.worker.get() > 2)
    );
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a new worker"), 1);
}

#[tokio::test]
async fn a_reload_whose_launches_fail_now_and_then_comes_to_its_end() {
    let profile = FakeProfile::new();
    let pool = builder(&profile).size(2).start().await.expect("it starts");
    profile.plan([FakeLaunch::Fail]);
    let report = timeout(LONG, pool.reload())
        .await
        .expect("an end")
        .expect("new workers");
    assert_eq!((report.replaced, profile.launches()), (2, 5));
}

#[tokio::test]
async fn a_reload_begins_launches_that_are_under_way_anew() {
    let profile = FakeProfile::new().script([FakeLaunch::Hang]);
    let pool = builder(&profile).launch();
    until(|| profile.launches() == 1).await;
    timeout(LONG, pool.reload())
        .await
        .expect("an end")
        .expect("new workers");
    pool.ready().await.expect("a worker");
    assert_eq!((profile.launches(), profile.alive()), (2, 1));
}

#[tokio::test]
async fn a_reload_of_a_pool_that_is_shut_down_meanwhile_comes_to_its_end() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let call = begin(&pool, "sleep").await;
    let reloading = pool.clone();
    let reload = tokio::spawn(async move { reloading.reload().await });
    until(|| profile.launches() == 2).await;
    pool.shutdown().await;
    timeout(LONG, reload)
        .await
        .expect("an end")
        .expect("a task")
        .expect("no workers");
    failed(call.await.expect("a task"), "call.worker_lost");
    let nothing = pool.reload().await.expect("there is nothing to replace");
    assert_eq!(nothing.replaced, 0);
}

#[tokio::test]
async fn a_pool_grows_when_calls_wait_and_only_as_far_as_it_may() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let settings = snakepit_core::PoolSettings {
        size: 1,
        max_size: Some(3),
        scale_up_after: Duration::from_millis(2),
        ..snakepit_core::PoolSettings::default()
    };
    let pool = builder(&profile)
        .settings(settings)
        .event_sink(history.sink());
    let pool = pool.start().await.expect("it starts");
    let calls: Vec<_> = (0..6)
        .map(|_| tokio::spawn(pool.request("sleep", 0.1).call::<()>()))
        .collect();
    for call in calls {
        call.await.expect("a task").expect("a call");
    }
    assert_eq!(pool.snapshot().target, 3);
    let resized = history.of("resized");
    assert_eq!(resized.first().map(String::as_str), Some("resized 1 to 2"));
    assert_eq!(resized.last().map(String::as_str), Some("resized 2 to 3"));
}

#[tokio::test]
async fn a_reload_of_a_pool_that_drains_replaces_nothing() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let call = begin(&pool, "sleep").await;
    let drain = timeout(Duration::ZERO, pool.drain(LONG)).await;
    drain.expect_err("a call runs");
    let report = timeout(LONG, pool.reload()).await.expect("an end");
    assert_eq!(report.expect("nothing to do").replaced, 0);
    assert_eq!((profile.renewals(), profile.launches()), (0, 1));
    call.abort();
}
