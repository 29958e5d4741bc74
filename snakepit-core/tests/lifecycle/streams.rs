//! Streams: their time covers all of them, and nothing follows an error.

use std::sync::Arc;
use std::time::Instant;

use snakepit_core::Pool;
use snakepit_core::testing::FakeProfile;

use crate::odd::Odd;
use crate::support::{LONG, SHORT, failed, started, until};

/// Neither waits: there is always a next value, and the consumer never yields.
#[tokio::test]
async fn a_stream_that_always_has_a_value_runs_out_of_time() {
    let pool = Pool::builder("p", Arc::new(Odd::default())).size(1);
    let pool = pool.start().await.expect("it starts");
    let request = pool.request("flood", ()).timeout(SHORT);
    let mut stream = request.stream::<u8>().await.expect("a stream");
    let began = Instant::now();
    let error = loop {
        match stream.next().await.expect("no end") {
            Ok(_) => assert!(began.elapsed() < LONG, "its time was over long ago"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "call.timeout");
    assert!(stream.next().await.is_none());
    until(|| pool.snapshot().running == 0).await;
}

#[tokio::test]
async fn nothing_follows_a_value_that_does_not_fit() {
    let profile = FakeProfile::new();
    let pool = started(&profile).await;
    let request = pool.request("numbers", u64::MAX);
    let handle = request.cancel_handle();
    let mut stream = request.stream::<String>().await.expect("a stream");
    failed(stream.next().await.expect("an item"), "call.decode");
    assert!(stream.next().await.is_none());
    assert!(!handle.cancel(), "it is over");
    until(|| pool.snapshot().running == 0).await;
    assert_eq!(pool.call::<u8>("echo", 2).await.expect("while held"), 2);
    assert_eq!(profile.launches(), 1);
    drop(stream);
    let mut one = pool.stream::<String>("echo", 1).await.expect("a stream");
    failed(one.next().await.expect("an item"), "call.decode");
    assert!(one.next().await.is_none());
}
