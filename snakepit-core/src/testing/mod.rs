//! What authors of profiles and benchmarks need; compiled with feature `test-util` only.

pub use crate::sched::SchedulerDriver;
