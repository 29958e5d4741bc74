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
mod modules;
mod refs;
mod sessions;
mod specs;
mod streams;
mod support;
mod telemetry;
mod thread_safety;
mod threads;
mod tools;
mod values;
mod zoo;
mod zygotes;
