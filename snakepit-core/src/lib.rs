//! The heart of Snakepit: config model, values, the traits others implement, the pure scheduler and the pool engine.
//!
//! This crate knows no process, no `/proc` and no Python. A profile crate teaches it how to run calls
//! ([`WorkerProfile`]), a policy crate when to replace workers ([`RecyclePolicy`]), a sink crate where events go
//! ([`EventSink`]); each needs only this crate.

pub mod config;
pub mod error;
pub mod event;
mod ids;
mod notice;
mod pool;
mod recycle;
mod runtime;
mod sched;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod value;
mod worker;

pub use config::{Config, ConfigReport, ProfileFactory, Registry};
pub use error::{CallError, Delivery, LaunchError, Retry};
pub use event::{Event, EventKind, EventSink};
pub use ids::{CallId, LaneId, PoolName, SessionId, WorkerId};
pub use notice::Notice;
pub use pool::{
    CallStream, DrainReport, Pool, PoolBuilder, PoolSettings, PoolSnapshot, Request, WorkerSnapshot,
};
pub use recycle::{RecyclePolicy, Verdict, WorkerView};
pub use runtime::{Snakepit, SnakepitBuilder, StartError, UnknownPool};
pub use sched::{Affinity, Priority};
pub use value::{Args, Value, from_value, to_value};
pub use worker::{
    Call, Command, Hello, LaunchContext, Launched, Quiesced, Reply, ReplyStream, Worker,
    WorkerProfile,
};
