//! Everything that watches over workers, switched on with limits that never strike, against nothing of it: calls a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use snakepit_core::{Limits, Pool, PoolSettings};
use snakepit_lifecycle::{Growth, Hang, HardMemory, Idle, MaxMemory, MaxRequests, Sampler, Ttl};

use crate::report::{self, Bar, Report};
use crate::setup::Setup;
use crate::statistics::median;
use crate::throughput::{CALLERS, WORKERS, load};

/// More than any worker here will ever have.
const NEVER: Duration = Duration::from_secs(24 * 3600);
const ALL: u64 = 1 << 40;
/// What is watched for hanging is measured four times in that time.
const HANG: Duration = Duration::from_secs(2);

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let off = setup.runtime.block_on(setup.bare_pool(WORKERS))?;
    let on = setup.runtime.block_on(watched(setup))?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let turns = if setup.quick { 2 } else { 20 };
    let slice = setup.duration / 4;
    for turn in 0..turns {
        // A B, B A: whoever comes second meets a different machine.
        for watches in [turn % 2 == 0, turn % 2 != 0] {
            let (pool, rates) = if watches {
                (&on, &mut with)
            } else {
                (&off, &mut without)
            };
            rates.push(setup.runtime.block_on(load(pool, Instant::now() + slice))?);
        }
    }
    setup.runtime.block_on(on.shutdown());
    setup.runtime.block_on(off.shutdown());

    report::section(&format!(
        "overhead: calls that do nothing, {WORKERS} workers, {CALLERS} callers, all policies on and off"
    ));
    report.figure("without policies", "calls/s", &without, Bar::None);
    report.figure(
        "all policies, sampler, heartbeats",
        "calls/s",
        &with,
        Bar::None,
    );
    report.figure(
        "with / without, medians of all turns",
        "x",
        &[median(&with) / median(&without)],
        Bar::AtLeast(0.98),
    );
    report.ratio("with / without, turn by turn", &with, &without, Bar::None);
    Ok(())
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
