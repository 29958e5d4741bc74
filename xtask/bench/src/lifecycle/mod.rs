//! What keeping workers alive costs, and how fast it acts: recycling, reloads, deaths, timeouts, a long run.

mod deaths;
mod orphans;
mod overhead;
mod recycling;
mod reload;
mod soak;
mod timeouts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use snakepit_core::{Pool, PoolBuilder, PoolSettings, WorkerId, WorkerProfile};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::report::Report;
use crate::setup::Setup;

pub(crate) use orphans::{Trouble, host};

/// Far longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    recycling::run(setup, report)?;
    reload::run(setup, report)?;
    deaths::run(setup, report)?;
    orphans::run(setup, report)?;
    timeouts::run(setup, report)?;
    soak::run(setup, report)?;
    overhead::run(setup, report)
}

/// A pool that puts up with all its workers being killed.
fn builder(profile: Arc<dyn WorkerProfile>, size: usize) -> PoolBuilder {
    Pool::builder("bench", profile).settings(PoolSettings {
        size,
        queue_size: 2_000,
        restart_budget: Some(u32::MAX),
        ..PoolSettings::default()
    })
}

/// Waits until something is true of a pool.
async fn until(pool: &Pool, what: &str, reached: impl Fn(&Pool) -> bool) -> Result<()> {
    let look = async {
        while !reached(pool) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look)
        .await
        .with_context(|| format!("never seen: {what}"))
}

/// Has one worker after the other replaced, one each `every`, without end; returns nothing, but counts.
async fn recycle(pool: Pool, every: Duration, recycled: Arc<std::sync::atomic::AtomicU32>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = WorkerId::new(0);
    loop {
        ticks.tick().await;
        let mut workers: Vec<_> = pool.snapshot().workers;
        // Round robin: replacements have higher numbers than all that were there before.
        workers.sort_by_key(|worker| (worker.worker <= last, worker.worker));
        for worker in workers {
            // One that is on its way in or out is refused.
            if pool.recycle(worker.worker).is_ok() {
                last = worker.worker;
                recycled.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                break;
            }
        }
    }
}

fn milliseconds(since: Instant, at: Instant) -> f64 {
    at.saturating_duration_since(since).as_secs_f64() * 1e3
}
