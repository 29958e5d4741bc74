//! How an idle lane answers while the lane beside it runs pure Python.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use snakepit_core::Pool;

use super::{Context, Sections, judged, rows, turns};
use crate::compare::load::{Work, one_by_one, warm};
use crate::compare::section::{Better, Picture, Section};
use crate::statistics::percentile;

/// Far longer than it takes until a call runs.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn neighbour(cx: &Context<'_>) -> Sections {
    let calls = if cx.setup.quick { 500 } else { 4_000 };
    let mut left_out = Vec::new();
    let pools = cx.pools("compare.py", 2, &mut left_out);
    let mut rows = rows(pools.iter().map(|(contestant, _)| *contestant), 2);
    for (_, pool) in &pools {
        cx.setup.runtime.block_on(warm(pool, Work::Noop))?;
    }
    for round in 0..cx.setup.repetitions {
        for turn in turns(pools.len(), round) {
            let pool = &pools[turn].1;
            let alone = cx.setup.runtime.block_on(one_by_one(pool, calls))?;
            let beside = cx.setup.runtime.block_on(beside(pool, calls))?;
            rows[turn].samples[0].push(percentile(&alone, 0.99));
            rows[turn].samples[1].push(percentile(&beside, 0.99));
        }
    }
    cx.stop(pools);
    Ok(vec![judged(Section {
        id: "neighbour",
        title: "A lane beside a busy one, p99".into(),
        about: format!(
            "Two lanes, of one worker where it has lanes. One runs pure Python without end, the other answers calls that do \
             nothing, one after the other, {calls} a round."
        ),
        unit: "us",
        better: Better::Less,
        picture: Picture::Bars,
        points: vec!["alone".into(), "beside a busy lane".into()],
        judged: 1,
        rows,
        verdict: String::new(),
        left_out,
    })])
}

/// Round trips while the other lane is busy.
async fn beside(pool: &Pool, calls: usize) -> Result<Vec<f64>> {
    let busy = tokio::spawn({
        let pool = pool.clone();
        // Dropped when we are done, which interrupts it.
        async move { pool.call::<()>("busy", (600,)).await }
    });
    until(pool, "the lane is busy", 1).await?;
    let samples = one_by_one(pool, calls).await;
    busy.abort();
    until(pool, "the lane is free", 0).await?;
    samples
}

async fn until(pool: &Pool, what: &str, running: usize) -> Result<()> {
    let start = Instant::now();
    while pool.snapshot().running != running {
        anyhow::ensure!(start.elapsed() < PATIENCE, "never seen: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let lanes = pool.snapshot().lanes;
    (lanes == 2).then_some(()).context("a lane was lost")
}
