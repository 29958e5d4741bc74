//! The `interpreter` profile: many lanes in one process, each with an interpreter and a GIL of its own. Experimental.

use std::sync::Arc;

use async_trait::async_trait;
use snakepit_core::config::{ProfileFactory, Section};
use snakepit_core::{Ceiling, LaunchContext, LaunchError, Launched, PoolSettings, WorkerProfile};
use snakepit_python::AdapterSpec;

use super::builder::{Builder, ManyLanes, Options, Profile};
use super::{lanes, section};
use crate::launch::Launcher;
use crate::settings::LaneKind;

/// Runs many calls at the same time in each of few processes, in parallel also on an ordinary CPython: each lane has an
/// interpreter of its own, with its own GIL and its own modules. Experimental; needs CPython 3.14 or newer.
///
/// Most extension modules refuse to load in such an interpreter (NumPy and all that builds on it, PyO3 modules): the launch
/// then fails with the list of those that do. The standard library loads.
///
/// ```no_run
/// use snakepit_profiles::InterpreterProfile;
///
/// let profile = InterpreterProfile::builder("adapters/rules.py").python("3.14").threads_per_worker(4).build();
/// ```
#[derive(Debug)]
pub struct InterpreterProfile {
    launcher: Launcher,
}

impl InterpreterProfile {
    /// Starts describing a profile for an adapter: `path/file.py`, `path/file.py:Class`, `package.module[:Class]`, or
    /// [`AdapterSpec::modules`].
    pub fn builder(adapter: impl Into<AdapterSpec>) -> Builder<Self> {
        Builder::new(adapter)
    }
}

impl Profile for InterpreterProfile {
    fn finish(options: Options) -> Self {
        Self {
            launcher: options.launcher(LaneKind::Interpreter),
        }
    }
}

impl ManyLanes for InterpreterProfile {}

#[async_trait]
impl WorkerProfile for InterpreterProfile {
    fn kind(&self) -> &'static str {
        "interpreter"
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

/// Builds an [`InterpreterProfile`] from the keys of [`ProcessFactory`](crate::ProcessFactory) and `threads_per_worker`.
#[derive(Clone, Copy, Debug, Default)]
pub struct InterpreterFactory;

impl ProfileFactory for InterpreterFactory {
    fn kind(&self) -> &'static str {
        "interpreter"
    }

    fn build(
        &self,
        section: &mut Section<'_>,
        settings: &PoolSettings,
    ) -> Option<Arc<dyn WorkerProfile>> {
        let builder = section::read::<InterpreterProfile>(section, settings)
            .threads_per_worker(lanes::read(section));
        section.is_valid().then(|| Arc::new(builder.build()) as _)
    }
}
