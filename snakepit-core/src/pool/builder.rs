//! How a pool is put together and started.

use std::fmt::Display;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::admin::check_size;
use super::maintain::keep_time;
use super::policies::Policies;
use super::shared::Shared;
use super::tools::{Tool, Toolbox, Tools};
use super::{Pool, PoolSettings, ResizeError};
use crate::error::{LaunchError, LaunchErrorKind};
use crate::event::EventSink;
use crate::exchange::ToolSpec;
use crate::ids::PoolName;
use crate::recycle::RecyclePolicy;
use crate::sched::{Scheduler, SchedulerConfig};
use crate::usage::Meter;
use crate::worker::WorkerProfile;

/// Builds a [`Pool`].
#[must_use = "a builder does nothing until `start`"]
pub struct PoolBuilder {
    name: PoolName,
    profile: Arc<dyn WorkerProfile>,
    settings: PoolSettings,
    policies: Vec<Arc<dyn RecyclePolicy>>,
    meter: Option<Arc<dyn Meter>>,
    sinks: Vec<Arc<dyn EventSink>>,
    tools: Toolbox,
}

impl PoolBuilder {
    pub(super) fn new(name: PoolName, profile: Arc<dyn WorkerProfile>) -> Self {
        Self {
            name,
            profile,
            settings: PoolSettings::default(),
            policies: Vec::new(),
            meter: None,
            sinks: Vec::new(),
            tools: Toolbox::default(),
        }
    }

    /// Takes all settings at once.
    pub fn settings(mut self, settings: PoolSettings) -> Self {
        self.settings = settings;
        self
    }

    /// How many workers.
    pub fn size(mut self, workers: usize) -> Self {
        self.settings.size = workers;
        self
    }

    /// How many calls may wait for a lane.
    pub fn queue_size(mut self, calls: usize) -> Self {
        self.settings.queue_size = calls;
        self
    }

    /// How long a call may wait for a lane.
    pub fn queue_timeout(mut self, timeout: Duration) -> Self {
        self.settings.queue_timeout = timeout;
        self
    }

    /// How long a call may take in all, unless it says otherwise.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.request_timeout = timeout;
        self
    }

    /// How long a launch may take.
    pub fn startup_timeout(mut self, timeout: Duration) -> Self {
        self.settings.startup_timeout = timeout;
        self
    }

    /// How long an interrupted command has to let go of its lane before its worker is replaced.
    pub fn cancel_grace(mut self, grace: Duration) -> Self {
        self.settings.cancel_grace = grace;
        self
    }

    /// Adds a recycle policy. A worker is replaced when any policy says so.
    pub fn policy(self, policy: impl RecyclePolicy) -> Self {
        self.shared_policy(Arc::new(policy))
    }

    /// Adds a recycle policy that others may have, too.
    pub fn shared_policy(mut self, policy: Arc<dyn RecyclePolicy>) -> Self {
        self.policies.push(policy);
        self
    }

    /// What measures the workers for policies that ask for it.
    pub fn meter(mut self, meter: Arc<dyn Meter>) -> Self {
        self.meter = Some(meter);
        self
    }

    /// Adds a listener to the pool's events.
    pub fn event_sink(mut self, sink: Arc<dyn EventSink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Offers a host tool, as [`Pool::tool`] does.
    pub fn tool<T, U, E, F, R>(mut self, spec: impl Into<ToolSpec>, function: F) -> Self
    where
        T: DeserializeOwned + Send,
        U: Serialize,
        E: Display + 'static,
        F: Fn(T) -> R + Send + Sync + 'static,
        R: Future<Output = Result<U, E>> + Send + 'static,
    {
        let replaced = self.tools.add(Tool::new(spec.into(), function));
        drop(replaced);
        self
    }

    /// Launches the workers and waits until all are ready.
    ///
    /// # Errors
    /// What kept workers from starting, see [`Pool::ready`]: no worker is left then. A size that makes no sense, see
    /// [`ResizeError`]: none was launched.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no worker.
    pub async fn start(self) -> Result<Pool, Arc<LaunchError>> {
        let pool = self.begin()?;
        match pool.ready().await {
            Ok(()) => Ok(pool),
            Err(error) => {
                pool.shutdown().await;
                Err(error)
            }
        }
    }

    /// As [`launch`](Self::launch), of a size that makes sense.
    pub(crate) fn begin(self) -> Result<Pool, Arc<LaunchError>> {
        let (min, max) = (self.settings.size, self.settings.max_size);
        check_size(min, max.unwrap_or(min), || self.profile.ceiling())
            .map_err(|why| unfit(&why))?;
        Ok(self.launch())
    }

    /// Launches the workers and returns at once. Calls wait for the first of them, within the pool's own timeouts: what
    /// commands say of theirs is known when a worker is ready. Takes the size as it is.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    pub fn launch(self) -> Pool {
        let settings = self.settings.clamped();
        let config = SchedulerConfig {
            settings: settings.clone(),
            seed: RandomState::new().hash_one(&self.name),
        };
        let mut shared = Shared::new(
            self.name,
            settings,
            self.profile,
            Policies::new(self.policies, self.meter),
            self.sinks,
            Scheduler::new(&config),
            Handle::current(),
        );
        shared.tools = Tools::new(self.tools);
        let shared = Arc::new(shared);
        shared.step(crate::sched::Input::Tick);
        shared.runtime.spawn(keep_time(Arc::downgrade(&shared)));
        Pool { shared }
    }
}

fn unfit(why: &ResizeError) -> Arc<LaunchError> {
    let message = why.to_string();
    let error = LaunchError::new(LaunchErrorKind::Other {
        message,
        permanent: true,
    });
    Arc::new(error.with_hint("set `pool_size` to a number of workers that can be run"))
}

impl std::fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
