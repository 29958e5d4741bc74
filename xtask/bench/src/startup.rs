//! 100 workers ready: how long it takes, and what each adds to the memory in use.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::process::{parent, pss, workers};
use crate::report::{self, Bar, Report};
use crate::setup::{Setup, builder};

const WORKERS: usize = 100;

pub(crate) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    report::section("startup: 100 workers ready");
    adapter(setup, report, "bare.py", "a bare adapter", 0.25)?;
    if setup.quick {
        return Ok(());
    }
    adapter(setup, report, "with_pandas.py", "pandas imported", 0.5)
}

fn adapter(setup: &Setup, report: &mut Report, adapter: &str, what: &str, bar: f64) -> Result<()> {
    let mut runs = Vec::new();
    for _ in 0..setup.repetitions {
        runs.push(setup.runtime.block_on(measure(setup, adapter))?);
    }
    let of = |figure: fn(&Run) -> f64| runs.iter().map(figure).collect::<Vec<_>>();
    report.figure(
        format!("{what}: from a zygote that is ready"),
        "s",
        &of(|run| run.from_zygote),
        Bar::AtMost(bar),
    );
    report.figure(
        format!("{what}: from nothing"),
        "s",
        &of(|run| run.from_nothing),
        Bar::None,
    );
    report.figure(
        format!("{what}: PSS of each worker"),
        "MiB",
        &of(|run| run.worker_pss),
        Bar::AtMost(4.0),
    );
    report.figure(
        format!("{what}: PSS of the zygote and 1 worker"),
        "MiB",
        &of(|run| run.first_pss),
        Bar::None,
    );
    Ok(())
}

struct Run {
    from_nothing: f64,
    from_zygote: f64,
    first_pss: f64,
    worker_pss: f64,
}

async fn measure(setup: &Setup, adapter: &str) -> Result<Run> {
    let start = Instant::now();
    let pool = builder(setup.profile(adapter), WORKERS)
        .start()
        .await
        .context("100 workers do not start")?;
    let from_nothing = start.elapsed().as_secs_f64();
    pool.shutdown().await;

    // One worker, so that its zygote is ready; then 100 more of the same.
    let pool = builder(setup.profile(adapter), 1)
        .start()
        .await
        .context("one worker does not start")?;
    let zygote = parent(*workers(&pool).first().context("no worker")?)?;
    let with_zygote = |mut pids: Vec<u32>| {
        pids.push(zygote);
        pss(&pids)
    };
    let first_pss = with_zygote(workers(&pool))?;
    let start = Instant::now();
    pool.resize(WORKERS + 1)?;
    pool.ready()
        .await
        .context("100 more workers do not start")?;
    let from_zygote = start.elapsed().as_secs_f64();
    let all_pss = with_zygote(workers(&pool))?;
    pool.shutdown().await;
    let worker_pss = (all_pss - first_pss) / 100.0;
    Ok(Run {
        from_nothing,
        from_zygote,
        first_pss,
        worker_pss,
    })
}
