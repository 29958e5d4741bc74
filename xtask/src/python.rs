//! `cargo xtask python`: finds a free-threaded interpreter, or builds one from a source archive.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::interpreter::{self, Interpreter};
use crate::project::{Metadata, output};

#[derive(Args)]
pub(crate) struct Options {
    /// A source archive of Python 3.14, to build from when none is installed
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Where a build goes, and is looked for the next time; `target/python-3.14t` otherwise
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    println!("{}", find_or_build(options)?.path.display());
    Ok(())
}

fn find_or_build(options: &Options) -> Result<Interpreter> {
    let prefix = match &options.into {
        Some(directory) => std::path::absolute(directory)?,
        None => Metadata::load()?.target().join("python-3.14t"),
    };
    if let Some(found) = interpreter::free_threaded()
        .or_else(by_uv)
        .or_else(|| built(&prefix))
    {
        return Ok(found);
    }
    let Some(archive) = &options.from else {
        bail!(
            "no free-threaded Python here: install one (`uv python install 3.14t` does it), or build one with \
             cargo xtask python --from Python-3.14.x.tar.xz"
        );
    };
    let archive = archive
        .canonicalize()
        .with_context(|| format!("cannot read {}", archive.display()))?;
    build(&archive, &prefix)?;
    built(&prefix).context("it was built but does not run as a free-threaded Python")
}

fn by_uv() -> Option<Interpreter> {
    let found =
        output(Command::new("uv").args(["python", "find", "--no-python-downloads", "3.14t"]))
            .ok()?;
    interpreter::probe(found.trim())
        .ok()
        .filter(|found| found.free_threaded)
}

/// What an earlier call built. Pip is installed last, so a build that has it is whole.
fn built(prefix: &Path) -> Option<Interpreter> {
    let program = prefix.join("bin/python3.14t");
    output(Command::new(&program).args(["-c", "import pip, venv"])).ok()?;
    interpreter::probe(program)
        .ok()
        .filter(|found| found.free_threaded)
}

/// Takes about three minutes on two cores. What the tools say goes to standard error, the path alone to standard output.
fn build(archive: &Path, prefix: &Path) -> Result<()> {
    let source = prefix.with_file_name("python-3.14t-source");
    if source.exists() {
        std::fs::remove_dir_all(&source)?;
    }
    std::fs::create_dir_all(&source)?;
    let run = |program: &str, arguments: &[&str]| -> Result<()> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&source)
            .stdin(Stdio::null())
            .stdout(std::io::stderr());
        let status = command
            .status()
            .with_context(|| format!("cannot run {program}"))?;
        ensure!(
            status.success(),
            "{program} in {}: {status}",
            source.display()
        );
        Ok(())
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    run(
        "tar",
        &["xf", &archive.display().to_string(), "--strip-components=1"],
    )?;
    let prefix_option = format!("--prefix={}", prefix.display());
    run(
        "./configure",
        &[
            "-q",
            "--disable-gil",
            "--with-ensurepip=install",
            &prefix_option,
        ],
    )?;
    run("make", &["-s", &format!("-j{cores}")])?;
    run("make", &["-s", "install"])?;
    // Python's own tests are half of what was installed.
    std::fs::remove_dir_all(prefix.join("lib/python3.14t/test"))?;
    std::fs::remove_dir_all(&source)?;
    Ok(())
}
