//! `cargo xtask test`: every test there is, on a machine that has only Rust and some Python; the tests that start workers
//! run with a free-threaded Python too where there is one.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::Args;

use crate::interpreter::{self, Interpreter};
use crate::project::{Metadata, cargo, root};
use crate::step::Steps;
use crate::{example, readme, venv};

#[derive(Args)]
pub(crate) struct Options {
    /// The interpreter to test with, 3.8 or newer, instead of `python3` and a free-threaded one. May be given several
    /// times: tests that start workers run with each
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Vec<PathBuf>,
    /// Fail when there is no free-threaded Python to test with
    #[arg(long)]
    require_free_threaded: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut steps = Steps::new();
    all(&mut steps, options)?;
    Ok(steps.finish())
}

/// All tests, as steps of a longer run.
pub(crate) fn all(steps: &mut Steps, options: &Options) -> Result<()> {
    let interpreters = choose(steps, options)?;
    let old = interpreter::too_old();
    match &old {
        Some(old) => println!("An interpreter too old to serve: {old}"),
        None => {
            println!(
                "No Python before 3.8 here: the test that one is refused by name is left out."
            );
        }
    }
    steps.set(
        "SNAKEPIT_TEST_OLD_PYTHON",
        old.map(|old| old.path.display().to_string()),
    );

    let metadata = Metadata::load()?;
    for interpreter in &interpreters {
        println!("Testing with {interpreter}");
        steps.set(
            "SNAKEPIT_TEST_PYTHON",
            Some(interpreter.path.display().to_string()),
        );
        let programs = environment(steps, &metadata, interpreter);
        let python = programs.as_ref().map(|folder| folder.join("python"));
        steps.set(
            "SNAKEPIT_TEST_ENVIRONMENT",
            python.as_ref().map(|python| python.display().to_string()),
        );
        rust(steps, &interpreter.tag());
        if let Some(python) = &python {
            pytest(steps, python, &interpreter.tag());
        }
        example::run(steps, interpreter, python.as_deref())?;
    }
    steps.set(
        "SNAKEPIT_TEST_PYTHON",
        interpreters
            .first()
            .map(|first| first.path.display().to_string()),
    );
    rust_documentation(steps);
    readme::run(steps)
}

/// The interpreters to test with. All steps learn of a free-threaded one, since some tests take it and another.
fn choose(steps: &mut Steps, options: &Options) -> Result<Vec<Interpreter>> {
    const STEP: &str = "everything with a free-threaded Python";
    const REMEDY: &str = "cargo xtask python 3.14t";
    let given = !options.python.is_empty();
    let chosen = interpreter::choose(&options.python)?;
    let found = match chosen.iter().find(|one| one.free_threaded) {
        Some(one) => Some(one.clone()),
        None => interpreter::free_threaded()?,
    };
    let program = found.as_ref().map(|one| one.path.display().to_string());
    steps.set("SNAKEPIT_TEST_FREE_THREADED", program);
    let chosen = complete(chosen, given, found);
    if !chosen.iter().any(|one| one.free_threaded) {
        if options.require_free_threaded {
            steps.check(STEP, REMEDY, |_| {
                bail!("--require-free-threaded, and none is given or found")
            });
        } else if !given {
            steps.skip(STEP, &format!("none was found; `{REMEDY}` gets one"));
        }
    }
    Ok(chosen)
}

/// Those given are tested and no other. Otherwise a free-threaded one joins in, unless one is there.
fn complete(
    mut chosen: Vec<Interpreter>,
    given: bool,
    found: Option<Interpreter>,
) -> Vec<Interpreter> {
    if !given && !chosen.iter().any(|one| one.free_threaded) {
        chosen.extend(found);
    }
    chosen
}

/// The same selection for every interpreter, also of crates that need none: another would build everything anew.
fn rust(steps: &mut Steps, tag: &str) {
    let mut command = cargo();
    command.args([
        "test",
        "--workspace",
        "--all-features",
        "--lib",
        "--bins",
        "--tests",
        "--no-fail-fast",
    ]);
    steps.command(&format!("Rust tests ({tag})"), &mut command);
}

fn rust_documentation(steps: &mut Steps) {
    steps.command(
        "Rust code in documentation",
        cargo().args(["test", "--workspace", "--all-features", "--doc"]),
    );
}

/// The folder of programs of a virtual environment that has what tests want to import.
fn environment(
    steps: &mut Steps,
    metadata: &Metadata,
    interpreter: &Interpreter,
) -> Option<PathBuf> {
    let tag = interpreter.tag();
    let directory = metadata.target().join("venv").join(&tag);
    let requirements = root().join("xtask/requirements-test.txt");
    let mut programs = None;
    steps.check(
        &format!("environment for the tests ({tag})"),
        "cargo xtask test",
        |_| {
            programs = Some(venv::ensure(interpreter, &directory, &requirements)?);
            Ok(())
        },
    );
    programs
}

/// The tests of the Python package.
fn pytest(steps: &mut Steps, python: &Path, tag: &str) {
    let mut pytest = Command::new(python);
    // In its folder, where its settings are. They say where the package is; a PYTHONPATH would reach the workers too.
    pytest
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        // Most of a test's time is that of interpreters it starts and waits for.
        .args(["--numprocesses", "auto"])
        .current_dir(root().join("python"));
    pytest
        .env_remove("PYTHONPATH")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    steps.command(&format!("Python tests ({tag})"), &mut pytest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreter(version: &str) -> Interpreter {
        Interpreter::example(version.parse().expect("a version"))
    }

    fn completed(chosen: &[&str], given: bool, found: Option<&str>) -> Vec<String> {
        let chosen = chosen.iter().map(|version| interpreter(version)).collect();
        let completed = complete(chosen, given, found.map(interpreter));
        completed.iter().map(Interpreter::tag).collect()
    }

    #[test]
    fn a_free_threaded_interpreter_joins_the_ordinary_one() {
        assert_eq!(
            completed(&["3.11"], false, Some("3.14t")),
            ["cp311", "cp314t"]
        );
        assert_eq!(completed(&["3.11"], false, None), ["cp311"]);
    }

    #[test]
    fn one_free_threaded_interpreter_is_enough() {
        assert_eq!(completed(&["3.15t"], false, Some("3.15t")), ["cp315t"]);
    }

    #[test]
    fn nothing_joins_interpreters_that_were_given() {
        assert_eq!(completed(&["3.8"], true, Some("3.14t")), ["cp38"]);
    }
}
