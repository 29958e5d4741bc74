//! Result streams: the first chunk, small chunks as fast as they come, letting go, a consumer that is slow.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};
use snakepit_core::{CallError, Pool};

use super::noop;
use crate::process::memory;
use crate::report::{self, Bar, Report};
use crate::setup::Setup;
use crate::statistics::{max, median, percentile};

/// Bytes in a chunk for the slow consumer.
const LARGE: usize = 100_000;

pub(crate) fn run(setup: &Setup, pool: &Pool, report: &mut Report) -> Result<()> {
    let times = if setup.quick { 300 } else { 5_000 };
    let (mut nothing, mut first, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    let mut closing = Vec::new();
    let (mut ahead, mut growth) = (Vec::new(), Vec::new());
    for _ in 0..setup.repetitions {
        setup.runtime.block_on(async {
            nothing.push(noop(pool, times).await?);
            first.push(first_chunk(pool, times).await?);
            rates.push(rate(pool, setup.quick).await?);
            closing.push(dropped(pool, if setup.quick { 50 } else { 500 }).await?);
            let (made, more) = slow(pool, setup.quick).await?;
            ahead.push(made);
            growth.push(more);
            anyhow::Ok(())
        })?;
    }
    report::section("streams: 1 worker, 1 lane, 1 consumer");
    report.figure("a call that does nothing, p50", "us", &nothing, Bar::None);
    report.figure("the first chunk, p50", "us", &first, Bar::None);
    report.ratio(
        "the first chunk / a call that does nothing",
        &first,
        &nothing,
        Bar::AtMost(2.0),
    );
    report.figure("small chunks", "chunks/s", &rates, Bar::AtLeast(100_000.0));
    let p99: Vec<_> = closing.iter().map(|s| percentile(s, 0.99)).collect();
    let most: Vec<_> = closing.iter().map(|s| max(s)).collect();
    report.figure("from drop to `finally`, p99", "ms", &p99, Bar::AtMost(5.0));
    report.figure("from drop to `finally`, max", "ms", &most, Bar::None);
    let window = f64::from(8 * snakepit_profiles::frame::FREE_CHUNKS);
    report.figure(
        "chunks of 100 kB made ahead of a slow consumer",
        "chunks",
        &ahead,
        Bar::AtMost(window),
    );
    report.figure(
        "memory of the host meanwhile",
        "MiB more",
        &growth,
        Bar::AtMost(10.0),
    );
    report.raw("stream-closing-ms", &closing.concat())
}

/// From the request to the first chunk. The rest of each stream is not counted.
async fn first_chunk(pool: &Pool, times: usize) -> Result<f64> {
    let pool = pool.clone();
    let task = tokio::spawn(async move {
        let mut samples = Vec::with_capacity(times);
        for index in 0..times + times / 10 {
            let start = Instant::now();
            let mut stream = pool.stream::<u32>("one", ()).await?;
            stream.next().await.transpose()?;
            if index >= times / 10 {
                samples.push(start.elapsed().as_secs_f64() * 1e6);
            }
            while stream.next().await.transpose()?.is_some() {}
        }
        Ok::<_, CallError>(samples)
    });
    Ok(median(&task.await??))
}

async fn rate(pool: &Pool, quick: bool) -> Result<f64> {
    let count: u32 = if quick { 20_000 } else { 300_000 };
    let pool = pool.clone();
    let task = tokio::spawn(async move {
        let start = Instant::now();
        let mut stream = pool.stream::<u32>("chunks", (count,)).await?;
        let mut seen = 0_u32;
        while let Some(chunk) = stream.next().await {
            chunk?;
            seen += 1;
        }
        Ok::<_, CallError>((seen, start.elapsed()))
    });
    let (seen, took) = task.await??;
    ensure!(seen == count, "{seen} chunks of {count}");
    Ok(f64::from(count) / took.as_secs_f64())
}

/// Milliseconds from dropping a stream to the `finally` of its generator, by the clock both sides read.
async fn dropped(pool: &Pool, times: usize) -> Result<Vec<f64>> {
    let mut samples = Vec::with_capacity(times);
    for taken in 0..times {
        let mut stream = pool.stream::<String>("endless", (10,)).await?;
        for _ in 0..=taken % 40 {
            stream.next().await.context("no chunk")??;
        }
        let at = monotonic();
        drop(stream);
        // Waits for the lane, which is free when the generator is closed.
        let closed: i64 = pool.call("closed_at", ()).await?;
        ensure!(closed > 0, "the generator was not closed");
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        samples.push((closed - at) as f64 / 1e6);
    }
    Ok(samples)
}

/// How many chunks a generator makes ahead of a consumer that waits, and what the host's memory grows by meanwhile.
async fn slow(pool: &Pool, quick: bool) -> Result<(f64, f64)> {
    let own = std::process::id();
    let before = memory(&[own])?.private;
    let mut stream = pool.stream::<String>("endless", (LARGE,)).await?;
    let taken = if quick { 50 } else { 500 };
    for index in 0..taken {
        stream.next().await.context("no chunk")??;
        if index % 25 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let growth = memory(&[own])?.private - before;
    drop(stream);
    let made: u32 = pool.call("made", ()).await?;
    Ok((f64::from(made - taken), growth.max(0.0)))
}

fn monotonic() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
