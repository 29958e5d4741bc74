//! The heart of Snakepit: config model, values, the traits others implement, the pure scheduler and the pool engine.
//!
//! This crate knows no process, no `/proc` and no Python. A profile crate teaches it how to run calls
//! ([`WorkerProfile`]), a policy crate when to replace workers ([`RecyclePolicy`]), a sink crate where events go
//! ([`EventSink`]); each needs only this crate.

mod command;
pub mod config;
pub mod error;
pub mod event;
mod exchange;
mod ids;
mod limits;
mod notice;
mod pool;
mod recycle;
mod runtime;
mod sched;
pub mod session;
mod telemetry;
#[cfg(feature = "test-util")]
pub mod testing;
mod usage;
pub mod value;
mod worker;

pub use command::{Command, Parameter, ParameterDefault, ParameterKind};
pub use config::{Config, ConfigReport, PolicyFactory, ProfileFactory, Registry};
pub use error::{CallError, Delivery, LaunchError, Retry, ToolError};
pub use event::{Event, EventKind, EventSink};
pub use exchange::{Ask, Exchange, MAX_DEPTH, ToolSpec};
pub use ids::{CallId, LaneId, PoolName, SessionId, WorkerId};
pub use limits::{CancelGrace, Ceiling, Limits};
pub use notice::Notice;
pub use pool::{
    BreakerState, CallStream, CancelHandle, DrainReport, Health, HealthStatus, Pool, PoolBuilder,
    PoolSettings, PoolSnapshot, RecycleError, ReloadReport, Request, ResizeError, Session,
    SessionSnapshot, UnknownSession, WeakPool, WorkerSnapshot,
};
pub use recycle::{Needs, Recheck, RecyclePolicy, Verdict, WorkerView};
pub use runtime::{Snakepit, SnakepitBuilder, StartError, UnknownPool};
pub use sched::{Affinity, Priority};
pub use telemetry::{Span, Telemetry};
pub use usage::{Meter, Report, Usage, Watch};
pub use value::{Args, ObjectRef, Value, from_value, to_value};
pub use worker::{
    Call, Hello, LaunchContext, Launched, Quiesced, Reply, ReplyStream, Worker, WorkerProfile,
};
