//! Two contestants against each other in short turns, so that a machine that gets slower gets slower for both.

use std::time::Duration;

use anyhow::Result;
use snakepit_core::Pool;

use super::contestants::Contestant;
use super::load::{Work, load, one_by_one, warm};
use crate::setup::Setup;
use crate::statistics::median;

/// What is compared.
#[derive(Clone, Copy)]
pub(super) enum Measure {
    /// Calls of pure Python a second, with two callers for each lane.
    Rate,
    /// The p50 of a call that does nothing, in microseconds.
    Latency,
}

/// A contestant with so many lanes.
pub(super) struct Side<'a> {
    pub(super) who: &'a Contestant,
    pub(super) lanes: usize,
}

/// The figures of both, turn by turn: the first of one belongs to the first of the other.
pub(super) fn duel(
    setup: &Setup,
    measure: Measure,
    sides: [&Side<'_>; 2],
) -> Result<[Vec<f64>; 2]> {
    let (turns, slice) = if setup.quick {
        (6, Duration::from_millis(200))
    } else {
        (20, Duration::from_millis(500))
    };
    let runtime = &setup.runtime;
    let mut pools = Vec::new();
    for side in sides {
        let pool = runtime.block_on(side.who.pool("compare.py", side.lanes))?;
        runtime.block_on(warm(&pool, Work::Crunch))?;
        pools.push((pool, side.lanes));
    }
    let mut figures = [Vec::new(), Vec::new()];
    for turn in 0..turns {
        // A B, B A, A B: whoever comes second meets a different machine.
        for index in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
            let (pool, lanes) = &pools[index];
            let figure = runtime.block_on(once(pool, *lanes, measure, slice))?;
            figures[index].push(figure);
        }
    }
    for (pool, _) in pools {
        runtime.block_on(pool.shutdown());
    }
    Ok(figures)
}

async fn once(pool: &Pool, lanes: usize, measure: Measure, slice: Duration) -> Result<f64> {
    match measure {
        Measure::Rate => Ok(load(pool, Work::Crunch, lanes * 2, slice)
            .await?
            .calls_per_second),
        Measure::Latency => {
            one_by_one(pool, 200).await?;
            Ok(median(&one_by_one(pool, 2_000).await?))
        }
    }
}
