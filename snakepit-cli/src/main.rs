//! The `snakepit` binary: the library with the built-in profiles. Knows nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    snakepit_cli::main_with(snakepit_profiles::registry())
}
