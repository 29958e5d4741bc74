//! What may be written after `snakepit python`. Knows not what it does.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use snakepit_python::{Profile, Request};

const REQUESTS: &str = "\
Requests:
  any                       the first one found
  3.14, 3.14.2              that version, the ordinary build
  3.14t                     that version, the free-threaded build
  '>=3.11', '>=3.11,<3.14'  a range of versions, either build
  free-threaded             a free-threaded build of any version
  python3.12, pypy3         a command in PATH
  /usr/bin/python3, ./env   an interpreter, or the folder of a virtual environment";

#[derive(Debug, Args)]
pub(crate) struct PythonArgs {
    #[command(subcommand)]
    pub(crate) action: PythonAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PythonAction {
    /// List the interpreters there are, in the order they are looked for
    List(ListArgs),
    /// Find an interpreter and show what it is
    #[command(after_help = REQUESTS)]
    Probe(ProbeArgs),
    /// Say which worker profile suits an interpreter, an adapter or the pools of a configuration, and why
    #[command(after_help = REQUESTS)]
    Recommend(RecommendArgs),
    /// Print the folder of the package `snakepit_bridge`, for `PYTHONPATH`: tests of adapters import it from there
    Bridge,
    /// Judge the libraries installed at an interpreter: may they be used under a worker profile?
    #[command(after_help = REQUESTS)]
    Compat(CompatArgs),
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object on one line
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct FormatArgs {
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// Which interpreter
    #[arg(default_value = "any")]
    pub(crate) request: String,

    /// Run it even if it was run before and nothing changed
    #[arg(long)]
    pub(crate) fresh: bool,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    /// Which interpreter
    #[arg(default_value = "any")]
    pub(crate) request: String,

    /// Configuration whose pools to look at, each with its own interpreter and adapter
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["adapter", "request"])]
    pub(crate) config: Option<PathBuf>,

    /// Python file or module to look at, without running it: `hello.py`, `package.module:Class`
    #[arg(long, short, value_name = "SPEC")]
    pub(crate) adapter: Option<String>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompatArgs {
    /// Libraries to judge, by what they are installed or imported by [default: all that are installed]
    #[arg(value_name = "LIB")]
    pub(crate) libraries: Vec<String>,

    /// Worker profile to judge for: process, thread or interpreter [default: what `recommend` says]
    #[arg(long, value_name = "KIND")]
    pub(crate) profile: Option<Profile>,

    /// Which interpreter
    #[arg(long, value_name = "REQUEST", default_value = "any")]
    pub(crate) python: String,

    /// Import each library in a process of its own and report what happens
    #[arg(long)]
    pub(crate) probe: bool,

    /// Exit with 1 if a library is unsafe
    #[arg(long)]
    pub(crate) check: bool,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Reads a request, which is not done by clap so that its hint can be shown.
pub(crate) fn request(text: &str) -> Result<Request, crate::failure::Failure> {
    text.parse()
        .map_err(|error: snakepit_python::InvalidRequest| {
            let hint = error.hint().to_owned();
            crate::failure::Failure::usage(error.to_string(), Some(hint))
        })
}
