//! Runs the real binary against real interpreters: what people type, what they read, and that
//! nothing is left.

mod bad_input;
mod bad_workers;
mod calls;
mod config;
mod dev;
mod interrupts;
mod leftover;
mod modules;
mod new;
mod python;
mod support;
