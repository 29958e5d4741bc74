//! What may be written on the command line. Knows not what it does.

mod new;
mod python;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use snakepit_core::config::scalar::HumanDuration;

use crate::exit;

pub(crate) use new::{NewAction, NewAdapterArgs, NewArgs};
pub(crate) use python::{
    CompatArgs, Format, ListArgs, ProbeArgs, PythonAction, PythonArgs, RecommendArgs, request,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const CALL_EXAMPLES: &str = "\
Examples:
  snakepit call --adapter hello.py greet name=Ada       by name, as text
  snakepit call --adapter hello.py count to:=3          by name, as JSON
  snakepit call --adapter hello.py greet '[\"Ada\"]'      a list: by position
  snakepit call --adapter hello.py greet '{\"name\": 1}'  a map: by name
  snakepit call --modules statistics statistics.mean '[[1, 2, 3]]'
  snakepit call --config pit.yaml --pool fast --stream count to:=3";

const DEV_EXAMPLES: &str = "\
Lines:
  greet name=Ada to:=3      call a command: by name, as text or as JSON
  greet [\"Ada\", 3]          call it: by position
  :commands                 what there is to call
  :help                     all of this, and more

When a .py file in the adapter's folder is saved, the next call runs the new code. Ctrl-C interrupts the running call,
Ctrl-D leaves. Lines may come from a pipe.";

/// Runs pools of supervised Python workers.
#[derive(Debug, Parser)]
#[command(name = "snakepit", version, styles = STYLES, after_long_help = exit::TABLE)]
#[command(arg_required_else_help = true, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Call a Python command and print what it returns as JSON
    #[command(after_help = CALL_EXAMPLES, after_long_help = call_help())]
    Call(CallArgs),
    /// List the commands an adapter offers
    Commands(CommandsArgs),
    /// Call an adapter line by line, as it is on disk at that moment
    #[command(after_help = DEV_EXAMPLES)]
    Dev(DevArgs),
    /// Write a new adapter, with a configuration and tests
    New(NewArgs),
    /// Check or show a configuration file
    Config(ConfigArgs),
    /// Find Python interpreters, and what suits them
    Python(PythonArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// Which Python to call.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Configuration file [default: snakepit.yaml, if it exists]
    #[arg(long, short, value_name = "FILE", conflicts_with = "code")]
    pub(crate) config: Option<PathBuf>,

    /// Python file or module to call, without a configuration: `hello.py`, `package.module:Class`
    #[arg(long, short, value_name = "SPEC", group = "code")]
    pub(crate) adapter: Option<String>,

    /// Modules whose functions to call, without an adapter: `math,numpy.linalg` for `math.sqrt`, `numpy.linalg.det`
    #[arg(
        long,
        short,
        value_name = "NAMES",
        value_delimiter = ',',
        group = "code"
    )]
    pub(crate) modules: Vec<String>,

    /// Pool of the configuration; may be left out if there is only one
    #[arg(long, short, value_name = "NAME", conflicts_with = "code")]
    pub(crate) pool: Option<String>,

    /// Interpreter to run the adapter or the modules with
    #[arg(long, value_name = "PATH", requires = "code")]
    pub(crate) python: Option<String>,

    /// Worker profile to run the adapter or the modules with
    #[arg(long, value_name = "KIND", requires = "code")]
    pub(crate) profile: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// Give up after this time: `250ms`, `5s`, `1h30m` [default: the command's own, or the pool's `request_timeout`]
    #[arg(long, short, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    /// Let the call finish for this long after the first Ctrl-C or SIGTERM [default: it is interrupted]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) grace: Option<Duration>,

    /// Make the call one of this session, which ends with it
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,

    /// Print each value as it is produced
    #[arg(long, short)]
    pub(crate) stream: bool,

    /// Command to call
    pub(crate) command: String,

    /// One JSON value (a list is positional arguments, a map arguments by name), or `name=text` and
    /// `name:=json` pairs
    #[arg(value_name = "ARGS", allow_negative_numbers = true)]
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CommandsArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// Print one JSON object per command
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// Python file or module to call: `hello.py`, `package.module:Class`
    #[arg(long, short, value_name = "SPEC")]
    pub(crate) adapter: String,

    /// Interpreter to run the adapter with
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Option<String>,

    /// Worker profile to run the adapter with
    #[arg(long, value_name = "KIND")]
    pub(crate) profile: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Report everything that is wrong with a file
    Check {
        /// Configuration file
        file: PathBuf,
    },
    /// Print the configuration in effect, as YAML, with where each value came from
    Show {
        /// Configuration file
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete in
    pub(crate) shell: Shell,
}

fn call_help() -> String {
    [CALL_EXAMPLES, exit::TABLE].join("\n\n")
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = HumanDuration::parse(text).map(HumanDuration::get);
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a duration such as `250ms`, `5s`, `1h30m` or `2d`".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}
