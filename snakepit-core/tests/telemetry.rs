//! What code in a worker tells reaches every sink of its pool, and costs nothing where nobody listens.

use std::sync::Arc;

use parking_lot::Mutex;
use snakepit_core::testing::FakeProfile;
use snakepit_core::{Event, EventKind, Pool, Telemetry};

#[tokio::test]
async fn what_a_worker_tells_reaches_every_sink() {
    let profile = FakeProfile::new();
    let mut builder = Pool::builder("p", Arc::new(profile.clone()));
    let heard: [Arc<Mutex<Vec<_>>>; 2] = Default::default();
    for told in heard.iter().map(Arc::clone) {
        builder = builder.event_sink(Arc::new(move |event: &Event| {
            if let EventKind::Telemetry { worker, telemetry } = &event.kind {
                told.lock().push((*worker, Telemetry::clone(telemetry)));
            }
        }));
    }
    let pool = builder.start().await.expect("it starts");
    let mut told = Telemetry::new("cache.missed");
    told.measurements.push(("bytes".to_owned(), 3.0));
    profile.workers()[0].tell(told.clone());
    let worker = pool.snapshot().workers[0].worker;
    for heard in &heard {
        assert_eq!(*heard.lock(), [(worker, told.clone())]);
    }
}

#[tokio::test]
async fn a_pool_without_sinks_hears_nothing() {
    let profile = FakeProfile::new();
    let pool = Pool::builder("p", Arc::new(profile.clone())).size(1);
    let pool = pool.start().await.expect("it starts");
    profile.workers()[0].tell(Telemetry::new("cache.missed"));
    assert_eq!(pool.snapshot().ready, 1);
}
