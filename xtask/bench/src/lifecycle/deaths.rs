//! Workers killed from outside while all lanes are busy and more calls wait: who is hurt, and for how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use snakepit_core::{CallError, Event, EventKind, Pool, WorkerProfile};
use snakepit_profiles::ThreadProfile;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::{PATIENCE, builder, milliseconds};
use crate::process::kill;
use crate::report::{self, Bar, Report};
use crate::setup::{Setup, here};
use crate::statistics::{max, percentile};

const LANES: u16 = 4;

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let kills = if setup.quick { 5 } else { 50 };
    let adapter = here().join("adapters/compare.py").display().to_string();
    let thread = ThreadProfile::builder(adapter)
        .python(setup.python.display().to_string())
        .threads_per_worker(LANES)
        .build();
    let subjects = [
        Subject {
            name: "process",
            profile: setup.profile("compare.py"),
            workers: 4,
            lanes: 1,
            whole: 50.0,
        },
        Subject {
            name: "thread",
            profile: Arc::new(thread),
            workers: 2,
            lanes: usize::from(LANES),
            whole: 150.0,
        },
    ];
    for subject in subjects {
        let mut all = Hurt::default();
        for _ in 0..setup.repetitions {
            all.add(setup.runtime.block_on(repetition(&subject, kills))?);
        }
        let Subject {
            name,
            workers,
            lanes,
            whole,
            ..
        } = subject;
        report::section(&format!(
            "deaths: {kills} times kill -9 under load, {name} profile, {workers} workers of {lanes} lanes"
        ));
        report.figure(
            "calls that failed elsewhere",
            "calls",
            &[all.elsewhere],
            Bar::AtMost(0.0),
        );
        report.figure(
            "calls that failed, for each death",
            "calls",
            &all.lost,
            Bar::None,
        );
        let p99 = percentile(&all.known, 0.99);
        report.figure(
            "a caller has its error, p99",
            "ms",
            &[p99],
            Bar::AtMost(10.0),
        );
        report.figure(
            "a caller has its error, max",
            "ms",
            &[max(&all.known)],
            Bar::None,
        );
        let p99 = percentile(&all.whole, 0.99);
        report.figure("full capacity again, p99", "ms", &[p99], Bar::AtMost(whole));
        report.figure(
            "full capacity again, max",
            "ms",
            &[max(&all.whole)],
            Bar::None,
        );
        report.raw(&format!("deaths-{name}-error-ms"), &all.known)?;
        report.raw(&format!("deaths-{name}-whole-ms"), &all.whole)?;
    }
    Ok(())
}

/// Whose workers are killed.
struct Subject {
    name: &'static str,
    profile: Arc<dyn WorkerProfile>,
    workers: usize,
    /// Of each worker.
    lanes: usize,
    /// Milliseconds in which capacity is to be full again.
    whole: f64,
}

/// What deaths did.
#[derive(Default)]
struct Hurt {
    /// Milliseconds until a call that was lost failed.
    known: Vec<f64>,
    /// Milliseconds until the replacement was ready.
    whole: Vec<f64>,
    /// Calls lost, for each death.
    lost: Vec<f64>,
    /// Calls that failed but did not run on the worker that was killed.
    elsewhere: f64,
}

impl Hurt {
    fn add(&mut self, other: Self) {
        self.known.extend(other.known);
        self.whole.extend(other.whole);
        self.lost.extend(other.lost);
        self.elsewhere += other.elsewhere;
    }
}

type Failures = UnboundedSender<(CallError, Instant)>;

async fn repetition(subject: &Subject, kills: usize) -> Result<Hurt> {
    let (workers, lanes) = (subject.workers, subject.lanes);
    let (sender, mut ready) = unbounded_channel();
    let sink = move |event: &Event| {
        if let EventKind::WorkerReady { .. } = event.kind {
            // The receiver is gone once the measurement is over.
            let _ = sender.send(Instant::now());
        }
    };
    let pool = builder(Arc::clone(&subject.profile), workers)
        .event_sink(Arc::new(sink))
        .start()
        .await
        .context("the pool does not start")?;
    for _ in 0..workers {
        next(&mut ready).await?;
    }
    let (failures, mut failed) = unbounded_channel();
    let mut callers: JoinSet<()> = (0..workers * lanes * 2)
        .map(|_| caller(pool.clone(), failures.clone()))
        .collect();
    let mut hurt = Hurt::default();
    for _ in 0..kills {
        let (victim, name) = victim(&pool, lanes).await?;
        let killed = Instant::now();
        kill(victim)?;
        hurt.whole
            .push(milliseconds(killed, next(&mut ready).await?));
        // Whoever is to fail has failed when the next worker serves; a moment more for those who are told last.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut lost = 0.0;
        while let Ok((error, at)) = failed.try_recv() {
            match error {
                CallError::WorkerLost(report) if report.worker == name => {
                    hurt.known.push(milliseconds(killed, at));
                    lost += 1.0;
                }
                _ => hurt.elsewhere += 1.0,
            }
        }
        hurt.lost.push(lost);
    }
    callers.shutdown().await;
    pool.shutdown().await;
    Ok(hurt)
}

/// A worker all of whose lanes are busy: its process, and its name in reports.
async fn victim(pool: &Pool, lanes: usize) -> Result<(u32, String)> {
    let found = async {
        loop {
            let snapshot = pool.snapshot();
            let busy = snapshot
                .workers
                .iter()
                .find(|worker| worker.busy == lanes && worker.served > 0);
            if let Some((worker, process)) =
                busy.and_then(|worker| Some((worker.worker, worker.hello.as_ref()?.process?)))
            {
                return (process, format!("{}/{worker}", snapshot.pool));
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .context("no worker was ever busy")
}

async fn caller(pool: Pool, failures: Failures) {
    loop {
        if let Err(error) = pool.call::<()>("nap", (0.01,)).await {
            // The receiver is gone once the measurement is over.
            let _ = failures.send((error, Instant::now()));
        }
    }
}

async fn next(ready: &mut UnboundedReceiver<Instant>) -> Result<Instant> {
    match tokio::time::timeout(PATIENCE, ready.recv()).await {
        Ok(Some(at)) => Ok(at),
        _ => bail!("the worker was never replaced"),
    }
}
