//! The host killed with 100 workers, idle, busy, and holding the GIL in C code: when is the last of them gone?
//!
//! The host is this very program once more: see [`host`].

use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use snakepit_core::CallError;
use tokio::task::JoinSet;

use super::{PATIENCE, builder};
use crate::process::{tree, workers};
use crate::report::{self, Bar, Report};
use crate::setup::Setup;
use crate::statistics::max;

const WORKERS: usize = 100;
/// The bar: nobody is there any more.
const GONE: Duration = Duration::from_millis(100);

/// What the workers do when their host dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Trouble {
    /// Nothing.
    Idle,
    /// Python code.
    Busy,
    /// C code that holds the GIL.
    Holding,
}

pub(super) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    let rounds = if setup.quick { 1 } else { 20 };
    report::section(&format!(
        "orphans: kill -9 of a host with {WORKERS} workers, {rounds} rounds of each"
    ));
    for (trouble, what) in [
        (Trouble::Idle, "idle"),
        (Trouble::Busy, "busy in Python"),
        (Trouble::Holding, "holding the GIL in C"),
    ] {
        let (mut last, mut left) = (Vec::new(), 0.0);
        for _ in 0..rounds {
            let round = round(setup, trouble)?;
            left += round.left;
            last.push(round.last);
        }
        report.figure(
            format!("{what}: workers and zygotes alive after 100 ms"),
            "alive",
            &[left],
            Bar::AtMost(0.0),
        );
        report.figure(
            format!("{what}: the last is gone, max"),
            "ms",
            &[max(&last)],
            Bar::None,
        );
        report.figure(format!("{what}: the last is gone"), "ms", &last, Bar::None);
    }
    Ok(())
}

struct Round {
    /// Milliseconds.
    last: f64,
    left: f64,
}

fn round(setup: &Setup, trouble: Trouble) -> Result<Round> {
    let mut host = start(&setup.python, trouble)?;
    let watched = watched(&mut host);
    let killed = Instant::now();
    // Also when it did not say what was asked of it.
    host.kill()?;
    let watched = watched?;
    let left = wait(&watched, killed + GONE)?;
    wait(&watched, killed + PATIENCE)?;
    let last = killed.elapsed().as_secs_f64() * 1e3;
    host.wait()?;
    #[expect(clippy::cast_precision_loss, reason = "about a hundred")]
    Ok(Round {
        last,
        left: left as f64,
    })
}

fn start(python: &Path, trouble: Trouble) -> Result<Child> {
    let trouble = match trouble {
        Trouble::Idle => "idle",
        Trouble::Busy => "busy",
        Trouble::Holding => "holding",
    };
    Command::new(std::env::current_exe()?)
        .args(["host", trouble, "--python"])
        .arg(python)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("this program does not start once more")
}

/// The processes the host says it has.
fn watched(host: &mut Child) -> Result<Vec<OwnedFd>> {
    let stdout = host.stdout.take().context("no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let pids = line.split_whitespace().map(str::parse::<i32>);
    let watched = pids
        .map(|pid| {
            let pid = Pid::from_raw(pid?).context("no process id")?;
            Ok(pidfd_open(pid, PidfdFlags::empty())?)
        })
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        watched.len() > WORKERS,
        "the host has only {} processes",
        watched.len()
    );
    Ok(watched)
}

/// Waits until none is alive, at most until `limit`; returns how many are.
fn wait(processes: &[OwnedFd], limit: Instant) -> Result<usize> {
    let mut alive: Vec<&OwnedFd> = processes.iter().collect();
    loop {
        let patience = limit.saturating_duration_since(Instant::now());
        if alive.is_empty() || patience.is_zero() {
            return Ok(alive.len());
        }
        let mut polled: Vec<_> = alive
            .iter()
            .map(|process| PollFd::new(process, PollFlags::IN))
            .collect();
        poll(&mut polled, Some(&Timespec::try_from(patience)?))?;
        let gone: Vec<bool> = polled
            .iter()
            .map(|process| !process.revents().is_empty())
            .collect();
        let mut gone = gone.into_iter();
        alive.retain(|_| !gone.next().unwrap_or_default());
    }
}

/// The host: starts the workers, gets them into trouble, says which processes they are, and waits for its end.
pub(crate) fn host(setup: &Setup, trouble: Trouble) -> Result<()> {
    setup.runtime.block_on(async {
        let pool = builder(setup.profile("stubborn.py"), WORKERS)
            .start()
            .await
            .context("100 workers do not start")?;
        let mut calls: JoinSet<Result<(), CallError>> = JoinSet::new();
        let command = match trouble {
            Trouble::Idle => None,
            Trouble::Busy => Some("spin"),
            Trouble::Holding => Some("hold"),
        };
        if let Some(command) = command {
            for _ in 0..WORKERS {
                let request = pool
                    .request(command, (3600,))
                    .timeout(Duration::from_secs(3600));
                calls.spawn(request.call());
            }
            super::until(&pool, "all workers are busy", |pool| {
                pool.snapshot().running == WORKERS
            })
            .await?;
            // Busy for the pool is not yet busy in Python.
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let processes: Vec<String> = tree(&workers(&pool))?
            .iter()
            .map(ToString::to_string)
            .collect();
        println!("{}", processes.join(" "));
        std::future::pending().await
    })
}
