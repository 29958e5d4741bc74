//! What lanes cost: time until they are ready, and memory, idle and after work.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use snakepit_core::{Pool, WorkerProfile};
use snakepit_profiles::SpawnMode;
use tokio::task::JoinSet;

use super::{Context, Sections, judged, reason, rows, turns};
use crate::compare::contestants::Contestant;
use crate::compare::section::{Better, Picture, Row, Section};
use crate::process::{Memory, memory, tree, workers};

const LANES: usize = 16;
/// Entries of the table each lane builds as its work.
const ENTRIES: u32 = 20_000;

/// What a pool costs.
pub(super) struct Footprint {
    /// From nothing until every worker is ready.
    pub(super) seconds: f64,
    pub(super) idle: Memory,
    pub(super) worked: Memory,
}

pub(crate) fn footprint(cx: &Context<'_>) -> Sections {
    let mut left_out = Vec::new();
    let mut all: [Vec<Row>; 3] = std::array::from_fn(|_| rows(cx.contestants, 2));
    for round in 0..cx.setup.repetitions {
        for turn in turns(cx.contestants.len(), round) {
            let contestant = &cx.contestants[turn];
            // Whoever failed in the first round fails in all.
            if round > 0 && all[0][turn].samples[0].is_empty() {
                continue;
            }
            let once = async {
                let shape = contestant.shape(LANES);
                let profile = contestant.profile("compare.py", shape.lanes, SpawnMode::Auto);
                let cold = measure(contestant, profile, shape.workers).await?;
                Ok::<_, anyhow::Error>((cold, more(contestant).await?))
            };
            match cx.setup.runtime.block_on(once) {
                Ok((cold, warm)) => {
                    let figures = [
                        [cold.seconds * 1e3, warm * 1e3],
                        [cold.idle.proportional, cold.worked.proportional],
                        [cold.idle.private, cold.worked.private],
                    ];
                    for (rows, figures) in all.iter_mut().zip(figures) {
                        for (samples, figure) in rows[turn].samples.iter_mut().zip(figures) {
                            samples.push(figure);
                        }
                    }
                }
                Err(error) if round == 0 => left_out.push(reason(&error)),
                Err(error) => return Err(error.context("it worked before")),
            }
        }
    }
    let [start, proportional, private] = all.map(|mut rows| {
        rows.retain(|row| !row.samples[0].is_empty());
        rows
    });
    let what = format!(
        "{LANES} lanes that imported asyncio, http.client, json and decimal: {LANES} processes, or one worker with {LANES} lanes."
    );
    let section = |id, title: &str, about: String, unit, points: [&str; 2], rows, judged_at| {
        judged(Section {
            id,
            title: title.into(),
            about,
            unit,
            better: Better::Less,
            picture: Picture::Bars,
            points: points.map(str::to_owned).to_vec(),
            judged: judged_at,
            rows,
            verdict: String::new(),
            left_out: left_out.clone(),
        })
    };
    let memory = |how: &str| {
        format!(
            "{what} {how} The whole pool, its zygote included. The work: a table of {ENTRIES} strings built and dropped by \
                 each lane, then a garbage collection."
        )
    };
    Ok(vec![
        section(
            "start",
            "Start-up",
            format!("{what} From nothing, and {LANES} more of them once the zygote is there."),
            "ms",
            ["from nothing", "from a ready zygote"],
            start,
            0,
        ),
        section(
            "memory",
            "Memory",
            memory("Proportional set size: shared pages count once in all."),
            "MiB",
            ["idle", "after work"],
            proportional,
            1,
        ),
        section(
            "private",
            "Private memory",
            memory("Pages nobody else has: what the pool gives back when it ends."),
            "MiB",
            ["idle", "after work"],
            private,
            1,
        ),
    ])
}

/// Starts a pool, looks at it, has each lane work once, and looks again.
pub(super) async fn measure(
    contestant: &Contestant,
    profile: Arc<dyn WorkerProfile>,
    size: usize,
) -> Result<Footprint> {
    let start = Instant::now();
    let pool = contestant.start(profile, size).await?;
    let seconds = start.elapsed().as_secs_f64();
    let all = tree(&workers(&pool))?;
    let idle = memory(&all)?;
    work(&pool).await?;
    let worked = memory(&all)?;
    pool.shutdown().await;
    Ok(Footprint {
        seconds,
        idle,
        worked,
    })
}

/// As many calls at once as there are lanes, each long enough that none gets two.
async fn work(pool: &Pool) -> Result<()> {
    let lanes = pool.snapshot().lanes;
    let mut calls: JoinSet<_> = (0..lanes)
        .map(|_| {
            let pool = pool.clone();
            async move { pool.call::<u64>("fill", (ENTRIES, 0.05)).await }
        })
        .collect();
    while let Some(done) = calls.join_next().await {
        done??;
    }
    Ok(())
}

/// Seconds until as many lanes again are ready, the zygote being so.
async fn more(contestant: &Contestant) -> Result<f64> {
    let shape = contestant.shape(LANES);
    let profile = contestant.profile("compare.py", shape.lanes, SpawnMode::Auto);
    let pool = contestant.start(profile, 1).await?;
    let start = Instant::now();
    pool.resize(1 + shape.workers)?;
    pool.ready().await.context("more workers do not start")?;
    let seconds = start.elapsed().as_secs_f64();
    pool.shutdown().await;
    Ok(seconds)
}
