//! `cargo xtask`: the chores of this repository, one file per task.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

mod bench;
mod chaos;
mod ci;
mod cpython;
mod example;
mod interpreter;
mod leftover;
mod project;
mod python;
mod readme;
mod request;
mod step;
mod test;
mod tidy;
mod venv;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of this repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs every test: Rust, Python, examples, README. Needs Rust and any Python from 3.8 on
    Test(test::Options),
    /// Checks what no compiler checks: layers, headers, sizes, links, words
    Tidy,
    /// Runs what CI runs, in the same order
    Ci(ci::Options),
    /// Finds a Python (3.14t unless told otherwise), or installs one, and prints its path
    Python(python::Options),
    /// Runs the benchmarks, in release
    Bench(bench::Options),
    /// Disturbs pools in every way there is, under load, and checks that they keep what they promise
    Chaos(chaos::Options),
}

fn main() -> ExitCode {
    run(Cli::parse().task).unwrap_or_else(|error| {
        // Not by returning it: people who set RUST_BACKTRACE would read our stack instead of our words.
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Test(options) => return test::run(&options),
        Task::Ci(options) => return ci::run(&options),
        Task::Tidy => tidy::run()?,
        Task::Python(options) => python::run(&options)?,
        Task::Bench(options) => bench::run(&options)?,
        Task::Chaos(options) => chaos::run(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
