//! Pools that say in their configuration how long workers serve: real interpreters that age, leak, hang and stop.

mod aging;
mod memory;
mod silence;
mod support;

#[path = "../it/leftover.rs"]
mod leftover;
