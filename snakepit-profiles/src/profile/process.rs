//! The `process` profile: one worker process per lane; must not know how processes are started or spoken to.

use std::sync::Arc;

use async_trait::async_trait;
use snakepit_core::config::{ProfileFactory, Section};
use snakepit_core::{Ceiling, LaunchContext, LaunchError, Launched, PoolSettings, WorkerProfile};
use snakepit_python::AdapterSpec;

use super::builder::{Builder, Options, Profile};
use super::section;
use crate::launch::Launcher;
use crate::settings::LaneKind;

/// Runs calls in worker processes, one call at a time in each.
///
/// The first launch starts a *zygote*: an interpreter that imports the adapter and what it needs, once. Workers are forked
/// from it in milliseconds and share its memory. The zygote ends with the profile and its last worker.
///
/// ```no_run
/// use snakepit_profiles::ProcessProfile;
///
/// let profile = ProcessProfile::builder("adapters/hello.py").preload(["numpy"]).build();
/// ```
#[derive(Debug)]
pub struct ProcessProfile {
    launcher: Launcher,
}

impl ProcessProfile {
    /// Starts describing a profile for an adapter: `path/file.py`, `path/file.py:Class`, `package.module[:Class]`, or
    /// [`AdapterSpec::modules`].
    pub fn builder(adapter: impl Into<AdapterSpec>) -> Builder<Self> {
        Builder::new(adapter)
    }
}

impl Profile for ProcessProfile {
    fn finish(options: Options) -> Self {
        Self {
            launcher: options.launcher(LaneKind::Main),
        }
    }
}

#[async_trait]
impl WorkerProfile for ProcessProfile {
    fn kind(&self) -> &'static str {
        "process"
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

/// Builds a [`ProcessProfile`] from the keys `adapter`, `adapter_args`, `adapter_env`, `python`, `preload`, `spawn`, `gil`,
/// `max_payload`, `log_level` and `unserialisable` of a pool's configuration.
///
/// Paths start from the folder of the configuration, which modules are looked for in too.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessFactory;

impl ProfileFactory for ProcessFactory {
    fn kind(&self) -> &'static str {
        "process"
    }

    fn build(
        &self,
        section: &mut Section<'_>,
        settings: &PoolSettings,
    ) -> Option<Arc<dyn WorkerProfile>> {
        let builder = section::read::<ProcessProfile>(section, settings);
        section.is_valid().then(|| Arc::new(builder.build()) as _)
    }
}
