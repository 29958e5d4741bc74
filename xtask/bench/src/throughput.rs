//! Calls a second with 2 workers and 64 callers, who each wait for one answer before they call again.

use std::time::Instant;

use anyhow::Result;
use snakepit_core::{CallError, Pool};
use tokio::task::JoinSet;

use crate::peer::{PEERS, Peer};
use crate::report::{self, Bar, Report};
use crate::setup::Setup;

pub(crate) const WORKERS: usize = 2;
/// The same number as `IN_FLIGHT` of `peers/common.py`.
pub(crate) const CALLERS: usize = 64;

pub(crate) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let pool = setup.runtime.block_on(setup.bare_pool(WORKERS))?;
    let peers: &[Peer] = if setup.peers { PEERS } else { &[] };
    let (mut ours, mut theirs) = (Vec::new(), vec![Vec::new(); peers.len()]);
    for _ in 0..setup.repetitions {
        let end = Instant::now() + setup.duration;
        ours.push(setup.runtime.block_on(load(&pool, end))?);
        for (peer, rates) in peers.iter().zip(&mut theirs) {
            rates.push(peer.throughput(setup)?);
        }
    }
    setup.runtime.block_on(pool.shutdown());

    report::section("throughput: calls that do nothing, 2 workers, 64 callers");
    report.figure("Snakepit", "calls/s", &ours, Bar::None);
    for (peer, rates) in peers.iter().zip(&theirs) {
        report.figure(peer.name, "calls/s", rates, Bar::None);
        report.ratio(format!("Snakepit / {}", peer.name), &ours, rates, peer.bar);
    }
    Ok(())
}

/// Calls a second until `end`.
pub(crate) async fn load(pool: &Pool, end: Instant) -> Result<f64> {
    let start = Instant::now();
    let mut callers: JoinSet<_> = (0..CALLERS).map(|_| caller(pool.clone(), end)).collect();
    let mut calls = 0;
    while let Some(done) = callers.join_next().await {
        calls += done??;
    }
    Ok(f64::from(calls) / start.elapsed().as_secs_f64())
}

async fn caller(pool: Pool, end: Instant) -> Result<u32, CallError> {
    let mut calls = 0;
    while Instant::now() < end {
        pool.call::<()>("noop", ()).await?;
        calls += 1;
    }
    Ok(calls)
}
