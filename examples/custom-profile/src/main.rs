//! The command line of Snakepit with one more profile, and nothing of its own:
//! `snakepit-lines call --profile lines --adapter workers/demo.py echo '"hi"'`.

use std::process::ExitCode;

use snakepit_core::Registry;
use snakepit_profile_lines::LinesFactory;

fn main() -> ExitCode {
    snakepit_cli::main_with(Registry::new().with(LinesFactory))
}
