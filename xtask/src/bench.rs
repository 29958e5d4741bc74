//! `cargo xtask bench`: builds the load generator in release, gives it the interpreters it needs, and runs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::project::{Metadata, cargo, root};
use crate::{interpreter, venv};

#[derive(Args)]
pub(crate) struct Options {
    /// What to measure
    #[arg(value_enum, default_value = "compare")]
    what: What,
    /// Also measure other worker pools, in the same run; not for the comparison
    #[arg(long)]
    peers: bool,
    /// Fail when a bar is missed, and name it
    #[arg(long)]
    check: bool,
    /// To see that everything runs: seconds for one thing, less than five minutes for the comparison. The figures mean less
    #[arg(long)]
    quick: bool,
    /// The interpreter to measure with; can be given several times for the comparison, which otherwise takes `python3`, and
    /// Python 3.14 ordinary and free-threaded where they are found
    #[arg(long, value_name = "PATH")]
    python: Vec<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Worker profiles (process, thread, interpreter) on ordinary and free-threaded Python against each other: start-up,
    /// memory, latency, load of five kinds; a verdict for each, and a report in HTML. About 15 minutes
    Compare,
    /// One call at a time, against a bare socket between two Rust processes
    Latency,
    /// 100 workers ready: time and memory
    Startup,
    /// Calls a second, 2 workers, 64 callers
    Throughput,
    /// Killed workers: how soon the caller knows, how soon the pool is whole
    Kill,
    /// Cancelled calls: nothing lost, nothing run
    Cancel,
    /// What keeping workers alive costs, and how fast it acts: recycling, reloads, deaths, timeouts, a million calls
    Lifecycle,
    /// What adapters' authors use: streams, host tools, sessions, values
    Author,
    /// All of it but the comparison
    All,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let target = Metadata::load()?.target();
    let pythons = if options.what == What::Compare {
        compared(&options.python, &target)?
    } else {
        vec![single(options, &target)?]
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
    for python in pythons {
        command.arg("--python").arg(python);
    }
    command.arg("--out").arg(target.join("bench"));
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

/// The interpreter of all benchmarks but the comparison, with what they import.
fn single(options: &Options, target: &Path) -> Result<PathBuf> {
    let interpreter = interpreter::choose(&options.python)?.remove(0);
    // A quick run needs no packages and so no network.
    if options.quick && !options.peers {
        return Ok(interpreter.path);
    }
    let requirements = root().join("xtask/bench/peers/requirements.txt");
    Ok(venv::ensure(&interpreter, &target.join("bench-venv"), &requirements)?.join("python"))
}

/// The interpreters of the comparison, each in an environment of its own with the same packages.
fn compared(given: &[PathBuf], target: &Path) -> Result<Vec<PathBuf>> {
    let mut interpreters = interpreter::choose(given)?;
    if given.is_empty() {
        interpreters.extend(interpreter::find_version("3.14"));
        interpreters.extend(interpreter::free_threaded()?);
    }
    let requirements = root().join("xtask/bench/adapters/requirements.txt");
    let prepared = interpreters.iter().map(|interpreter| {
        let directory = target.join(format!("bench-venv-{}", interpreter.tag()));
        match venv::ensure(interpreter, &directory, &requirements) {
            Ok(programs) => programs.join("python"),
            Err(error) => {
                // Not all there is to compare needs packages, and they are not there for every version.
                eprintln!("{interpreter} takes part without NumPy and pandas: {error:#}");
                interpreter.path.clone()
            }
        }
    });
    Ok(prepared.collect())
}
