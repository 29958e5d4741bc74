//! 1,000 calls cancelled while they wait: no lane is lost, and none of them ever ran.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use snakepit_core::Pool;
use tokio::task::JoinSet;

use crate::report::{self, Bar, Report};
use crate::setup::Setup;

const CALLS: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let mut runs = Vec::new();
    for _ in 0..setup.repetitions {
        runs.push(setup.runtime.block_on(repetition(setup))?);
    }
    let of = |figure: fn(&Run) -> f64| runs.iter().map(figure).collect::<Vec<_>>();
    report::section("cancel: 1,000 waiting calls dropped, 1 worker");
    report.figure("lanes lost", "lanes", &of(|run| run.lost), Bar::AtMost(0.0));
    report.figure(
        "cancelled calls that ran",
        "calls",
        &of(|run| run.ran),
        Bar::AtMost(0.0),
    );
    report.figure(
        "time to drop them all",
        "ms",
        &of(|run| run.milliseconds),
        Bar::None,
    );
    Ok(())
}

struct Run {
    lost: f64,
    ran: f64,
    milliseconds: f64,
}

async fn repetition(setup: &Setup) -> Result<Run> {
    let pool = setup.bare_pool(1).await?;
    let busy = tokio::spawn({
        let pool = pool.clone();
        async move { pool.call::<()>("nap", (0.3,)).await }
    });
    until(&pool, "the worker is busy", |running, _| running == 1).await?;
    let mut waiting = JoinSet::new();
    for _ in 0..CALLS {
        let pool = pool.clone();
        waiting.spawn(async move { pool.call::<()>("count", ()).await });
    }
    until(&pool, "all calls wait", |_, queued| queued == CALLS).await?;

    let start = Instant::now();
    waiting.shutdown().await;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;

    busy.await??;
    let ran = f64::from(pool.call::<u32>("counted", ()).await?);
    let free = until(&pool, "the lane is free", |running, queued| {
        running + queued == 0
    })
    .await;
    let lost = if free.is_ok() && pool.snapshot().lanes == 1 {
        0.0
    } else {
        1.0
    };
    pool.shutdown().await;
    Ok(Run {
        lost,
        ran,
        milliseconds,
    })
}

/// Waits for a state of the pool, given the numbers of running and of queued calls.
async fn until(pool: &Pool, what: &str, reached: impl Fn(usize, usize) -> bool) -> Result<()> {
    let look = async {
        loop {
            let snapshot = pool.snapshot();
            if reached(snapshot.running, snapshot.queued) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, look)
        .await
        .with_context(|| format!("never seen: {what}"))
}
