//! The `process` profile: one worker process per lane; must not know how processes are started or spoken to.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use snakepit_core::config::scalar::ByteSize;
use snakepit_core::config::{ProfileFactory, Section};
use snakepit_core::{LaunchContext, LaunchError, Launched, PoolSettings, Value, WorkerProfile};

use crate::boot::{BootMessage, Recipe};
use crate::frame::DEFAULT_MAX_FRAME;
use crate::launch::Launcher;

/// How worker processes are started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SpawnMode {
    /// Forked from a zygote, unless the zygote finds that this is not safe; then by exec.
    #[default]
    Auto,
    /// Forked from a zygote. When that is not safe, launches fail.
    Zygote,
    /// Each by starting an interpreter, which imports everything again.
    Exec,
}

/// From which level on a worker's log records are passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// All but details.
    #[default]
    Info,
    /// Only what needs attention.
    Warning,
    /// Only what went wrong.
    Error,
    /// Only what ends things.
    Critical,
}

impl LogLevel {
    const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }
}

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
    /// Starts describing a profile for an adapter: `path/file.py`, `path/file.py:Class` or `package.module[:Class]`.
    pub fn builder(adapter: impl Into<String>) -> ProcessProfileBuilder {
        ProcessProfileBuilder {
            spawn: SpawnMode::default(),
            recipe: Recipe {
                python: None,
                env: BTreeMap::new(),
                boot: BootMessage {
                    adapter: adapter.into(),
                    preload: Vec::new(),
                    arguments: BTreeMap::new(),
                    paths: Vec::new(),
                    max_frame: DEFAULT_MAX_FRAME,
                    log_level: LogLevel::default().name(),
                },
            },
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
}

/// Describes a [`ProcessProfile`].
#[derive(Clone, Debug)]
pub struct ProcessProfileBuilder {
    spawn: SpawnMode,
    recipe: Recipe,
}

impl ProcessProfileBuilder {
    /// The interpreter: a path, or a name to look up in `PATH`. By default `SNAKEPIT_PYTHON`, the active virtual
    /// environment, `.venv`, or `python3`, whichever is there first.
    pub fn python(mut self, python: impl Into<String>) -> Self {
        self.recipe.python = Some(python.into());
        self
    }

    /// One more environment variable for the workers.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.recipe.env.insert(name.into(), value.into());
        self
    }

    /// One more keyword argument for the adapter's constructor.
    pub fn argument(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.recipe.boot.arguments.insert(name.into(), value.into());
        self
    }

    /// Further modules to import before the adapter.
    pub fn preload<S: Into<String>>(mut self, modules: impl IntoIterator<Item = S>) -> Self {
        self.recipe
            .boot
            .preload
            .extend(modules.into_iter().map(Into::into));
        self
    }

    /// Further folders to import from.
    pub fn paths<S: Into<String>>(mut self, folders: impl IntoIterator<Item = S>) -> Self {
        self.recipe
            .boot
            .paths
            .extend(folders.into_iter().map(Into::into));
        self
    }

    /// How workers are started.
    pub fn spawn(mut self, spawn: SpawnMode) -> Self {
        self.spawn = spawn;
        self
    }

    /// The largest call and the largest answer, in bytes. 64 MiB by default, and less than 4 GiB.
    pub fn max_payload(mut self, bytes: u32) -> Self {
        self.recipe.boot.max_frame = bytes;
        self
    }

    /// From which level on log records are passed on.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.recipe.boot.log_level = level.name();
        self
    }

    /// The profile. Nothing is started before its first launch.
    pub fn build(self) -> ProcessProfile {
        ProcessProfile {
            launcher: Launcher::new(self.recipe, self.spawn, 1),
        }
    }
}

/// Builds a [`ProcessProfile`] from the keys `adapter`, `adapter_args`, `adapter_env`, `python`, `preload`, `spawn`,
/// `max_payload` and `log_level` of a pool's configuration.
///
/// Paths start from the folder of the configuration, which modules are looked for in too.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessFactory;

/// The smallest `max_payload`: an error with a short traceback has to pass.
const SMALLEST_PAYLOAD: u64 = 4096;

impl ProfileFactory for ProcessFactory {
    fn kind(&self) -> &'static str {
        "process"
    }

    fn build(
        &self,
        section: &mut Section<'_>,
        _settings: &PoolSettings,
    ) -> Option<Arc<dyn WorkerProfile>> {
        let adapter: Option<String> = section.required("adapter");
        let adapter = adapter.map(|name| from_base(section, &name, is_file(&name)));
        let python: Option<String> = section.optional("python");
        let python = python.map(|name| from_base(section, &name, name.contains('/')));
        let mut builder = ProcessProfile::builder(adapter.unwrap_or_default())
            .paths([from_base(section, ".", true)])
            .preload(section.or("preload", Vec::<String>::new()))
            .spawn(section.or("spawn", SpawnMode::default()))
            .log_level(section.or("log_level", LogLevel::default()));
        builder.recipe.python = python;
        builder.recipe.env = section.or("adapter_env", BTreeMap::new());
        builder.recipe.boot.arguments = section.or("adapter_args", BTreeMap::new());
        let payload = section
            .or("max_payload", ByteSize::new(DEFAULT_MAX_FRAME.into()))
            .get();
        match u32::try_from(payload) {
            Ok(bytes) if payload >= SMALLEST_PAYLOAD => builder = builder.max_payload(bytes),
            _ => section.invalid("max_payload", "must be from 4KiB to less than 4GiB"),
        }
        section.is_valid().then(|| Arc::new(builder.build()) as _)
    }
}

/// A name as it is; a path made absolute, from the folder of the configuration: a host may change its own folder.
fn from_base(section: &Section<'_>, name: &str, is_path: bool) -> String {
    if !is_path {
        return name.to_owned();
    }
    let path = section.resolve(name);
    std::path::absolute(&path)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Whether an adapter is named by a path, and not by the name of a module.
fn is_file(adapter: &str) -> bool {
    let place = adapter
        .rsplit_once(':')
        .map_or(adapter, |(place, _class)| place);
    place.contains('/')
        || Path::new(place)
            .extension()
            .is_some_and(|kind| kind == "py")
}
