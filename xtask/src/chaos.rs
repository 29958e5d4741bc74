//! `cargo xtask chaos`: builds the disturber of pools in release, finds the interpreters it needs, and runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use clap::Args;

use crate::interpreter;
use crate::project::cargo;

#[derive(Args)]
pub(crate) struct Options {
    /// How long, roughly. A minute does everything once to every worker profile
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Does the same things in the same order as the run that printed this seed. When they meet which call stays a matter
    /// of luck
    #[arg(long)]
    seed: Option<u64>,
    /// Twelve seconds, to see that everything runs
    #[arg(long)]
    quick: bool,
    /// The interpreter of the process profile and of threads with a GIL; `python3` unless given. Python 3.14, ordinary and
    /// free-threaded, is added where it is found
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let given: Vec<_> = options.python.iter().cloned().collect();
    let interpreter = interpreter::choose(&given)?.remove(0);
    let mut command = command(&interpreter.path, &["--release"])?;
    command.arg("--minutes").arg(options.minutes.to_string());
    if let Some(seed) = options.seed {
        command.arg("--seed").arg(seed.to_string());
    }
    if options.quick {
        command.arg("--quick");
    }
    let status = command.stdin(Stdio::null()).status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// The command without its options: with this interpreter, and those of 3.14 there are.
pub(crate) fn command(python: &Path, flags: &[&str]) -> Result<Command> {
    let mut command = cargo();
    command
        .args(["run", "--quiet", "--package", "snakepit-chaos"])
        .args(flags)
        .args(["--", "--python"])
        .arg(python);
    if let Some(found) = interpreter::free_threaded()? {
        command.arg("--free-threaded").arg(found.path);
    }
    if let Some(found) = interpreter::find_version("3.14") {
        command.arg("--isolating").arg(found.path);
    }
    Ok(command)
}
