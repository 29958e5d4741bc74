//! A million calls while workers come and go: does the host keep anything?

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use snakepit_core::{CallError, Pool};
use tokio::task::JoinSet;

use super::{builder, recycle, until};
use crate::process::{open_files, resident};
use crate::report::{self, Bar, Report};
use crate::setup::Setup;
use crate::statistics::{max, median};

const WORKERS: usize = 2;
const CALLERS: usize = 64;
const EVERY: Duration = Duration::from_millis(100);
/// What memory may differ by for no reason, in bytes for each million calls: the allocator keeps what threads freed.
const NOISE: f64 = 2.0 * 1024.0 * 1024.0;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let calls: u64 = if setup.quick { 50_000 } else { 1_000_000 };
    let soaked = setup.runtime.block_on(soak(setup, calls))?;
    report::section(&format!(
        "soak: {calls} calls that do nothing, one of {WORKERS} workers replaced every {EVERY:?}"
    ));
    report.figure(
        "calls that failed",
        "calls",
        &[soaked.failed],
        Bar::AtMost(0.0),
    );
    report.figure("workers replaced", "workers", &[soaked.recycled], Bar::None);
    report.figure(
        "memory of the host, median",
        "MiB",
        &[median(&soaked.memory) / MEBIBYTE],
        Bar::None,
    );
    // Over fewer calls the same noise is a larger slope.
    #[expect(clippy::cast_precision_loss, reason = "millions")]
    let noise = NOISE * (1e6 / calls as f64);
    report.figure(
        "slope of the host's memory, after the first tenth",
        "B / 1 M",
        &[slope(&soaked.calls, &soaked.memory) * 1e6],
        Bar::AtMost(noise),
    );
    report.figure(
        "open files of the host, max",
        "files",
        &[max(&soaked.files)],
        Bar::None,
    );
    report.figure(
        "open files more than before",
        "files",
        &[soaked.more_files],
        Bar::AtMost(0.0),
    );
    report.raw("soak-memory-bytes", &soaked.memory)?;
    report.raw("soak-open-files", &soaked.files)
}

const MEBIBYTE: f64 = 1024.0 * 1024.0;

struct Soaked {
    /// Calls made at each sample.
    calls: Vec<f64>,
    memory: Vec<f64>,
    files: Vec<f64>,
    /// When all was quiet again.
    more_files: f64,
    failed: f64,
    recycled: f64,
}

async fn soak(setup: &Setup, calls: u64) -> Result<Soaked> {
    let pool = builder(setup.profile("bare.py"), WORKERS)
        .start()
        .await
        .context("the pool does not start")?;
    for _ in 0..1_000 {
        pool.call::<()>("noop", ()).await?;
    }
    let files_before = open_files()?;
    let recycled = Arc::new(AtomicU32::new(0));
    let recycler = tokio::spawn(recycle(pool.clone(), EVERY, Arc::clone(&recycled)));
    let made = Arc::new(AtomicU64::new(0));
    let mut callers: JoinSet<u32> = (0..CALLERS)
        .map(|_| caller(pool.clone(), Arc::clone(&made), calls))
        .collect();
    let (mut at, mut memory, mut files) = (Vec::new(), Vec::new(), Vec::new());
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    while made.load(Ordering::Relaxed) < calls {
        let so_far = made.load(Ordering::Relaxed);
        if so_far > calls / 10 {
            at.push(so_far as f64);
            memory.push(resident()? as f64);
            files.push(open_files()? as f64);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut failed = 0;
    while let Some(own) = callers.join_next().await {
        failed += own?;
    }
    recycler.abort();
    until(&pool, "no files more than before", |pool| {
        let snapshot = pool.snapshot();
        snapshot.workers.len() == WORKERS && snapshot.ready == WORKERS
    })
    .await?;
    // What a worker that is gone leaves is closed a moment after it is.
    let fewer = until(&pool, "no files more than before", |_| {
        open_files().is_ok_and(|files| files <= files_before)
    });
    // If not, the figure says so.
    let _ = tokio::time::timeout(Duration::from_secs(2), fewer).await;
    let more_files = open_files()?.saturating_sub(files_before);
    pool.shutdown().await;
    #[expect(clippy::cast_precision_loss, reason = "few files")]
    Ok(Soaked {
        calls: at,
        memory,
        files,
        more_files: more_files as f64,
        failed: f64::from(failed),
        recycled: f64::from(recycled.load(Ordering::Relaxed)),
    })
}

async fn caller(pool: Pool, made: Arc<AtomicU64>, calls: u64) -> u32 {
    let mut failed = 0;
    while made.fetch_add(1, Ordering::Relaxed) < calls {
        let result: Result<(), CallError> = pool.call("noop", ()).await;
        failed += u32::from(result.is_err());
    }
    failed
}

/// By least squares.
#[expect(clippy::cast_precision_loss, reason = "few samples")]
fn slope(xs: &[f64], ys: &[f64]) -> f64 {
    let count = xs.len() as f64;
    let (x, y) = (
        xs.iter().sum::<f64>() / count,
        ys.iter().sum::<f64>() / count,
    );
    let above: f64 = xs.iter().zip(ys).map(|(a, b)| (a - x) * (b - y)).sum();
    let below: f64 = xs.iter().map(|a| (a - x) * (a - x)).sum();
    above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_its_slope() {
        let xs = [0.0, 1.0, 2.0, 5.0];
        let ys = xs.map(|x| 3.0 * x + 1.0);
        assert!((slope(&xs, &ys) - 3.0).abs() < 1e-9);
    }
}
