//! All workers of a pool replaced under load: what failed, and how many served at the worst moment.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use snakepit_core::{Event, EventKind, Pool, WorkerId};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::builder;
use crate::report::{self, Bar, Report};
use crate::setup::Setup;

const WORKERS: usize = 16;
const CALLERS: usize = 8;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let mut runs = Vec::new();
    for _ in 0..setup.repetitions {
        runs.push(setup.runtime.block_on(repetition(setup))?);
    }
    let of = |figure: fn(&Run) -> f64| runs.iter().map(figure).collect::<Vec<_>>();
    report::section(&format!("reload: {WORKERS} workers, {CALLERS} callers"));
    let failed = of(|run| run.failed).iter().sum();
    report.figure("calls that failed", "calls", &[failed], Bar::AtMost(0.0));
    let least = |figures: Vec<f64>| [crate::statistics::min(&figures)];
    report.figure(
        "fewest workers that served, by events",
        "workers",
        &least(of(|run| run.by_events)),
        Bar::AtLeast(15.0),
    );
    report.figure(
        "fewest workers that served, looked at each ms",
        "workers",
        &least(of(|run| run.by_looks)),
        Bar::AtLeast(15.0),
    );
    report.figure("time to reload", "ms", &of(|run| run.took), Bar::None);
    Ok(())
}

struct Run {
    failed: f64,
    by_events: f64,
    by_looks: f64,
    took: f64,
}

/// Workers that came into service and left it, in the pool's own order.
#[derive(Default)]
struct Service(Mutex<Vec<(u64, WorkerId, bool)>>);

impl Service {
    fn note(&self, event: &Event) {
        let (worker, serves) = match &event.kind {
            EventKind::WorkerReady { worker, .. } => (*worker, true),
            EventKind::WorkerDraining { worker, .. }
            | EventKind::WorkerQuarantined { worker, .. }
            | EventKind::WorkerStopping { worker, .. }
            | EventKind::WorkerExited { worker, .. } => (*worker, false),
            _ => return,
        };
        let mut changes = self.0.lock();
        changes.push((event.seq, worker, serves));
    }

    /// The fewest that served at any time since `since` served at once.
    fn fewest(&self, since: usize) -> usize {
        let mut changes = self.0.lock();
        changes.sort_by_key(|(seq, ..)| *seq);
        let (mut serving, mut fewest) = (HashSet::new(), since);
        let mut full = false;
        for (_, worker, serves) in changes.iter() {
            if *serves {
                serving.insert(*worker);
            } else {
                serving.remove(worker);
            }
            full |= serving.len() >= since;
            if full {
                fewest = fewest.min(serving.len());
            }
        }
        fewest
    }
}

async fn repetition(setup: &Setup) -> Result<Run> {
    let service = Arc::new(Service::default());
    let sink = {
        let service = Arc::clone(&service);
        move |event: &Event| service.note(event)
    };
    let pool = builder(setup.profile("bare.py"), WORKERS)
        .event_sink(Arc::new(sink))
        .start()
        .await
        .context("the pool does not start")?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut callers: JoinSet<_> = (0..CALLERS)
        .map(|_| caller(pool.clone(), stopped.clone()))
        .collect();
    let looks = tokio::spawn(look(pool.clone(), stopped));
    sleep(Duration::from_millis(100)).await;

    let start = Instant::now();
    let reload = tokio::time::timeout(super::PATIENCE, pool.reload());
    let reloaded = reload.await.context("the reload does not end")?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    reloaded.context("the reload failed")?;
    sleep(Duration::from_millis(100)).await;
    // Before the pool ends, and with it all service.
    let by_events = service.fewest(WORKERS);
    stop.send(true)?;

    let mut failed = 0;
    while let Some(own) = callers.join_next().await {
        failed += own?;
    }
    let by_looks = looks.await?;
    pool.shutdown().await;
    #[expect(clippy::cast_precision_loss, reason = "few workers")]
    Ok(Run {
        failed: f64::from(failed),
        by_events: by_events as f64,
        by_looks: by_looks as f64,
        took,
    })
}

async fn caller(pool: Pool, stopped: tokio::sync::watch::Receiver<bool>) -> u32 {
    let mut failed = 0;
    while !*stopped.borrow() {
        if pool.call::<()>("nap", (0.002,)).await.is_err() {
            failed += 1;
        }
    }
    failed
}

async fn look(pool: Pool, stopped: tokio::sync::watch::Receiver<bool>) -> usize {
    let mut fewest = usize::MAX;
    while !*stopped.borrow() {
        fewest = fewest.min(pool.snapshot().ready);
        sleep(Duration::from_millis(1)).await;
    }
    fewest
}
