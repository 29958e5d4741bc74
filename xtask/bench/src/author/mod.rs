//! What the author of an adapter works with, each beside a call that does without. One file per topic.

mod sessions;
mod streams;
mod tools;
mod values;

use std::time::Instant;

use anyhow::{Context, Result};
use snakepit_core::{CallError, Pool};

use crate::report::Report;
use crate::setup::{Setup, builder};
use crate::statistics::median;

pub(crate) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let pool = setup.runtime.block_on(pool(setup))?;
    let done = streams::run(setup, &pool, report).and_then(|()| tools::run(setup, &pool, report));
    setup.runtime.block_on(pool.shutdown());
    done?;
    sessions::run(setup, report)?;
    values::run(setup, report)
}

/// One worker with the adapter of these benchmarks, warm.
async fn pool(setup: &Setup) -> Result<Pool> {
    let pool = builder(setup.profile("author.py"), 1)
        .start()
        .await
        .context("the pool does not start")?;
    for _ in 0..500 {
        pool.call::<()>("noop", ()).await?;
    }
    Ok(pool)
}

/// Does something again and again on a task of its own; the median in microseconds.
async fn each<F, R>(times: usize, work: F) -> Result<f64>
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), CallError>> + Send + 'static,
{
    let task = tokio::spawn(async move {
        let mut samples = Vec::with_capacity(times);
        for index in 0..times + times / 10 {
            let start = Instant::now();
            work().await?;
            if index >= times / 10 {
                samples.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        Ok::<_, CallError>(samples)
    });
    Ok(median(&task.await??))
}

/// A call that does nothing, in microseconds.
async fn noop(pool: &Pool, times: usize) -> Result<f64> {
    let pool = pool.clone();
    each(times, move || {
        let pool = pool.clone();
        async move { pool.call::<()>("noop", ()).await }
    })
    .await
}
