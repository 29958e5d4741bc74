//! Several pools, started and stopped as one. Knows nothing of how a pool works.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use thiserror::Error;

use crate::config::{Config, PoolConfig, nearest};
use crate::error::LaunchError;
use crate::event::EventSink;
use crate::ids::PoolName;
use crate::pool::{DrainReport, Pool};

/// The pools of one [`Config`], running.
///
/// Cheap to clone. The workers are killed when the last clone, and the last [`Pool`] taken from it,
/// are gone; [`shutdown`](Self::shutdown) and [`drain`](Self::drain) are kinder and can be awaited.
#[derive(Clone)]
pub struct Snakepit {
    pools: Arc<[Pool]>,
}

impl Snakepit {
    /// Starts building.
    pub fn builder() -> SnakepitBuilder {
        SnakepitBuilder {
            config: Config::new(),
            sinks: Vec::new(),
        }
    }

    /// The pool of that name.
    ///
    /// # Errors
    /// When there is none; the error knows which there are.
    pub fn pool(&self, name: &str) -> Result<&Pool, UnknownPool> {
        self.pools
            .iter()
            .find(|pool| pool.name().as_str() == name)
            .ok_or_else(|| UnknownPool {
                name: name.to_owned(),
                known: self.pools.iter().map(|pool| pool.name().clone()).collect(),
            })
    }

    /// All pools, in the order of the configuration.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// Takes no more calls, finishes those there are within `grace`, then ends all workers and
    /// waits until they are gone. The pools do so at the same time.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the pools draining; call again to go on.
    pub async fn drain(&self, grace: Duration) -> Vec<(PoolName, DrainReport)> {
        let drains = self.pools.iter().map(async |pool| {
            let report = pool.drain(grace).await;
            (pool.name().clone(), report)
        });
        join_all(drains).await
    }

    /// Rejects the calls that wait, interrupts those that run, ends all workers and waits until
    /// they are gone.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the pools closed; their workers end all the same.
    pub async fn shutdown(&self) {
        join_all(self.pools.iter().map(Pool::shutdown)).await;
    }
}

impl fmt::Debug for Snakepit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snakepit")
            .field("pools", &self.pools)
            .finish()
    }
}

/// Builds a [`Snakepit`].
#[must_use = "a builder does nothing until `start`"]
pub struct SnakepitBuilder {
    config: Config,
    sinks: Vec<Arc<dyn EventSink>>,
}

impl SnakepitBuilder {
    /// What to start.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Adds a listener to the events of all pools.
    pub fn event_sink(mut self, sink: Arc<dyn EventSink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Starts all pools at the same time and waits until all workers are ready.
    ///
    /// # Errors
    /// The first pool that does not start ends the attempt; no worker of any pool is left then.
    ///
    /// # Panics
    /// If called outside a tokio runtime.
    ///
    /// # Cancel safety
    /// Dropping the future leaves no worker.
    pub async fn start(self) -> Result<Snakepit, StartError> {
        self.check()?;
        let Self { config, sinks } = self;
        let mut pools = Vec::with_capacity(config.pools.len());
        // Those that were begun are kept whatever happens: only who holds a pool can wait for its workers' end.
        let started = async {
            for pool in config.pools {
                pools.push(begin(pool, &sinks)?);
            }
            try_join_all(pools.iter().map(ready)).await
        };
        if let Err(error) = started.await {
            join_all(pools.iter().map(Pool::shutdown)).await;
            return Err(error);
        }
        let pools = pools.into();
        Ok(Snakepit { pools })
    }

    /// What a configuration from a file cannot get wrong, but one made by hand can.
    fn check(&self) -> Result<(), StartError> {
        if self.config.pools.is_empty() {
            return Err(StartError::NoPools);
        }
        for (index, pool) in self.config.pools.iter().enumerate() {
            if self.config.pools[..index]
                .iter()
                .any(|other| other.name == pool.name)
            {
                return Err(StartError::DuplicateName {
                    pool: pool.name.clone(),
                });
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SnakepitBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnakepitBuilder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Has a pool's workers launched.
fn begin(config: PoolConfig, sinks: &[Arc<dyn EventSink>]) -> Result<Pool, StartError> {
    let name = config.name.clone();
    let mut builder = Pool::builder(config.name, config.profile).settings(config.settings);
    for policy in config.policies {
        builder = builder.shared_policy(policy);
    }
    if let Some(meter) = config.meter {
        builder = builder.meter(meter);
    }
    for sink in sinks {
        builder = builder.event_sink(Arc::clone(sink));
    }
    builder
        .begin()
        .map_err(|source| StartError::Launch { pool: name, source })
}

/// Waits for a pool's workers.
async fn ready(pool: &Pool) -> Result<(), StartError> {
    let ready = pool.ready().await;
    ready.map_err(|source| StartError::Launch {
        pool: pool.name().clone(),
        source,
    })
}

/// Why a [`Snakepit`] did not start. `Debug` shows all there is to know, for people.
#[derive(Clone, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The workers of a pool did not become ready.
    #[error("pool `{pool}` did not start")]
    Launch {
        /// The pool.
        pool: PoolName,
        /// What kept them.
        source: Arc<LaunchError>,
    },
    /// The configuration has no pools.
    #[error("there are no pools to start")]
    NoPools,
    /// Two pools have the same name.
    #[error("there are two pools named `{pool}`")]
    DuplicateName {
        /// The name.
        pool: PoolName,
    },
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Launch { source, .. } => write!(f, "{self}: {source:?}"),
            Self::NoPools | Self::DuplicateName { .. } => fmt::Display::fmt(self, f),
        }
    }
}

/// There is no pool of that name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("no pool is named `{name}`")]
#[non_exhaustive]
pub struct UnknownPool {
    /// The name that was asked for.
    pub name: String,
    /// The pools there are.
    pub known: Vec<PoolName>,
}

impl UnknownPool {
    /// What to ask for instead.
    pub fn hint(&self) -> String {
        if let Some(name) = nearest(&self.name, self.known.iter().map(PoolName::as_str)) {
            return format!("did you mean `{name}`?");
        }
        let known: Vec<String> = self.known.iter().map(|name| format!("`{name}`")).collect();
        format!("the pools are: {}", known.join(", "))
    }
}
