//! What may be written after `snakepit new`. Knows not what it does.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    #[command(subcommand)]
    pub(crate) what: NewAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NewAction {
    /// Write an adapter that works, with a configuration and tests
    Adapter(NewAdapterArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewAdapterArgs {
    /// Name of the adapter, its folder and its pool: a Python module's name such as `price_model`
    pub(crate) name: String,

    /// Folder to make the new one in
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) dir: PathBuf,

    /// Write a class, of which each lane has an instance; this is the default
    #[arg(long, conflicts_with = "functions")]
    pub(crate) class: bool,

    /// Write plain functions
    #[arg(long)]
    pub(crate) functions: bool,

    /// Declare it safe for threads, and run it in a pool of threads
    #[arg(long)]
    pub(crate) thread_safe: bool,
}
