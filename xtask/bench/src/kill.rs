//! Busy workers killed from outside: when the caller gets its error, when the pool is whole again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use snakepit_core::error::ExitStatus;
use snakepit_core::{CallError, Event, EventKind, Pool};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::process::kill;
use crate::report::{self, Bar, Report};
use crate::setup::{Setup, builder};
use crate::statistics::{max, percentile};

const WORKERS: usize = 2;
/// Far longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let kills = if setup.quick { 10 } else { 200 };
    let (mut known, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..setup.repetitions {
        let (known_after, whole_after) = setup.runtime.block_on(repetition(setup, kills))?;
        known.push(known_after);
        whole.push(whole_after);
    }

    report::section(&format!(
        "kill: {kills} times kill -9 of a busy worker, 2 workers"
    ));
    let of = |samples: &[Vec<f64>], figure: fn(&[f64]) -> f64| {
        samples.iter().map(|s| figure(s)).collect::<Vec<_>>()
    };
    let p99 = |samples: &[f64]| percentile(samples, 0.99);
    report.figure(
        "the caller has its error, p99",
        "ms",
        &of(&known, p99),
        Bar::AtMost(10.0),
    );
    report.figure(
        "the caller has its error, max",
        "ms",
        &of(&known, max),
        Bar::None,
    );
    report.figure(
        "the pool is whole again, p99",
        "ms",
        &of(&whole, p99),
        Bar::AtMost(50.0),
    );
    report.figure(
        "the pool is whole again, max",
        "ms",
        &of(&whole, max),
        Bar::None,
    );
    report.raw("kill-error-ms", &known.concat())?;
    report.raw("kill-whole-ms", &whole.concat())
}

async fn repetition(setup: &Setup, kills: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let (sender, mut ready) = unbounded_channel();
    let sink = move |event: &Event| {
        if let EventKind::WorkerReady { .. } = event.kind {
            // The receiver is gone once the measurement is over.
            let _ = sender.send(Instant::now());
        }
    };
    let builder = builder(setup.profile("bare.py"), WORKERS).event_sink(Arc::new(sink));
    let pool = builder.start().await.context("the pool does not start")?;
    for _ in 0..WORKERS {
        next(&mut ready).await?;
    }
    let (mut known, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..kills {
        let milliseconds =
            |since: Instant, at: Instant| at.saturating_duration_since(since).as_secs_f64() * 1e3;
        let (killed, error) = kill_one(&pool).await?;
        known.push(milliseconds(killed, error));
        whole.push(milliseconds(killed, next(&mut ready).await?));
        let snapshot = pool.snapshot();
        ensure!(
            snapshot.ready == WORKERS,
            "{} workers ready, not {WORKERS}",
            snapshot.ready
        );
    }
    pool.shutdown().await;
    Ok((known, whole))
}

/// Kills a worker that is busy with a call; returns when, and when the call failed.
async fn kill_one(pool: &Pool) -> Result<(Instant, Instant)> {
    // Workers that die before they served a call look like a crash loop. Those of a running service have.
    while pool
        .snapshot()
        .workers
        .iter()
        .any(|worker| worker.served == 0)
    {
        let (one, other) = tokio::join!(
            pool.call::<()>("nap", (0.001,)),
            pool.call::<()>("nap", (0.001,))
        );
        one.and(other)?;
    }
    let call = tokio::spawn({
        let pool = pool.clone();
        async move { (pool.call::<()>("nap", (60,)).await, Instant::now()) }
    });
    let victim = loop {
        let snapshot = pool.snapshot();
        if let Some(busy) = snapshot.workers.iter().find(|worker| worker.busy > 0) {
            break busy
                .hello
                .as_ref()
                .and_then(|hello| hello.process)
                .context("a worker without process")?;
        }
        tokio::task::yield_now().await;
    };
    // Busy for the pool is not yet busy in Python.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let killed = Instant::now();
    kill(victim)?;
    let (result, at) = tokio::time::timeout(PATIENCE, call)
        .await
        .context("the caller was never told")??;
    match result {
        Err(CallError::WorkerLost(report)) if report.status == ExitStatus::Signal(9) => {
            Ok((killed, at))
        }
        other => anyhow::bail!("a call whose worker was killed ended as {other:?}"),
    }
}

async fn next(ready: &mut UnboundedReceiver<Instant>) -> Result<Instant> {
    let next = tokio::time::timeout(PATIENCE, ready.recv()).await;
    next.context("the worker was never replaced")?
        .context("the pool is gone")
}
