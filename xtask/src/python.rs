//! `cargo xtask python`: prints the path of an interpreter: one that is there, else one that uv installs, else one built
//! from a source archive. The path alone goes to standard output, all else to standard error.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::cpython;
use crate::interpreter::{self, Interpreter};
use crate::request::Request;

#[derive(Args)]
pub(crate) struct Options {
    /// The version; with a `t` behind it, its free-threaded build
    #[arg(value_name = "VERSION", default_value = "3.14t")]
    request: Request,
    /// A source archive of Python, to build from when there is no other way; takes 3 to 6 minutes on two cores
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    println!("{}", find_or_obtain(options)?.path.display());
    Ok(())
}

fn find_or_obtain(options: &Options) -> Result<Interpreter> {
    let request = options.request;
    if let Some(found) = interpreter::installed(request) {
        return Ok(found);
    }
    let uv = match install_with_uv(request) {
        Ok(found) => return Ok(found),
        Err(error) => error,
    };
    let cache = interpreter::cached(request)
        .context("neither XDG_CACHE_HOME nor HOME names a folder to keep a build in")?;
    let Some(archive) = &options.source else {
        let (major, minor) = request.version;
        bail!(
            "there is no Python {request} here. Tried:\n  \
             on the path, and in pyenv's care: none of {names} is Python {request}\n  \
             built earlier: not in {cache}\n  \
             uv: {uv:#}\n  \
             from source: no archive given\n\
             Put a {program} on the path, or install uv where it can download, or build one with\n  \
             cargo xtask python {request} --source Python-{major}.{minor}.x.tar.xz",
            names = request.program_names().join(", "),
            cache = cache.display(),
            program = request.program_name(),
        );
    };
    eprintln!("No Python {request} here (uv: {uv:#})");
    cpython::build(request, archive, &cache)?;
    interpreter::built(request).context("it was built but does not run")
}

/// Fails politely where there is no uv, or no network.
fn install_with_uv(request: Request) -> Result<Interpreter> {
    let mut uv = Command::new("uv");
    uv.args(["python", "install"]).arg(request.to_string());
    match uv.stdin(Stdio::null()).stdout(std::io::stderr()).status() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!("not installed"),
        result => ensure!(
            result.context("it does not run")?.success(),
            "`uv python install {request}` failed"
        ),
    }
    interpreter::known_to_uv(request)
        .with_context(|| format!("`uv python install {request}` went well but left none behind"))
}
