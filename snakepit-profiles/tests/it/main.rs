//! Drives the process profile with real interpreters, worker by worker, without a pool.

mod calls;
mod choice;
mod config;
mod conformance;
mod death;
mod host;
mod hybrid;
mod ladder;
mod launches;
mod libraries;
mod streams;
mod support;
mod threads;
mod tools;
mod zoo;
mod zygotes;
