//! Worker profiles of Snakepit: how a pool gets workers that are Python processes, and talks to them.
//!
//! [`ProcessProfile`] runs one call at a time in each of many processes, forked from a zygote that has imported everything
//! once. [`registry`] has all profiles of this crate for use in a configuration.
//!
//! This crate knows no policy (when to replace a worker) and no scheduling (which worker gets a call).

mod bodies;
mod boot;
pub mod codec;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod lane;
mod launch;
mod leash;
mod polled;
mod process;
mod reap;
mod supervise;
mod wires;
mod worker;
mod zygote;

pub use process::{LogLevel, ProcessFactory, ProcessProfile, ProcessProfileBuilder, SpawnMode};

/// The profiles of this crate, by their names in a configuration.
pub fn registry() -> snakepit_core::Registry {
    snakepit_core::Registry::new().with(ProcessFactory)
}

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
