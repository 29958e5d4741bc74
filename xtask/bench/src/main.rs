//! Measures Snakepit side by side with its floor and its peers. Started by `cargo xtask bench`, which prepares Python.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod author;
mod cancel;
mod compare;
mod floor;
mod host;
mod kill;
mod latency;
mod lifecycle;
mod peer;
mod process;
mod report;
mod setup;
mod startup;
mod statistics;
mod throughput;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::report::Report;
use crate::setup::Setup;

#[derive(Parser)]
#[command(name = "snakepit-bench")]
struct Cli {
    #[command(subcommand)]
    what: What,
    /// The interpreter to measure with; needs pandas for the start-up benchmark, and the peers for `--peers`. The comparison
    /// takes several, and NumPy and pandas where they have them
    #[arg(long, global = true, default_value = "python3")]
    python: Vec<PathBuf>,
    /// Where results are kept, each run in a folder of its own
    #[arg(long, global = true, default_value = "target/bench")]
    out: PathBuf,
    /// Also measure other worker pools
    #[arg(long, global = true)]
    peers: bool,
    /// Fail when a bar is missed
    #[arg(long, global = true)]
    check: bool,
    /// One short repetition of everything, without pandas
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Subcommand)]
enum What {
    /// Worker profiles and interpreters against each other, with a report in HTML
    Compare,
    /// One call at a time, against a bare socket between two Rust processes
    Latency,
    /// Calls a second, 2 workers, 64 callers
    Throughput,
    /// 100 workers ready: time and memory
    Startup,
    /// Killed workers: how soon the caller knows, how soon the pool is whole
    Kill,
    /// Cancelled calls: nothing lost, nothing run
    Cancel,
    /// What keeping workers alive costs, and how fast it acts: recycling, reloads, deaths, timeouts, a long run
    Lifecycle,
    /// What adapters' authors use: streams, host tools, sessions, values
    Author,
    /// All of it but the comparison
    All,
    /// The other end of the floor
    #[command(hide = true)]
    Echo,
    /// The host that is killed
    #[command(hide = true)]
    Host {
        /// What its workers do then
        trouble: lifecycle::Trouble,
    },
}

fn main() -> ExitCode {
    run(&Cli::parse()).unwrap_or_else(|error| {
        // Not by returning it: people who set RUST_BACKTRACE would read our stack instead of our words.
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(cli: &Cli) -> Result<ExitCode> {
    if cli.what == What::Echo {
        floor::echo()?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let first = cli.python.first().cloned().unwrap_or_default();
    let mut setup = Setup::new(runtime, first, cli.peers, cli.quick);
    if cli.what == What::Compare {
        setup.many_short_rounds();
    }
    if let What::Host { trouble } = cli.what {
        lifecycle::host(&setup, trouble)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut report = Report::create(&cli.out, &setup)?;
    let compared = match cli.what {
        What::Compare => compare::run(&setup, &cli.python, &mut report),
        _ => Ok(()),
    };
    let wanted = |what| cli.what == What::All || cli.what == what;
    if wanted(What::Latency) {
        latency::run(&setup, &mut report)?;
    }
    if wanted(What::Throughput) {
        throughput::run(&setup, &mut report)?;
    }
    if wanted(What::Startup) {
        startup::run(&setup, &mut report)?;
    }
    if wanted(What::Kill) {
        kill::run(&setup, &mut report)?;
    }
    if wanted(What::Cancel) {
        cancel::run(&setup, &mut report)?;
    }
    if wanted(What::Author) {
        author::run(&setup, &mut report)?;
    }
    if wanted(What::Lifecycle) {
        lifecycle::run(&setup, &mut report)?;
    }
    let missed = report.finish()?;
    compared?;
    Ok(if cli.check && missed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
