//! The `thread` profile: many lanes in one process, each a thread for life; must not know how processes are started.

use std::sync::Arc;

use async_trait::async_trait;
use snakepit_core::config::{ProfileFactory, Section};
use snakepit_core::{LaunchContext, LaunchError, Launched, PoolSettings, WorkerProfile};

use super::builder::{Builder, Options, Profile};
use super::{lanes, section};
use crate::launch::Launcher;
use crate::settings::{LaneKind, ThreadSafety};

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
    /// Starts describing a profile for an adapter: `path/file.py`, `path/file.py:Class` or `package.module[:Class]`.
    pub fn builder(adapter: impl Into<String>) -> Builder<Self> {
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

impl Builder<ThreadProfile> {
    /// How many calls each worker runs at the same time. 4 by default; from 1 to 128, and cut to that.
    ///
    /// Unless the environment says otherwise, numerical libraries get as many threads in each lane as there are processors
    /// for it, and at least one. A zygote in which they start more than one cannot be forked: workers are executed then.
    pub fn threads_per_worker(mut self, threads: u16) -> Self {
        self.options.threads = threads;
        self
    }

    /// What is asked of the adapter, whose instances share a process.
    pub fn thread_safety(mut self, thread_safety: ThreadSafety) -> Self {
        self.options.thread_safety = thread_safety;
        self
    }
}

#[async_trait]
impl WorkerProfile for ThreadProfile {
    fn kind(&self) -> &'static str {
        "thread"
    }

    async fn launch(&self, cx: LaunchContext) -> Result<Launched, LaunchError> {
        self.launcher.launch(&cx).await
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
        let builder = section::read::<ThreadProfile>(section, settings)
            .threads_per_worker(lanes::read(section))
            .thread_safety(section.or("thread_safety", ThreadSafety::default()));
        section.is_valid().then(|| Arc::new(builder.build()) as _)
    }
}
