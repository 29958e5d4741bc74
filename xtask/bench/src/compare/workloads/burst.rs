//! 64 sleeps at once on 64 lanes: whether they really overlap.

use std::time::Instant;

use anyhow::Result;
use snakepit_core::Pool;
use tokio::task::JoinSet;

use super::{Context, Sections, judged, rows, turns};
use crate::compare::load::{Work, warm};
use crate::compare::section::{Better, Picture, Section};

const CALLS: usize = 64;

pub(crate) fn burst(cx: &Context<'_>) -> Sections {
    let mut left_out = Vec::new();
    let pools = cx.pools("compare.py", CALLS, &mut left_out);
    let mut rows = rows(pools.iter().map(|(contestant, _)| *contestant), 1);
    for (_, pool) in &pools {
        cx.setup.runtime.block_on(warm(pool, Work::Noop))?;
    }
    for round in 0..cx.setup.repetitions {
        for turn in turns(pools.len(), round) {
            let took = cx.setup.runtime.block_on(once(&pools[turn].1))?;
            rows[turn].samples[0].push(took);
        }
    }
    cx.stop(pools);
    Ok(vec![judged(Section {
        id: "burst",
        title: "64 sleeps of 0.1 s at once".into(),
        about: "Threads and interpreters: 4 workers of 16 lanes; processes: 64 workers. One after the other would take \
                6.4 s. Snakepit 0.6 (Elixir) took 1.67 s on this test with 4 workers of 16 threads, on a machine of this \
                kind."
            .into(),
        unit: "s",
        better: Better::Less,
        picture: Picture::Bars,
        points: vec!["until the last answer".into()],
        judged: 0,
        rows,
        verdict: String::new(),
        left_out,
    })])
}

/// Seconds from the first call to the last answer.
async fn once(pool: &Pool) -> Result<f64> {
    let start = Instant::now();
    let mut calls: JoinSet<_> = (0..CALLS)
        .map(|_| {
            let pool = pool.clone();
            async move { pool.call::<()>("nap", (0.1,)).await }
        })
        .collect();
    while let Some(done) = calls.join_next().await {
        done??;
    }
    Ok(start.elapsed().as_secs_f64())
}
