//! Cancel handles: who uses one gets one clear answer, and so does the caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use snakepit_core::error::{Delivery, Retry};
use snakepit_core::event::{Event, EventKind};
use snakepit_core::testing::FakeProfile;
use snakepit_core::{CancelHandle, Pool};
use tokio::time::{sleep, timeout};

use crate::odd::Odd;
use crate::support::{FOR_EVER, History, LONG, begin, builder, failed, started, until};

#[tokio::test]
async fn a_running_call_is_stopped_and_costs_no_worker() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let pool = builder(&profile).event_sink(history.sink());
    let pool = pool.start().await.expect("it starts");
    let request = pool.request("sleep", FOR_EVER);
    let handle = request.cancel_handle();
    let call = tokio::spawn(request.call::<()>());
    until(|| pool.snapshot().running == 1).await;
    assert!(handle.cancel());
    let error = failed(call.await.expect("a task"), "call.cancelled");
    assert_eq!(
        error.to_string(),
        "cancelled running: its cancel handle was used"
    );
    assert_eq!(
        (error.delivery(), error.retry()),
        (Delivery::MaybeExecuted, Retry::Never)
    );
    assert!(!handle.cancel(), "it is over");
    assert_eq!(pool.call::<u8>("echo", 2).await.expect("the next call"), 2);
    assert_eq!(profile.launches(), 1);
    assert_eq!(
        history.of("finished call 1"),
        ["finished call 1: Abandoned"]
    );
}

#[tokio::test]
async fn a_waiting_call_is_stopped_and_never_runs() {
    let (profile, history) = (FakeProfile::new(), History::default());
    let pool = builder(&profile).event_sink(history.sink());
    let pool = pool.start().await.expect("it starts");
    let running = begin(&pool, "sleep").await;
    let request = pool.request("echo", 1);
    let handle = request.cancel_handle();
    let call = tokio::spawn(request.call::<u8>());
    until(|| pool.snapshot().queued == 1).await;
    assert!(handle.clone().cancel());
    let error = failed(call.await.expect("a task"), "call.cancelled");
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!((profile.executed(), pool.snapshot().queued), (1, 0));
    assert_eq!(history.of("rejected"), ["rejected call 2: call.cancelled"]);
    running.abort();
}

#[tokio::test]
async fn a_call_stopped_before_it_began_never_runs() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let request = pool.request("echo", 1);
    assert!(request.cancel_handle().cancel());
    let error = failed(request.call::<u8>().await, "call.cancelled");
    assert_eq!(error.delivery(), Delivery::NotSent);
    let request = pool.request("numbers", 1);
    assert!(request.cancel_handle().cancel());
    failed(request.stream::<u8>().await.map(|_| ()), "call.cancelled");
    assert_eq!(profile.executed(), 0);
}

#[tokio::test]
async fn a_handle_used_after_the_end_does_nothing() {
    let pool = started(&FakeProfile::new()).await;
    for command in ["echo", "fail", "no such command"] {
        let request = pool.request(command, "x");
        let handle = request.cancel_handle();
        let _ = request.call::<String>().await;
        assert!(!handle.cancel(), "{command} is over");
    }
    let request = pool.request("sleep", FOR_EVER);
    let handle = request.cancel_handle();
    let _ = timeout(Duration::from_millis(20), request.call::<()>()).await;
    assert!(!handle.cancel(), "its caller is gone");
    let request = pool.request("echo", 1);
    let handle = request.cancel_handle();
    drop(request);
    assert!(!handle.cancel(), "it will never be made");
}

#[tokio::test]
async fn a_stream_is_stopped_between_two_values() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let request = pool.request("numbers", u64::MAX);
    let handle = request.cancel_handle();
    let mut stream = request.stream::<u64>().await.expect("a stream");
    assert_eq!(stream.next().await.expect("an item").expect("a number"), 0);
    assert!(handle.cancel());
    let error = stream.next().await.expect("an item").expect_err("an end");
    assert_eq!(error.code(), "call.cancelled");
    assert!(stream.next().await.is_none());
    assert!(!handle.cancel());
    assert_eq!(pool.call::<u8>("echo", 2).await.expect("the next call"), 2);
    assert_eq!(profile.launches(), 1);
}

#[tokio::test]
async fn a_stream_that_ended_cannot_be_stopped() {
    let pool = started(&FakeProfile::new()).await;
    let request = pool.request("numbers", 1);
    let handle = request.cancel_handle();
    let mut stream = request.stream::<u64>().await.expect("a stream");
    while stream.next().await.is_some() {}
    assert!(!handle.cancel());
    assert_eq!(
        pool.call::<u8>("echo", 2).await.expect("while it is held"),
        2
    );
}

/// Whoever is told that the call was stopped can rely on it, and whoever is not as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_and_the_caller_never_disagree() {
    let profile = FakeProfile::new().lanes(4);
    let pool = builder(&profile)
        .cancel_grace(LONG)
        .start()
        .await
        .expect("it starts");
    let mut stopped = 0;
    for round in 0..300_u64 {
        let request = pool.request("sleep", 0.000_2);
        let handle = request.cancel_handle();
        let call = tokio::spawn(request.call::<()>());
        sleep(Duration::from_micros(round * 10)).await;
        let told = handle.cancel();
        let result = call.await.expect("a task");
        assert_eq!(told, result.is_err(), "{result:?}");
        stopped += u32::from(told);
    }
    assert!((1..300).contains(&stopped), "{stopped} of 300 were stopped");
    until(|| pool.snapshot().running == 0).await;
    assert_eq!(profile.launches(), 1);
}

/// Stops the call it is given as soon as the call's lane is given back, before the caller has its answer.
#[derive(Clone, Default)]
struct Late {
    handle: Arc<Mutex<Option<CancelHandle>>>,
    told: Arc<AtomicBool>,
}

impl Late {
    fn record(&self, event: &Event) {
        if let EventKind::CallFinished { .. } = &event.kind {
            let handle = self.handle.lock().take();
            let told = handle.is_some_and(|handle| handle.cancel());
            self.told.fetch_or(told, Ordering::SeqCst);
        }
    }
}

#[tokio::test]
async fn a_call_stopped_at_the_moment_it_fails_was_stopped() {
    let late = Late::default();
    let sink = late.clone();
    let pool =
        builder(&FakeProfile::new()).event_sink(Arc::new(move |event: &Event| sink.record(event)));
    let pool = pool.start().await.expect("it starts");
    let request = pool.request("fail", "x");
    *late.handle.lock() = Some(request.cancel_handle());
    let result = request.call::<u8>().await;
    assert!(late.told.swap(false, Ordering::SeqCst));
    failed(result, "call.cancelled");
    let request = pool.request("fail", "x");
    *late.handle.lock() = Some(request.cancel_handle());
    let result = request.stream::<u8>().await;
    assert!(late.told.swap(false, Ordering::SeqCst));
    failed(result.map(drop), "call.cancelled");
}

#[tokio::test]
async fn a_stream_stopped_at_the_moment_it_ends_was_stopped() {
    let profile = Odd::default();
    let pool = Pool::builder("p", Arc::new(profile.clone())).size(1);
    let pool = pool.start().await.expect("it starts");
    for command in ["numbers", "broken_numbers"] {
        let request = pool.request(command, 0);
        let handle = request.cancel_handle();
        let mut stream = request.stream::<u64>().await.expect("a stream");
        let told = Arc::new(AtomicBool::new(true));
        // The fake worker yields once before each step; the second poll is the one that ends the stream.
        let again = {
            let (profile, told) = (profile.clone(), Arc::clone(&told));
            move || {
                let (handle, told) = (handle.clone(), Arc::clone(&told));
                profile.at_next_value(move || told.store(handle.cancel(), Ordering::SeqCst));
            }
        };
        profile.at_next_value(again);
        let last = stream.next().await.expect("an item");
        assert!(told.load(Ordering::SeqCst));
        failed(last, "call.cancelled");
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn a_stopped_stream_is_let_go_of_before_its_worker_is_asked_to() {
    let profile = Odd::default();
    let held = Arc::clone(&profile.held);
    let at_the_end = Arc::new(AtomicBool::new(true));
    let sink = {
        let (held, at_the_end) = (Arc::clone(&held), Arc::clone(&at_the_end));
        move |event: &Event| {
            if let EventKind::CallFinished { .. } = &event.kind {
                at_the_end.store(held.load(Ordering::SeqCst), Ordering::SeqCst);
            }
        }
    };
    let pool = Pool::builder("p", Arc::new(profile))
        .size(1)
        .event_sink(Arc::new(sink));
    let pool = pool.start().await.expect("it starts");
    let request = pool.request("numbers", u64::MAX);
    let handle = request.cancel_handle();
    let mut stream = request.stream::<u64>().await.expect("a stream");
    assert_eq!(stream.next().await.expect("an item").expect("a number"), 0);
    assert!(held.load(Ordering::SeqCst) && handle.cancel());
    failed(stream.next().await.expect("an item"), "call.cancelled");
    assert!(!at_the_end.load(Ordering::SeqCst));
}

/// The task of a caller may look at the pool at any moment, also when it is woken.
#[test]
fn a_waker_runs_without_the_lock_of_the_pool() {
    struct Looks(Pool);
    impl std::task::Wake for Looks {
        fn wake(self: Arc<Self>) {
            self.0.snapshot();
        }
    }
    let (done, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let pool = started(&FakeProfile::new()).await;
            let running = begin(&pool, "sleep").await;
            let mut waits = Box::pin(pool.request("echo", 1).call::<u8>());
            let waker = Arc::new(Looks(pool.clone())).into();
            let mut cx = std::task::Context::from_waker(&waker);
            assert!(waits.as_mut().poll(&mut cx).is_pending());
            assert_eq!(pool.snapshot().queued, 1);
            drop(waits);
            assert_eq!(pool.snapshot().queued, 0);
            running.abort();
        });
        done.send(()).expect("somebody waits");
    });
    end.recv_timeout(LONG).expect("no deadlock");
}
