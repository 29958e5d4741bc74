//! What every benchmark needs: the runtime, the interpreter, how long and how often to measure, pools.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use snakepit_core::{Pool, PoolBuilder, WorkerProfile};
use snakepit_profiles::ProcessProfile;
use tokio::runtime::Runtime;

/// The same for all benchmarks of a run.
pub(crate) struct Setup {
    pub(crate) runtime: Runtime,
    pub(crate) python: PathBuf,
    pub(crate) peers: bool,
    pub(crate) quick: bool,
    /// How often each figure is taken; what is compared takes turns.
    pub(crate) repetitions: usize,
    /// How long one repetition of a load lasts.
    pub(crate) duration: Duration,
}

impl Setup {
    pub(crate) fn new(runtime: Runtime, python: PathBuf, peers: bool, quick: bool) -> Self {
        let (repetitions, duration) = if quick {
            (1, Duration::from_millis(200))
        } else {
            (5, Duration::from_secs(2))
        };
        Self {
            runtime,
            python,
            peers,
            quick,
            repetitions,
            duration,
        }
    }

    /// For the comparison: so many things are measured that each gets little time, and several rounds even if quick, because a
    /// spread is asked for.
    pub(crate) fn many_short_rounds(&mut self) {
        (self.repetitions, self.duration) = if self.quick {
            (3, Duration::from_millis(150))
        } else {
            (5, Duration::from_millis(700))
        };
    }

    /// A fresh profile, and so a fresh zygote, for one of the adapters beside this crate.
    pub(crate) fn profile(&self, adapter: &str) -> Arc<dyn WorkerProfile> {
        let adapter = here().join("adapters").join(adapter);
        Arc::new(
            ProcessProfile::builder(adapter.display().to_string())
                .python(self.python.display().to_string())
                .build(),
        )
    }

    /// A pool of workers that import nothing, ready and warm.
    pub(crate) async fn bare_pool(&self, size: usize) -> Result<Pool> {
        let pool = builder(self.profile("bare.py"), size)
            .start()
            .await
            .context("the pool does not start")?;
        for _ in 0..200 * size {
            pool.call::<()>("noop", ()).await?;
        }
        Ok(pool)
    }
}

/// A pool that would hold all callers any benchmark has.
pub(crate) fn builder(profile: Arc<dyn WorkerProfile>, size: usize) -> PoolBuilder {
    Pool::builder("bench", profile).size(size).queue_size(2_000)
}

/// The folder of this crate, with its adapters and peers. Cargo says where it is now; where it was compiled may be another
/// clone with the same target directory.
pub(crate) fn here() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}
