//! Calls that run out of time: how soon their lane serves again, in Python code and in C code that does not let go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use snakepit_core::{CallError, Event, EventKind, Pool};
use tokio::sync::mpsc::unbounded_channel;

use super::{PATIENCE, builder, milliseconds};
use crate::report::{self, Bar, Report};
use crate::setup::Setup;
use crate::statistics::{max, percentile};

const TIMEOUT: Duration = Duration::from_millis(50);
const GRACE: Duration = Duration::from_millis(100);

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let rounds = if setup.quick { 5 } else { 200 };
    let free = setup.runtime.block_on(python_loops(setup, rounds))?;
    let replaced = setup.runtime.block_on(stuck(setup, rounds.min(50)))?;

    report::section(&format!(
        "timeouts: calls that do not end, 1 worker, {rounds} times"
    ));
    report.figure(
        "Python loop: the next call has its answer after the timeout, p99",
        "ms",
        &[percentile(&free, 0.99)],
        Bar::AtMost(5.0),
    );
    report.figure("Python loop: the same", "ms", &free, Bar::None);
    report.figure("Python loop: the same, max", "ms", &[max(&free)], Bar::None);
    report.figure(
        "hang in C: a new worker is ready after timeout and grace, p99",
        "ms",
        &[percentile(&replaced, 0.99)],
        Bar::AtMost(20.0),
    );
    report.figure("hang in C: the same", "ms", &replaced, Bar::None);
    report.raw("timeout-python-ms", &free)?;
    report.raw("timeout-hang-ms", &replaced)
}

/// Milliseconds from a timeout to the answer of the call that waited for the lane. The worker stays the same.
async fn python_loops(setup: &Setup, rounds: usize) -> Result<Vec<f64>> {
    let pool = builder(setup.profile("stubborn.py"), 1)
        .start()
        .await
        .context("the pool does not start")?;
    let worker = |pool: &Pool| pool.snapshot().workers.first().map(|worker| worker.worker);
    let first = worker(&pool);
    let mut samples = Vec::new();
    for _ in 0..rounds {
        let deadline = overdue(&pool, "spin", (3600,));
        let next = async {
            // After the other one has the lane.
            tokio::task::yield_now().await;
            pool.call::<()>("noop", ()).await?;
            Ok::<_, CallError>(Instant::now())
        };
        let (deadline, next) = tokio::join!(deadline, next);
        samples.push(milliseconds(deadline?, next?));
    }
    ensure!(worker(&pool) == first, "the worker was replaced");
    pool.shutdown().await;
    Ok(samples)
}

/// Milliseconds beyond the grace from a timeout until the replacement of the worker is ready.
async fn stuck(setup: &Setup, rounds: usize) -> Result<Vec<f64>> {
    let (sender, mut ready) = unbounded_channel();
    let sink = move |event: &Event| {
        if let EventKind::WorkerReady { .. } = event.kind {
            // The receiver is gone once the measurement is over.
            let _ = sender.send(Instant::now());
        }
    };
    let pool = builder(setup.profile("stubborn.py"), 1)
        .cancel_grace(GRACE)
        .event_sink(Arc::new(sink))
        .start()
        .await
        .context("the pool does not start")?;
    ready.recv().await.context("the pool is gone")?;
    let mut samples = Vec::new();
    for _ in 0..rounds {
        // A worker that was of no use looks like a crash loop.
        pool.call::<()>("noop", ()).await?;
        let deadline = overdue(&pool, "hold", (3600,)).await?;
        let replaced = tokio::time::timeout(PATIENCE, ready.recv())
            .await
            .context("the worker was never replaced")?
            .context("the pool is gone")?;
        samples.push(milliseconds(deadline + GRACE, replaced));
    }
    pool.shutdown().await;
    Ok(samples)
}

/// Makes a call that takes longer than its time; returns when that was over.
async fn overdue(pool: &Pool, command: &str, arguments: (u32,)) -> Result<Instant> {
    let deadline = Instant::now() + TIMEOUT;
    match pool
        .request(command, arguments)
        .timeout(TIMEOUT)
        .call::<()>()
        .await
    {
        Err(CallError::TimedOut { .. }) => Ok(deadline),
        other => anyhow::bail!("a call without end ended as {other:?}"),
    }
}
