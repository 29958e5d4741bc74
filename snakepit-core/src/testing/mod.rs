//! What authors of profiles, tests and benchmarks need; compiled with feature `test-util` only. Knows no real worker.
//!
//! * [`conformance!`](crate::conformance) tests any profile against the contract of
//!   [`WorkerProfile`](crate::WorkerProfile) and [`Worker`](crate::Worker).
//! * [`FakeProfile`] launches scripted workers inside the process, for tests of what drives workers.

#[doc(hidden)]
pub mod conformance;
mod fake;
mod subject;

pub use crate::sched::SchedulerDriver;
pub use fake::{FakeLaunch, FakeMeter, FakeProfile, FakeWorker};
pub use subject::Subject;
