//! The `thread` profile: many lanes in one process, each a thread for life; must not know how processes are started.

use std::sync::Arc;

use async_trait::async_trait;
use snakepit_core::config::{ProfileFactory, Section};
use snakepit_core::{Ceiling, LaunchContext, LaunchError, Launched, PoolSettings, WorkerProfile};
use snakepit_python::AdapterSpec;

use super::builder::{Builder, ManyLanes, Options, Profile, SharedInterpreter};
use super::section;
use crate::launch::Launcher;
use crate::settings::LaneKind;

/// Runs many calls at the same time in each of few processes: one thread per lane, with an adapter instance of its own.
///
/// On a free-threaded CPython (3.14t) lanes run Python code in parallel. On other builds they take turns and overlap only
/// in I/O and in code that releases the GIL, which the pool says once by a notice.
///
/// ```no_run
/// use snakepit_profiles::ThreadProfile;
///
/// let profile = ThreadProfile::builder("adapters/hello.py").python("3.14t").threads_per_worker(16).build();
/// ```
#[derive(Debug)]
pub struct ThreadProfile {
    launcher: Launcher,
}

impl ThreadProfile {
    /// Starts describing a profile for an adapter: `path/file.py`, `path/file.py:Class`, `package.module[:Class]`, or
    /// [`AdapterSpec::modules`].
    pub fn builder(adapter: impl Into<AdapterSpec>) -> Builder<Self> {
        Builder::new(adapter)
    }
}

impl Profile for ThreadProfile {
    fn finish(options: Options) -> Self {
        Self {
            launcher: options.launcher(LaneKind::Thread),
        }
    }
}

impl ManyLanes for ThreadProfile {}

impl SharedInterpreter for ThreadProfile {}

#[async_trait]
impl WorkerProfile for ThreadProfile {
    fn kind(&self) -> &'static str {
        "thread"
    }

    async fn launch(&self, cx: LaunchContext) -> Result<Launched, LaunchError> {
        self.launcher.launch(&cx).await
    }

    fn renew(&self) {
        self.launcher.renew();
    }

    fn ceiling(&self) -> Option<Ceiling> {
        self.launcher.ceiling()
    }
}

/// Builds a [`ThreadProfile`] from the keys of [`ProcessFactory`](crate::ProcessFactory), `threads_per_worker` and
/// `thread_safety`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadFactory;

impl ProfileFactory for ThreadFactory {
    fn kind(&self) -> &'static str {
        "thread"
    }

    fn build(
        &self,
        section: &mut Section<'_>,
        settings: &PoolSettings,
    ) -> Option<Arc<dyn WorkerProfile>> {
        let builder = section::read_threads::<ThreadProfile>(section, settings);
        section.is_valid().then(|| Arc::new(builder.build()) as _)
    }
}
