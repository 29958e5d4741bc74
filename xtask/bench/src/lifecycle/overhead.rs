//! Everything that watches over workers, switched on with limits that never strike, against nothing of it: calls a second.
//!
//! Two pools of the same kind differ by several percent, by where the kernel puts their processes, and one pool by a tenth
//! from one half second to the next. So the rates of short turns side by side are compared, of many pools, and pools without
//! policies are compared with each other by the same means: that is how exact the figure is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use snakepit_core::{Limits, Pool, PoolSettings};
use snakepit_lifecycle::{Growth, Hang, HardMemory, Idle, MaxMemory, MaxRequests, Sampler, Ttl};

use crate::process::thread_time;
use crate::report::{self, Bar, Report};
use crate::setup::Setup;
use crate::throughput::{CALLERS, WORKERS, load};

/// More than any worker here will ever have.
const NEVER: Duration = Duration::from_secs(24 * 3600);
const ALL: u64 = 1 << 40;
/// What is watched for hanging is measured four times in that time.
const HANG: Duration = Duration::from_secs(2);

/// Pools of each kind, one pair at a time.
const PAIRS: usize = 16;
/// Turns each pool of a pair gets.
const TURNS: usize = 40;
const TURN: Duration = Duration::from_millis(25);

/// As the kernel cuts it.
const SAMPLER: &str = "snakepit-sample";

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let plain = compare(setup, || setup.runtime.block_on(setup.bare_pool(WORKERS)))?;
    let on = compare(setup, || setup.runtime.block_on(watched(setup)))?;
    // It measures workers during the turns of the other pool as well, which the ratio cannot show.
    let sampler = on.sampler.as_secs_f64() / on.took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let rest = 1.0 - sampler / std::thread::available_parallelism()?.get() as f64;
    let with: Vec<f64> = on.ratios().map(|ratio| ratio * rest).collect();

    report::section(&format!(
        "overhead: calls that do nothing, {WORKERS} workers, {CALLERS} callers, all policies on and off"
    ));
    report.figure("without policies", "calls/s", &on.plain, Bar::None);
    report.figure(
        "all policies, sampler, heartbeats",
        "calls/s",
        &on.other,
        Bar::None,
    );
    report.figure(
        "the sampler, of one core",
        "%",
        &[sampler * 100.0],
        Bar::None,
    );
    let plain: Vec<f64> = plain.ratios().collect();
    report.figure("without / without, turn by turn", "x", &plain, Bar::None);
    report.figure(
        "with / without, turn by turn",
        "x",
        &with,
        Bar::AtLeast(0.98),
    );
    Ok(())
}

/// Calls a second of pools without policies, and of others, turn by turn.
#[derive(Default)]
struct Rates {
    plain: Vec<f64>,
    other: Vec<f64>,
    /// How long all turns took, and processor time of the sampler in it.
    took: Duration,
    sampler: Duration,
}

impl Rates {
    fn ratios(&self) -> impl Iterator<Item = f64> {
        self.other
            .iter()
            .zip(&self.plain)
            .map(|(other, plain)| other / plain)
    }
}

fn compare(setup: &Setup, other: impl Fn() -> Result<Pool>) -> Result<Rates> {
    let mut rates = Rates::default();
    for pair in 0..if setup.quick { 2 } else { PAIRS } {
        // Whoever is started first, or comes second in a turn, meets a different machine.
        let plain = || setup.runtime.block_on(setup.bare_pool(WORKERS));
        let (plain, other) = if pair % 2 == 0 {
            let other = other()?;
            (plain()?, other)
        } else {
            (plain()?, other()?)
        };
        let (start, sampled) = (Instant::now(), thread_time(SAMPLER)?);
        for turn in 0..TURNS {
            for others in [turn % 2 == 0, turn % 2 != 0] {
                let (pool, rates) = if others {
                    (&other, &mut rates.other)
                } else {
                    (&plain, &mut rates.plain)
                };
                let end = Instant::now() + TURN;
                rates.push(setup.runtime.block_on(load(pool, end))?);
            }
        }
        rates.took += start.elapsed();
        rates.sampler += thread_time(SAMPLER)?.saturating_sub(sampled);
        setup.runtime.block_on(other.shutdown());
        setup.runtime.block_on(plain.shutdown());
    }
    Ok(rates)
}

/// A pool with everything there is, none of which will ever do anything.
async fn watched(setup: &Setup) -> Result<Pool> {
    let settings = PoolSettings {
        size: WORKERS,
        queue_size: 2_000,
        slow_call_after: Some(Duration::from_secs(30)),
        limits: Limits {
            hard_memory: Some(ALL),
            ..Limits::default()
        },
        ..PoolSettings::default()
    };
    let pool = Pool::builder("bench", setup.profile("bare.py"))
        .settings(settings)
        .policy(Ttl::new(NEVER))
        .policy(MaxRequests::new(ALL))
        .policy(Idle::new(NEVER))
        .policy(MaxMemory::new(ALL))
        .policy(Growth::new(ALL))
        .policy(HardMemory::new(ALL))
        .policy(Hang::new(HANG))
        .meter(Arc::new(Sampler::new()))
        .start()
        .await
        .context("the pool does not start")?;
    for _ in 0..200 * WORKERS {
        pool.call::<()>("noop", ()).await?;
    }
    Ok(pool)
}
