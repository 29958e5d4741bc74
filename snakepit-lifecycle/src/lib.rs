//! When workers are replaced, and what measures them: recycle policies and a sampler. Knows no pool and ends no process.
//!
//! Each policy is a pure judgement of a [`WorkerView`](snakepit_core::WorkerView); the pool asks it and acts. In a
//! configuration they come with [`Recycling`]; in Rust, one by one:
//!
//! ```no_run
//! # use std::{sync::Arc, time::Duration};
//! # use snakepit_core::{Pool, WorkerProfile};
//! # async fn start(profile: Arc<dyn WorkerProfile>) -> Result<Pool, Arc<snakepit_core::LaunchError>> {
//! use snakepit_lifecycle::{Hang, MaxMemory, Sampler, Ttl};
//!
//! let pool = Pool::builder("default", profile)
//!     .policy(Ttl::new(Duration::from_secs(3600)))
//!     .policy(MaxMemory::new(512 << 20))
//!     .policy(Hang::new(Duration::from_secs(60)))
//!     .meter(Arc::new(Sampler::new()))
//!     .start()
//!     .await?;
//! # Ok(pool)
//! # }
//! ```
//!
//! # A policy of your own
//!
//! It needs `snakepit-core` only. This one replaces, outside of office hours, every worker that was there during them:
//!
//! ```
//! use std::time::{Duration, Instant};
//! use snakepit_core::{Recheck, RecyclePolicy, Verdict, WorkerId, WorkerView};
//!
//! #[derive(Debug)]
//! struct AfterHours {
//!     closing: Instant,
//! }
//!
//! impl RecyclePolicy for AfterHours {
//!     fn name(&self) -> &str {
//!         "after_hours"
//!     }
//!
//!     fn assess(&self, worker: &WorkerView, now: Instant) -> Verdict {
//!         if now >= self.closing && worker.ready_at < self.closing {
//!             Verdict::Retire("the office has closed".into())
//!         } else {
//!             Verdict::Keep
//!         }
//!     }
//!
//!     fn recheck(&self, _worker: &WorkerView, now: Instant) -> Recheck {
//!         let at = (now < self.closing).then_some(self.closing);
//!         Recheck { at, ..Recheck::default() }
//!     }
//! }
//!
//! let now = Instant::now();
//! let policy = AfterHours { closing: now + Duration::from_secs(3600) };
//! let worker = WorkerView::new(WorkerId::new(1), now);
//! assert_eq!(policy.assess(&worker, now), Verdict::Keep);
//! assert!(matches!(policy.assess(&worker, policy.closing), Verdict::Retire(_)));
//! ```
//!
//! For a key in the configuration, implement [`PolicyFactory`](snakepit_core::PolicyFactory) and add it beside
//! [`Recycling`] with [`Registry::with_policies`](snakepit_core::Registry::with_policies).

mod keys;
mod policy;
mod recycling;
mod sampler;

pub use policy::*;
pub use recycling::Recycling;
pub use sampler::{Sampler, Unmeasurable};
