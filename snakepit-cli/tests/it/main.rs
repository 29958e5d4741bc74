//! Runs the real binary against real interpreters: what people type, what they read, and that
//! nothing is left.

mod bad_input;
mod bad_workers;
mod calls;
mod config;
mod interrupts;
mod leftover;
mod python;
mod support;
