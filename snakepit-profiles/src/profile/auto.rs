//! `worker_profile: auto`: asks the interpreter and reads the adapter, then is one of the others; must not know how those work.

use std::sync::Arc;

use async_trait::async_trait;
use snakepit_core::config::{ProfileFactory, Section};
use snakepit_core::{
    Ceiling, LaunchContext, LaunchError, Launched, Notice, PoolSettings, WorkerProfile,
};
use snakepit_python::{AdapterSpec, Profile as Kind, Recommendation};
use tokio::sync::OnceCell;

use super::builder::{Builder, ManyLanes, Options, Profile, SharedInterpreter};
use super::{lanes, section};
use crate::launch::Launcher;
use crate::settings::LaneKind;

/// Chooses between the `thread` and the `process` profile when the first worker is launched, as
/// [`snakepit_python::recommend`] does, and says by a notice what it chose and why.
///
/// It asks the interpreter the pool will run, and at the adapter's file without running it: what it imports, and
/// whether it declares `__thread_safe__ = True`. An adapter named as a module that is installed elsewhere is not looked
/// into, and so gets processes.
#[derive(Debug)]
pub struct AutoProfile {
    options: Options,
    chosen: OnceCell<(Kind, Launcher)>,
}

impl AutoProfile {
    /// Starts describing a profile for an adapter: `path/file.py`, `path/file.py:Class`, `package.module[:Class]`, or
    /// [`AdapterSpec::modules`].
    pub fn builder(adapter: impl Into<AdapterSpec>) -> Builder<Self> {
        Builder::new(adapter)
    }

    async fn choose(&self, cx: &LaunchContext) -> Result<(Kind, Launcher), LaunchError> {
        let recipe = &self.options.recipe;
        let (adapter, folders) = (&recipe.boot.adapter, &recipe.boot.paths);
        let choice = recipe.python.choose(&recipe.env, adapter, folders).await?;
        let options = self.options.clone();
        let kind = match choice.profile {
            Kind::Thread => LaneKind::Thread,
            _ => LaneKind::Main,
        };
        (cx.notices)(announcement(
            &choice,
            lanes::of(kind, options.threads).count,
        ));
        Ok((choice.profile, options.launcher(kind)))
    }
}

fn announcement(choice: &Recommendation, lanes: u16) -> Notice {
    let reasons = choice.reasons.join("; ");
    let each = match lanes {
        1 => String::new(),
        lanes => format!(" with {lanes} lanes each"),
    };
    Notice::new(
        "profile.auto",
        format!(
            "`worker_profile: auto` chose `{}`{each}: {reasons}",
            choice.profile
        ),
    )
}

impl Profile for AutoProfile {
    fn finish(options: Options) -> Self {
        Self {
            options,
            chosen: OnceCell::new(),
        }
    }
}

impl ManyLanes for AutoProfile {}

impl SharedInterpreter for AutoProfile {}

#[async_trait]
impl WorkerProfile for AutoProfile {
    /// What was chosen, and `auto` before that.
    fn kind(&self) -> &str {
        match self.chosen.get() {
            Some((kind, _)) => kind.as_str(),
            None => "auto",
        }
    }

    async fn launch(&self, cx: LaunchContext) -> Result<Launched, LaunchError> {
        let chosen = self.chosen.get_or_try_init(|| self.choose(&cx)).await?;
        chosen.1.launch(&cx).await
    }

    /// What was chosen stays.
    fn renew(&self) {
        if let Some((_, launcher)) = self.chosen.get() {
            launcher.renew();
        }
    }

    fn ceiling(&self) -> Option<Ceiling> {
        self.chosen
            .get()
            .and_then(|(_, launcher)| launcher.ceiling())
    }
}

/// Builds an [`AutoProfile`] from the keys of [`ThreadFactory`](crate::ThreadFactory).
#[derive(Clone, Copy, Debug, Default)]
pub struct AutoFactory;

impl ProfileFactory for AutoFactory {
    fn kind(&self) -> &'static str {
        "auto"
    }

    fn build(
        &self,
        section: &mut Section<'_>,
        settings: &PoolSettings,
    ) -> Option<Arc<dyn WorkerProfile>> {
        let builder = section::read_threads::<AutoProfile>(section, settings);
        section.is_valid().then(|| Arc::new(builder.build()) as _)
    }
}
