//! Callers who keep half of the machine busy, with one worker replaced every 100 ms and without.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use snakepit_core::Pool;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{builder, recycle};
use crate::report::{self, Bar, Report};
use crate::setup::Setup;
use crate::statistics::percentile;

const WORKERS: usize = 4;
const EVERY: Duration = Duration::from_millis(100);
/// What a call computes, and how long its caller rests before the next one.
const WORK: Duration = Duration::from_millis(2);

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let pool = setup
        .runtime
        .block_on(builder(setup.profile("compare.py"), WORKERS).start())
        .context("the pool does not start")?;
    let callers = std::thread::available_parallelism()?.get();
    let slice = setup.duration * 2;
    let (mut with, mut without, mut failed, mut recycled) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for turn in 0..setup.repetitions * 2 {
        // A B, B A: whoever comes second meets a different machine.
        for recycles in [turn % 2 == 0, turn % 2 != 0] {
            let seen = setup
                .runtime
                .block_on(load(&pool, callers, slice, recycles))?;
            let p99 = percentile(&seen.latencies, 0.99);
            if recycles {
                with.push(p99);
                recycled.push(f64::from(seen.recycled));
            } else {
                without.push(p99);
            }
            failed.push(f64::from(seen.failed));
        }
    }
    setup.runtime.block_on(pool.shutdown());

    report::section(&format!(
        "recycling: one of {WORKERS} workers every {EVERY:?}, {callers} callers who compute half of the time"
    ));
    report.figure(
        "calls that failed",
        "calls",
        &[failed.iter().sum()],
        Bar::AtMost(0.0),
    );
    report.figure(
        "workers replaced in a turn",
        "workers",
        &recycled,
        Bar::None,
    );
    report.figure("p99 of a call of 2 ms, without", "ms", &without, Bar::None);
    report.figure("p99 of a call of 2 ms, recycling", "ms", &with, Bar::None);
    report.ratio("p99 recycling / without", &with, &without, Bar::AtMost(1.3));
    Ok(())
}

struct Seen {
    latencies: Vec<f64>,
    failed: u32,
    recycled: u32,
}

async fn load(pool: &Pool, callers: usize, slice: Duration, recycles: bool) -> Result<Seen> {
    let end = Instant::now() + slice;
    let recycled = Arc::new(AtomicU32::new(0));
    let recycler =
        recycles.then(|| tokio::spawn(recycle(pool.clone(), EVERY, Arc::clone(&recycled))));
    let mut tasks: JoinSet<_> = (0..callers).map(|_| caller(pool.clone(), end)).collect();
    let (mut latencies, mut failed) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (own_latencies, own_failed) = done?;
        latencies.extend(own_latencies);
        failed += own_failed;
    }
    if let Some(recycler) = recycler {
        recycler.abort();
    }
    super::until(pool, "the pool is whole", |pool| {
        let snapshot = pool.snapshot();
        (snapshot.ready, snapshot.workers.len()) == (WORKERS, WORKERS)
    })
    .await?;
    Ok(Seen {
        latencies,
        failed,
        recycled: recycled.load(Ordering::Relaxed),
    })
}

async fn caller(pool: Pool, end: Instant) -> (Vec<f64>, u32) {
    let (mut latencies, mut failed) = (Vec::new(), 0);
    while Instant::now() < end {
        let start = Instant::now();
        match pool.call::<()>("busy", (WORK.as_secs_f64(),)).await {
            Ok(()) => latencies.push(start.elapsed().as_secs_f64() * 1e3),
            Err(_) => failed += 1,
        }
        sleep(WORK).await;
    }
    (latencies, failed)
}
