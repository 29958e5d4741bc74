//! Workers that use more memory than they may.

use std::time::Instant;

use snakepit_core::error::LaunchErrorKind;
use snakepit_core::{CallError, EventKind, StartError};

use tokio::time::timeout;

use crate::support::{BOUND, Pit, skip, start, try_start};

const MIB: u64 = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_leaks_is_replaced_and_no_call_fails() {
    let mut pit =
        start("    pool_size: 1\n    worker_max_growth: 50MiB\n    worker_memory_samples: 1\n")
            .await;
    let first = pit.process("leak", (1,)).await;
    // What the first call left is what growth is counted from: it has to be seen first.
    measured(&pit, |_| true).await;
    assert_eq!(pit.process("leak", (100,)).await, first);
    let why = pit.due().await;
    assert!(why.starts_with("its private memory grew by "), "{why}");
    assert!(why.ends_with(", `worker_max_growth` is 50MiB"), "{why}");
    while pit.process("pid", ()).await == first {}
    pit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_garbage_can_be_collected_stays() {
    let pit =
        start("    pool_size: 1\n    worker_max_memory: 200MiB\n    worker_memory_samples: 1\n")
            .await;
    if pit.is_free_threaded() {
        skip("the allocator of a free-threaded CPython keeps what is freed, for the next to use");
        return pit.end().await;
    }
    let first = pit.process("litter", (300,)).await;
    measured(&pit, |private| private > 200 * MIB).await;
    measured(&pit, |private| private < 200 * MIB).await;
    assert_eq!(pit.process("pid", ()).await, first);
    pit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_no_worker_can_keep_stops_recycling_and_not_the_pool() {
    let mut pit =
        start("    pool_size: 1\n    worker_max_memory: 100MiB\n    worker_memory_samples: 1\n")
            .await;
    // Each worker gets one call that is too much for it.
    let (policy, message) = loop {
        pit.process("leak", (150,)).await;
        let stopped = pit.until(|event| match event {
            EventKind::WorkerDraining { .. } => Some(None),
            EventKind::RecyclingStopped { policy, message } => {
                Some(Some((policy.clone(), message.clone())))
            }
            _ => None,
        });
        if let Some(stopped) = stopped.await {
            break stopped;
        }
    };
    assert_eq!(policy, "worker_max_memory");
    assert!(
        message.ends_with("`worker_max_memory` is 100MiB"),
        "{message}"
    );
    pit.process("pid", ()).await;
    pit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_takes_memory_without_end_is_killed_and_the_report_says_why() {
    let pit = start("    pool_size: 1\n    worker_hard_memory: 200MiB\n").await;
    let first = pit.process("pid", ()).await;
    let error = pit.pool().call::<()>("explode", (5,)).await.unwrap_err();
    let CallError::WorkerLost(report) = &error else {
        panic!("{error}");
    };
    let cause = format!(
        "{} {}",
        report.cause(),
        report.memory.clone().unwrap_or_default()
    );
    assert!(cause.contains("memory"), "{report:?}");
    assert_eq!(
        &*report.call.as_ref().expect("it was in a call").command,
        "explode"
    );
    assert_ne!(pit.process("pid", ()).await, first);
    pit.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_below_what_a_worker_starts_with_is_refused_with_both_numbers() {
    let started = try_start("    pool_size: 1\n    worker_max_memory: 1MiB\n").await;
    let Err(StartError::Launch { source, .. }) = started.map(drop) else {
        panic!("it starts");
    };
    let LaunchErrorKind::Refused { policy, message } = &source.kind else {
        panic!("{source}");
    };
    assert_eq!(policy, "worker_max_memory");
    assert!(message.contains("is 1MiB"), "{message}");
    assert!(message.contains("uses"), "{message}");
    assert!(source.hint().is_some());
}

/// Makes calls until the pool's only worker was measured since and uses as much memory.
async fn measured(pit: &Pit, enough: impl Fn(u64) -> bool) {
    let look = async {
        let called = Instant::now();
        loop {
            let snapshot = pit.pool().snapshot();
            let usage = snapshot.workers.first().and_then(|worker| worker.usage);
            if usage.is_some_and(|usage| usage.at > called && enough(usage.private)) {
                return;
            }
            pit.process("pid", ()).await;
        }
    };
    timeout(BOUND, look).await.expect("it is measured");
}
