//! Drives the process profile with real interpreters, worker by worker, without a pool.

mod calls;
mod choice;
mod config;
mod conformance;
mod death;
mod exceptions;
mod host;
mod hybrid;
mod ladder;
mod launches;
mod libraries;
mod specs;
mod sessions;
mod support;
mod thread_safety;
mod telemetry;
mod threads;
mod values;
mod zoo;
mod zygotes;
