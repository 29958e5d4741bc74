//! The pool engine: the imperative shell around the scheduler. Knows tokio; knows no process and no Python.
//!
//! ```text
//! Request ──Arrived──▶ ┌───────────┐ ──Grant──▶ Lease ──▶ Worker::call (on the caller's own task)
//!    drop ─Abandoned─▶ │ Scheduler │ ──Cancel─▶ Worker::cancel ──Quiesced──▶ back in
//!  worker ─Exited────▶ │ (one lock)│ ──Launch─▶ one task per worker: launch, then wait for its exit
//!   timer ─Tick──────▶ └───────────┘ ──Stop───▶ Worker::stop
//! ```

mod admin;
mod attend;
mod builder;
mod control;
mod defaults;
mod departed;
mod desk;
mod drain;
mod effects;
mod errors;
mod farewells;
mod foreign;
mod guard;
mod health;
mod lease;
mod maintain;
mod member;
mod nesting;
mod place;
mod policies;
mod refs;
mod request;
mod retry;
mod session_tools;
mod sessions;
mod settings;
mod shared;
mod snapshot;
mod stream;
#[cfg(test)]
mod tests;
mod time_budget;
mod tools;
mod weak;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::Command;
use crate::error::{CallError, LaunchError};
use crate::exchange::ToolSpec;
use crate::ids::{PoolName, WorkerId};
use crate::value::{Args, ValueError};

pub use builder::PoolBuilder;
pub use control::CancelHandle;
pub use drain::DrainReport;
pub use errors::{RecycleError, ReloadReport, ResizeError};
pub use health::{BreakerState, Health, HealthStatus};
pub use request::Request;
pub use sessions::{Session, SessionSnapshot, UnknownSession};
pub use settings::PoolSettings;
pub use snapshot::{PoolSnapshot, WorkerSnapshot};
pub use stream::CallStream;
pub use weak::WeakPool;

use shared::Shared;
use tools::Tool;

/// A pool of workers. Cheap to clone; the workers are killed when the last clone, request and stream are gone. A
/// [`WeakPool`] does not count.
///
/// Calls may be made from any task of any tokio runtime with time enabled; the workers' I/O is driven by the runtime the
/// pool was started on, and when that runtime is dropped the pool closes and its workers die.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", self.name())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Starts building a pool of workers of the given profile.
    pub fn builder(
        name: impl Into<PoolName>,
        profile: Arc<dyn crate::WorkerProfile>,
    ) -> PoolBuilder {
        PoolBuilder::new(name.into(), profile)
    }

    /// The pool's name.
    pub fn name(&self) -> &PoolName {
        &self.shared.name
    }

    /// The settings it was built with. The current number of workers wanted is in [`snapshot`](Self::snapshot).
    pub fn settings(&self) -> &PoolSettings {
        &self.shared.settings
    }

    /// Calls a command and waits for its result.
    ///
    /// A sequence or tuple is positional arguments, a map or struct keyword arguments, `()` none, and anything else the
    /// one argument. To pass a single list, wrap it: `(list,)`.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the queue, or interrupts the running command; the lane is given to the next call
    /// once the worker let go of it.
    ///
    /// # Errors
    /// [`CallError`] says what failed, whether the command may have run, and what to do.
    pub async fn call<T: DeserializeOwned>(
        &self,
        command: &str,
        args: impl Serialize,
    ) -> Result<T, CallError> {
        self.request(command, args).call().await
    }

    /// Calls a command that produces values one after the other.
    ///
    /// # Errors
    /// As [`call`](Self::call), here for what happens before the first value; later errors are items of the stream.
    pub async fn stream<T: DeserializeOwned>(
        &self,
        command: &str,
        args: impl Serialize,
    ) -> Result<CallStream<T>, CallError> {
        self.request(command, args).stream().await
    }

    /// Prepares a call with options. The arguments are as for [`call`](Self::call).
    pub fn request(&self, command: &str, args: impl Serialize) -> Request {
        self.request_args(command, Args::from_serialize(&args))
    }

    /// Prepares a call whose arguments are values already.
    pub fn request_values(&self, command: &str, args: Args) -> Request {
        self.request_args(command, Ok(args))
    }

    fn request_args(&self, command: &str, args: Result<Args, ValueError>) -> Request {
        Request::new(Arc::clone(&self.shared), command, args)
    }

    /// The commands the workers offer, as the youngest ready worker reported them.
    pub fn commands(&self) -> Arc<[Command]> {
        self.shared.commands()
    }

    /// Offers a host tool: an async function that code in the workers may call while it runs a call of this pool, in
    /// Python by `context.call("lookup", id=7)`. One of the same name is replaced.
    ///
    /// `spec` is a name, or a [`ToolSpec`]. The arguments are read as `T`: by name as a map or struct, several by position
    /// as a tuple or struct, a single one as itself as well. What the function answers with may be anything that
    /// serialises; its error anything that displays, of which a [`ToolError`](crate::ToolError) or [`CallError`] arrives with code and advice.
    ///
    /// It runs on the task of whoever made the call: it has the deadline of that call, and is dropped with it. A
    /// panic in it, or in what its types do, becomes an error in Python. Calls it makes are inside of that call: they take
    /// over its deadline and trace context, and at most [`MAX_DEPTH`](crate::MAX_DEPTH) may be inside one another. Each of
    /// them needs a free lane while the outer ones keep theirs. A call made on a task of its own (`tokio::spawn`) is
    /// outside of all that.
    ///
    /// Applies to calls made from now on. [`Session::tool`] and [`Request::tool`] offer tools to fewer calls. The pool holds its tools until it is closed, so a tool that calls its own pool
    /// holds it weakly, or the pool would never be dropped:
    ///
    /// ```
    /// use snakepit_core::{Pool, Value};
    /// use snakepit_core::error::ToolError;
    ///
    /// fn offer(pool: &Pool) {
    ///     let weak = pool.downgrade();
    ///     pool.tool("summary", move |text: String| {
    ///         let weak = weak.clone();
    ///         async move {
    ///             let pool = weak.upgrade().ok_or_else(|| ToolError::new("the pool is gone"))?;
    ///             let summary = pool.call::<Value>("summarise", text).await;
    ///             summary.map_err(ToolError::from_error)
    ///         }
    ///     });
    /// }
    /// ```
    pub fn tool<T, U, E, F, R>(&self, spec: impl Into<ToolSpec>, function: F)
    where
        T: DeserializeOwned + Send,
        U: Serialize,
        E: fmt::Display + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<U, E>> + Send + 'static,
    {
        self.shared.tools.add(Tool::new(spec.into(), function));
    }

    /// The tools calls of this pool may ask for, by name.
    pub fn tools(&self) -> Vec<ToolSpec> {
        let toolbox = self.shared.tools.get();
        toolbox.map_or_else(Vec::new, |tools| tools.specs().cloned().collect())
    }

    /// What the pool is doing, taken under one lock: the numbers fit together.
    pub fn snapshot(&self) -> PoolSnapshot {
        self.shared.snapshot()
    }

    /// Waits until as many workers are ready as are wanted.
    ///
    /// # Errors
    /// The last launch's error, once launching is given up, or three launches failed in a row and none is ready.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ready(&self) -> Result<(), Arc<LaunchError>> {
        self.shared.ready().await
    }

    /// Changes how many workers are wanted and returns at once. Workers in excess finish their calls first.
    ///
    /// A pool that may grow and shrink is of this size from now on.
    ///
    /// # Errors
    /// See [`ResizeError`]; nothing has changed then.
    pub fn resize(&self, workers: usize) -> Result<(), ResizeError> {
        self.resize_between(workers, workers)
    }

    /// Changes how few and how many workers the pool may have, and returns at once.
    ///
    /// # Errors
    /// See [`ResizeError`]; nothing has changed then.
    pub fn resize_between(&self, min: usize, max: usize) -> Result<(), ResizeError> {
        self.shared.resize(min, max)
    }

    /// Has one worker replaced and returns at once: it serves until its replacement is ready.
    ///
    /// # Errors
    /// See [`RecycleError`].
    pub fn recycle(&self, worker: WorkerId) -> Result<(), RecycleError> {
        self.shared.recycle(worker)
    }

    /// Replaces all workers, a few at a time, by ones launched from nothing
    /// ([`WorkerProfile::renew`](crate::WorkerProfile::renew)): code that changed on disk is loaded anew. Returns once
    /// every worker there was is gone. No call is interrupted, and a worker leaves only when its replacement is ready.
    ///
    /// # Errors
    /// When the new workers cannot be launched; the old ones go on serving.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the reload.
    pub async fn reload(&self) -> Result<ReloadReport, Arc<LaunchError>> {
        self.shared.reload().await
    }

    /// How well the pool is, and why it is not well.
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Takes no more calls and finishes those it has within `grace`; interrupts what is left then, as
    /// [`CancelHandle::cancel`] does; after `cooperative_grace` and `cancel_grace` kills what did not let go. Then ends
    /// all workers and waits until they are gone.
    ///
    /// A second call, with a shorter grace, cuts the first one short. On a pool that is closed it returns at once, with
    /// nothing to report.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the pool draining, without an end to its grace; call again to go on.
    pub async fn drain(&self, grace: Duration) -> DrainReport {
        self.shared.drain(grace).await
    }

    /// Rejects the calls that wait, kills the workers that run one, ends the others and waits until all are gone.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the pool closed; the workers end all the same.
    pub async fn shutdown(&self) -> DrainReport {
        self.shared.shutdown().await
    }
}
