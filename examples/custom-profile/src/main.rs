//! The command line of Snakepit with one more profile, and nothing of its own:
//! `snakepit-lines call --profile lines --adapter workers/demo.py echo '"hi"'`.

fn main() -> std::process::ExitCode {
    let profiles = snakepit_core::Registry::new();
    snakepit_cli::main_with(profiles.with(snakepit_profile_lines::LinesFactory))
}
