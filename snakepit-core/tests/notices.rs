//! What profiles have to say reaches events and snapshots, once; an unfit worker is replaced; load is counted in lanes.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use snakepit_core::testing::FakeProfile;
use snakepit_core::{Event, EventKind, EventSink, Notice, Pool};
use tokio::time::{sleep, timeout};

fn recorder() -> (Arc<Mutex<Vec<Notice>>>, Arc<dyn EventSink>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&told);
    let sink = move |event: &Event| {
        if let EventKind::Notice { notice, .. } = &event.kind {
            events.lock().push(Notice::clone(notice));
        }
    };
    (told, Arc::new(sink))
}

async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(30), met)
        .await
        .expect("it comes true");
}

#[tokio::test]
async fn a_notice_of_several_workers_is_told_once() {
    let profile = FakeProfile::new();
    let (told, sink) = recorder();
    let builder = Pool::builder("p", Arc::new(profile.clone())).size(3);
    let pool = builder.event_sink(sink).start().await.expect("it starts");
    let notice = Notice::new("gil.on", "the GIL is on").with_hint("use another interpreter");
    for worker in profile.workers() {
        worker.notify(notice.clone());
    }
    profile.workers()[0].notify(Notice::new("other", "something else"));
    assert_eq!(told.lock().len(), 2);
    assert_eq!(told.lock()[0], notice);
    assert_eq!(*pool.snapshot().notices[0], notice);
    assert_eq!(pool.snapshot().ready, 3, "a notice costs no worker");
}

#[tokio::test]
async fn an_unfit_worker_is_replaced_each_time_and_told_once() {
    let profile = FakeProfile::new();
    let (told, sink) = recorder();
    let builder = Pool::builder("p", Arc::new(profile.clone())).size(1);
    let pool = builder.event_sink(sink).start().await.expect("it starts");
    for round in 2..4 {
        profile.workers()[0].notify(Notice::new("gil.on", "an import turned it on").unfit());
        until(|| profile.launches() == round && profile.workers().len() == 1).await;
        assert_eq!(pool.call::<u8>("echo", 7).await.expect("echo"), 7);
    }
    assert_eq!(told.lock().len(), 1);
}

#[tokio::test]
async fn load_is_counted_in_lanes() {
    let profile = FakeProfile::new().lanes(4);
    let builder = Pool::builder("p", Arc::new(profile.clone())).size(2);
    let pool = builder.start().await.expect("it starts");
    let calls: Vec<_> = (0..2)
        .map(|_| tokio::spawn(pool.request("sleep", 600.0).call::<()>()))
        .collect();
    until(|| pool.snapshot().running == 2).await;
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.lanes, 8);
    assert!((snapshot.utilization() - 0.25).abs() < 1e-9);
    let loads: Vec<_> = snapshot.workers.iter().map(|worker| worker.busy).collect();
    assert_eq!(loads, [1, 1], "the least loaded worker comes first");
    assert!((snapshot.workers[0].utilization() - 0.25).abs() < 1e-9);
    calls.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn what_is_not_told_any_more_is_said() {
    let profile = FakeProfile::new();
    let builder = Pool::builder("p", Arc::new(profile.clone())).size(1);
    let pool = builder.start().await.expect("it starts");
    for number in 0..150 {
        profile.workers()[0].notify(Notice::new("x", number.to_string()));
    }
    let notices = pool.snapshot().notices;
    assert_eq!(notices.len(), 100);
    let codes = |code: &str| notices.iter().filter(|notice| notice.code == code).count();
    assert_eq!((codes("x"), codes("notices.full")), (99, 1));
}
