//! Callers who each wait for one answer before they call again, for a while; must not know who answers.

use std::time::{Duration, Instant};

use anyhow::Result;
use snakepit_core::{CallError, Pool};
use tokio::task::JoinSet;

/// Rounds of `crunch` that make a call of about 3 ms.
pub(crate) const ROUNDS: u32 = 4_000;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Nothing.
    Noop,
    /// Pure Python, about 3 ms.
    Crunch,
    /// A product of two matrices.
    Matmul,
    /// A sleep of 20 ms.
    Nap,
    /// Four calls that do nothing, then one of pure Python.
    Mixed,
}

impl Work {
    /// The `number`th call of a caller. Returns whether it is one whose latency counts.
    pub(crate) async fn call(self, pool: &Pool, number: usize) -> Result<bool, CallError> {
        let heavy = self == Self::Crunch || self == Self::Mixed && number.is_multiple_of(5);
        match self {
            _ if heavy => drop(pool.call::<i64>("crunch", (ROUNDS,)).await?),
            Self::Matmul => drop(pool.call::<f64>("matmul", ()).await?),
            Self::Nap => pool.call::<()>("nap", (0.02,)).await?,
            _ => pool.call::<()>("noop", ()).await?,
        }
        Ok(!(heavy && self == Self::Mixed))
    }
}

/// What a load saw.
pub(crate) struct Seen {
    pub(crate) calls_per_second: f64,
    /// Milliseconds; of mixed work only the small calls.
    pub(crate) latencies: Vec<f64>,
}

/// So many callers, for so long.
pub(crate) async fn load(
    pool: &Pool,
    work: Work,
    callers: usize,
    duration: Duration,
) -> Result<Seen> {
    let start = Instant::now();
    let end = start + duration;
    let mut tasks: JoinSet<_> = (0..callers)
        .map(|first| caller(pool.clone(), work, first, end))
        .collect();
    let (mut calls, mut latencies) = (0_u32, Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (own_calls, own_latencies) = done??;
        calls += own_calls;
        latencies.extend(own_latencies);
    }
    Ok(Seen {
        calls_per_second: f64::from(calls) / start.elapsed().as_secs_f64(),
        latencies,
    })
}

/// Starts with call number `first`, so that callers do not all do the same thing at the same time.
async fn caller(
    pool: Pool,
    work: Work,
    first: usize,
    end: Instant,
) -> Result<(u32, Vec<f64>), CallError> {
    let (mut calls, mut latencies) = (0, Vec::new());
    loop {
        let start = Instant::now();
        if start >= end {
            return Ok((calls, latencies));
        }
        if work.call(&pool, first + calls as usize).await? {
            latencies.push(start.elapsed().as_secs_f64() * 1e3);
        }
        calls += 1;
    }
}

/// Calls that do nothing one after the other, in microseconds each. A task, because that is where calls are made; not the
/// thread that blocks on the runtime.
pub(crate) async fn one_by_one(pool: &Pool, calls: usize) -> Result<Vec<f64>> {
    let pool = pool.clone();
    let task = tokio::spawn(async move {
        let mut samples = Vec::with_capacity(calls);
        for _ in 0..calls {
            let start = Instant::now();
            pool.call::<()>("noop", ()).await?;
            samples.push(start.elapsed().as_secs_f64() * 1e6);
        }
        Ok::<_, CallError>(samples)
    });
    Ok(task.await??)
}

/// Every lane works once or more, so that what is made at first use is made.
pub(crate) async fn warm(pool: &Pool, work: Work) -> Result<()> {
    let lanes = pool.snapshot().lanes;
    let mut calls: JoinSet<_> = (0..lanes * 4)
        .map(|number| {
            let pool = pool.clone();
            async move { work.call(&pool, number).await }
        })
        .collect();
    while let Some(done) = calls.join_next().await {
        done??;
    }
    Ok(())
}
