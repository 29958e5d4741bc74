//! Workers that give no sign of life: dead ones, and ones that only compute.

use snakepit_core::CallError;

use crate::support::{Pit, skip, start};

const HANG: &str = "    pool_size: 1\n    hang_timeout: 500ms\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_stopped_is_killed_and_replaced() {
    let pit = start(HANG).await;
    is_killed_in(&pit, "stop_for_ever").await;
    pit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_that_was_stopped_is_killed_and_replaced() {
    let mut pit = start(HANG).await;
    let first = pit.process("pid", ()).await;
    let process = rustix::process::Pid::from_raw(first.cast_signed()).expect("it is a process");
    rustix::process::kill_process(process, rustix::process::Signal::STOP).expect("it lives");
    pit.gone().await;
    assert_ne!(pit.process("pid", ()).await, first);
    pit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_code_that_waits_with_the_gil_held_is_killed() {
    let pit = start(HANG).await;
    if pit.is_free_threaded() {
        skip("without a GIL a worker goes on answering");
        return pit.end().await;
    }
    is_killed_in(&pit, "wait_in_native_code").await;
    pit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_code_that_computes_with_the_gil_held_is_left_alone() {
    let pit = start(HANG).await;
    let first = pit.process("pid", ()).await;
    assert_eq!(pit.process("compute_in_native_code", (1.5,)).await, first);
    pit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_as_it_should_is_left_alone() {
    let pit = start(HANG).await;
    let first = pit.process("pid", ()).await;
    assert_eq!(pit.process("wait", (2.0,)).await, first);
    pit.end().await;
}

async fn is_killed_in(pit: &Pit, command: &str) {
    let first = pit.process("pid", ()).await;
    let error = pit.pool().call::<()>(command, ()).await.unwrap_err();
    let CallError::WorkerLost(report) = &error else {
        panic!("{error}");
    };
    let cause = report.cause();
    assert!(cause.contains("without using the processor"), "{cause}");
    assert_ne!(pit.process("pid", ()).await, first);
}
