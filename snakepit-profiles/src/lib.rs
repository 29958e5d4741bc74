//! Worker profiles of Snakepit: how a pool gets workers that are Python processes, and talks to them.
//!
//! [`ProcessProfile`] runs one call at a time in each of many processes, forked from a zygote that has imported everything
//! once. [`ThreadProfile`] runs many calls at the same time in each of few processes, in parallel on a free-threaded
//! CPython. [`InterpreterProfile`] does so on an ordinary one, for pure Python. [`registry`] has all of them for use in a
//! configuration. Each is a feature: `process` and `thread` by default, and `interpreter`, which is experimental.
//!
//! This crate knows no policy (when to replace a worker) and no scheduling (which worker gets a call).

// Leaving out one of the profiles leaves some of what they share without a use.
#![cfg_attr(
    not(all(feature = "process", feature = "thread", feature = "interpreter")),
    allow(dead_code)
)]

mod bodies;
mod boot;
mod ceiling;
mod cgroup;
pub mod codec;
mod facts;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
mod interpreter;
mod lane;
mod launch;
mod leash;
mod polled;
mod profile;
mod questions;
mod reap;
mod service;
mod settings;
mod supervise;
mod wires;
mod worker;
mod zygote;

pub use boot::bridge;
pub use profile::*;
pub use settings::{GilPolicy, LogLevel, SpawnMode, ThreadSafety, Unserialisable};
pub use snakepit_python::AdapterSpec;

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Compiles the example in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/telemetry.md")]
struct GuideToTelemetry;

/// Compiles the example in the guide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/writing-adapters.md")]
struct GuideToWritingAdapters;
