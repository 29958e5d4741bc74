//! The command line of Snakepit, as a library: give it the profiles you have and it is yours.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     // `.with(AcmeFactory)` adds a profile of your own.
//!     snakepit_cli::main_with(snakepit_profiles::registry())
//! }
//! ```
//!
//! Only this crate prints and only this crate exits; everything below it returns typed errors.

mod args;
mod cmd;
mod ending;
mod exit;
mod failure;
mod input;
mod logs;
mod output;
mod running;
mod source;

use std::process::ExitCode;

use clap::Parser as _;

pub use snakepit_core::Registry;
use snakepit_lifecycle::Recycling;

use args::{Cli, Command};

/// Runs the command line of this process, with the worker profiles of `registry`, to its end.
///
/// A registry without policies gets those of [`Recycling`]. The exit code is documented in `--help`.
pub fn main_with(registry: Registry) -> ExitCode {
    let registry = if registry.policies().next().is_none() {
        registry.with_policies(Recycling::new())
    } else {
        registry
    };
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing can be done when neither output takes the message.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match cli.command {
        Command::Call(args) => cmd::call::run(&args, &registry),
        Command::Commands(args) => cmd::commands::run(&args, &registry),
        Command::Dev(args) => cmd::dev::run(&args, &registry),
        Command::New(args) => cmd::new::run(&args),
        Command::Config(args) => cmd::config::run(&args, &registry),
        Command::Python(args) => cmd::python::run(args, &registry),
        Command::Completions(args) => cmd::completions::run(&args),
    };
    match result {
        Ok(()) => exit::Exit::Ok.into(),
        Err(failure) => {
            failure.print();
            failure.exit().into()
        }
    }
}
