//! `cargo xtask bench`: builds the load generator in release, gives it the interpreters it needs, and runs it.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::project::{Metadata, cargo, root};
use crate::{interpreter, venv};

#[derive(Args)]
pub(crate) struct Options {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    what: What,
    /// Also measure other worker pools, in the same run
    #[arg(long)]
    peers: bool,
    /// Fail when a bar is missed
    #[arg(long)]
    check: bool,
    /// A few seconds, to see that everything runs; the figures mean little
    #[arg(long)]
    quick: bool,
    /// The interpreter to measure with
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Latency,
    Startup,
    Throughput,
    Kill,
    Cancel,
    All,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let target = Metadata::load()?.target();
    let given: Vec<_> = options.python.iter().cloned().collect();
    let interpreter = interpreter::choose(&given)?.remove(0);
    // A quick run needs no packages and so no network.
    let python = if options.quick && !options.peers {
        interpreter.path.clone()
    } else {
        let requirements = root().join("xtask/bench/peers/requirements.txt");
        venv::ensure(&interpreter, &target.join("bench-venv"), &requirements)?.join("python")
    };
    let what = options
        .what
        .to_possible_value()
        .context("every benchmark has a name")?;

    let mut command = cargo();
    command.args([
        "run",
        "--release",
        "--quiet",
        "--package",
        "snakepit-bench",
        "--",
        what.get_name(),
    ]);
    command
        .arg("--python")
        .arg(python)
        .arg("--out")
        .arg(target.join("bench"));
    let flags = [
        ("--peers", options.peers),
        ("--check", options.check),
        ("--quick", options.quick),
    ];
    command.args(flags.iter().filter(|(_, on)| *on).map(|(flag, _)| flag));
    let status = command.stdin(Stdio::null()).status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}
