//! Drives the process profile with real interpreters, worker by worker, without a pool.

mod calls;
mod conformance;
mod death;
mod launches;
mod support;
