//! Workers that are launched and not in the pool yet, and meters that do not work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use snakepit_core::config::{Config, PoolConfig};
use snakepit_core::testing::{FakeLaunch, FakeProfile};
use snakepit_core::{
    Meter, Pool, PoolBuilder, PoolSettings, Report, Snakepit, Usage, Verdict, Watch,
};
use tokio::time::timeout;

use crate::odd::{Fault, Odd};
use crate::support::{LONG, Rule, SHORT, until};

/// A meter that measures once it is told to, or nobody can tell it any more.
#[derive(Debug)]
struct Slow {
    asked: AtomicUsize,
    told: Mutex<Receiver<()>>,
}

impl Slow {
    fn new() -> (Arc<Self>, Sender<()>) {
        let (tell, told) = channel();
        let (asked, told) = (AtomicUsize::new(0), Mutex::new(told));
        (Arc::new(Self { asked, told }), tell)
    }
}

impl Meter for Slow {
    fn read(&self, _process: u32) -> Option<Usage> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _ = self.told.lock().recv();
        None
    }

    fn watch(&self, _process: u32, _every: Duration, _report: Report) -> Watch {
        Watch::new(())
    }
}

/// A meter that panics whenever it is asked.
#[derive(Debug)]
struct Broken;

impl Meter for Broken {
    fn read(&self, _process: u32) -> Option<Usage> {
        panic!("as the test wants it");
    }

    fn watch(&self, _process: u32, _every: Duration, _report: Report) -> Watch {
        panic!("as the test wants it");
    }
}

fn measured(profile: &Odd, meter: Arc<dyn Meter>) -> PoolBuilder {
    Pool::builder("p", Arc::new(profile.clone()))
        .size(1)
        .policy(Rule::new(|_, _| Verdict::Keep).measured())
        .meter(meter)
}

#[tokio::test]
async fn a_worker_that_is_being_measured_is_waited_for_when_it_is_not_wanted_any_more() {
    let profile = Odd::with(Fault::DiesLate);
    let (meter, tell) = Slow::new();
    let pool = measured(&profile, Arc::<Slow>::clone(&meter)).launch();
    until(|| meter.asked.load(Ordering::SeqCst) == 1).await;
    let worker = profile.inner.workers()[0].clone();
    timeout(LONG, pool.shutdown()).await.expect("an end");
    assert_eq!(profile.inner.alive(), 0);
    let report = snakepit_core::Worker::exited(&*worker).await;
    assert_eq!(report.reason.as_deref(), Some("the pool was shut down"));
    drop(tell);
}

#[tokio::test]
async fn a_worker_that_is_being_measured_goes_with_its_pool() {
    let profile = Odd::default();
    let (meter, tell) = Slow::new();
    let pool = measured(&profile, Arc::<Slow>::clone(&meter)).launch();
    until(|| meter.asked.load(Ordering::SeqCst) == 1).await;
    drop(pool);
    until(|| profile.inner.alive() == 0).await;
    drop(tell);
}

#[tokio::test]
async fn a_meter_that_does_not_answer_does_not_keep_a_worker_from_serving() {
    let profile = Odd::default();
    let (meter, tell) = Slow::new();
    let pool = measured(&profile, meter).startup_timeout(SHORT);
    let pool = timeout(LONG, pool.start())
        .await
        .expect("an end")
        .expect("it starts");
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    assert_eq!(pool.snapshot().notices[0].code, "meter.failed");
    drop(tell);
}

#[tokio::test]
async fn a_meter_that_panics_is_told_of_and_costs_no_worker() {
    let profile = Odd::default();
    let pool = measured(&profile, Arc::new(Broken)).start().await;
    let pool = pool.expect("it starts");
    until(|| pool.snapshot().notices.len() == 2).await;
    assert_eq!(pool.call::<u8>("echo", 1).await.expect("a call"), 1);
    let notices = pool.snapshot().notices;
    assert!(notices.iter().all(|notice| notice.code == "meter.failed"));
    assert!(
        notices[1].message.contains("as the test wants it"),
        "{notices:?}"
    );
    assert_eq!((profile.inner.launches(), profile.inner.alive()), (1, 1));
}

#[tokio::test]
async fn pools_that_do_not_all_start_leave_no_worker() {
    let late = Odd::with(Fault::DiesLate);
    late.inner.plan([FakeLaunch::Ready, FakeLaunch::Hang]);
    let broken = FakeProfile::new().script([FakeLaunch::FailForGood]);
    let settings = PoolSettings {
        size: 2,
        ..PoolSettings::default()
    };
    let late_pool = PoolConfig::new("late", Arc::new(late.clone())).with_settings(settings);
    let config = Config::new()
        .with_pool(late_pool)
        .with_pool(PoolConfig::new("broken", Arc::new(broken)));
    let started = Snakepit::builder().config(config).start();
    let error = timeout(LONG, started).await.expect("an end");
    error.expect_err("one cannot start");
    assert_eq!((late.inner.launches(), late.inner.alive()), (2, 0));
}
