//! One module per command.

pub(crate) mod call;
pub(crate) mod commands;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod dev;
pub(crate) mod new;
pub(crate) mod python;
