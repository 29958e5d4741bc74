//! What a session adds to a call, among 100,000 others: finding it, its affinity, telling Python of it.

use std::time::Instant;

use anyhow::{Context, Result};
use snakepit_core::{CallError, Pool, PoolSettings, SessionId};

use crate::report::{self, Bar, Report};
use crate::setup::{Setup, builder};
use crate::statistics::median;

/// Sessions that are open while it is measured.
const LIVE: usize = 100_000;

/// How far from one session to the next one used: a prime, so that all are used, and none while it is still in a cache.
const STRIDE: usize = 7_919;

pub(crate) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let (live, calls) = if setup.quick {
        (LIVE / 50, 1_000)
    } else {
        (LIVE, 20_000)
    };
    let names: Vec<_> = (0..live)
        .map(|number| SessionId::new(format!("user-{number}")))
        .collect();
    let pool = setup.runtime.block_on(pool(setup))?;
    let opened = setup.runtime.spawn(open(pool.clone(), names.clone()));
    setup.runtime.block_on(opened)??;
    let (mut plain, mut session, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..setup.repetitions {
        // A task, because that is where calls are made; not the thread that blocks on the runtime.
        let task = setup
            .runtime
            .spawn(measure(pool.clone(), names.clone(), calls));
        let taken = setup.runtime.block_on(task)??;
        plain.push(median(&taken.without));
        session.push(median(&taken.with));
        again.push(median(&taken.again));
    }
    setup.runtime.block_on(pool.shutdown());
    report::section(&format!(
        "sessions: a call that does nothing, {live} sessions"
    ));
    report.figure("without a session, p50", "us", &plain, Bar::None);
    report.figure("in a session, p50", "us", &session, Bar::None);
    report.figure("in the same session again, p50", "us", &again, Bar::None);
    report.ratio(
        "in a session / without, p50",
        &session,
        &plain,
        Bar::AtMost(1.02),
    );
    // What the other costs more than this is memory that nobody has touched for 100,000 calls.
    report.ratio(
        "in the same session again / without, p50",
        &again,
        &plain,
        Bar::None,
    );
    Ok(())
}

async fn pool(setup: &Setup) -> Result<Pool> {
    let settings = PoolSettings {
        size: 1,
        max_sessions: LIVE,
        ..PoolSettings::default()
    };
    let pool = builder(setup.profile("bare.py"), 1).settings(settings);
    pool.start().await.context("the pool does not start")
}

async fn open(pool: Pool, names: Vec<SessionId>) -> Result<(), CallError> {
    for name in names {
        pool.request("noop", ()).session(name).call::<()>().await?;
    }
    Ok(())
}

/// How long calls took, in microseconds.
#[derive(Default)]
struct Taken {
    without: Vec<f64>,
    with: Vec<f64>,
    again: Vec<f64>,
}

/// Calls without a session, in one that rested for long, and in that once more, in turns: what disturbs one disturbs the
/// others.
async fn measure(pool: Pool, names: Vec<SessionId>, calls: usize) -> Result<Taken, CallError> {
    let mut taken = Taken::default();
    for number in 0..calls {
        let name = names[number * STRIDE % names.len()].clone();
        let start = Instant::now();
        pool.request("noop", ()).call::<()>().await?;
        taken.without.push(start.elapsed().as_secs_f64() * 1e6);
        for into in [&mut taken.with, &mut taken.again] {
            let name = name.clone();
            let start = Instant::now();
            pool.request("noop", ()).session(name).call::<()>().await?;
            into.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    Ok(taken)
}
