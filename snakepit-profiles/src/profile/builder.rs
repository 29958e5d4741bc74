//! Describing a profile, the same way for all of them; must not know which one it will be.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use snakepit_core::Value;
use snakepit_python::AdapterSpec;

use super::lanes;
use crate::boot::{BootMessage, Recipe};
use crate::frame::DEFAULT_MAX_FRAME;
use crate::interpreter::Interpreter;
use crate::launch::{Launcher, Rules};
use crate::settings::{GilPolicy, LaneKind, LogLevel, SpawnMode, ThreadSafety, Unserialisable};

/// Describes a profile, such as a [`ProcessProfile`](crate::ProcessProfile).
pub struct Builder<P> {
    pub(super) options: Options,
    profile: PhantomData<fn() -> P>,
}

/// All that is to be said about workers.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) spawn: SpawnMode,
    /// Lanes of each worker, where a worker may have several.
    pub(super) threads: u16,
    /// Unless it was chosen, what suits the lanes.
    pub(super) gil: Option<GilPolicy>,
    /// How many workers the pool is to have, as far as that is known.
    pub(super) workers: usize,
    pub(super) thread_safety: ThreadSafety,
    pub(super) unserialisable: Unserialisable,
    pub(super) recipe: Recipe,
}

impl Options {
    fn new(adapter: AdapterSpec) -> Self {
        Self {
            spawn: SpawnMode::default(),
            threads: lanes::DEFAULT,
            gil: None,
            workers: 1,
            thread_safety: ThreadSafety::default(),
            unserialisable: Unserialisable::default(),
            recipe: Recipe {
                python: Interpreter::default(),
                env: BTreeMap::new(),
                library_threads: 1,
                boot: BootMessage {
                    adapter,
                    preload: Vec::new(),
                    arguments: BTreeMap::new(),
                    paths: Vec::new(),
                    max_frame: DEFAULT_MAX_FRAME,
                    log_level: LogLevel::default().name(),
                },
            },
        }
    }

    pub(super) fn launcher(mut self, kind: LaneKind) -> Launcher {
        let lanes = lanes::of(kind, self.threads);
        self.recipe.library_threads = lanes::library_threads(lanes, self.workers);
        let rules = Rules {
            gil: self.gil.unwrap_or(kind.usual_gil_policy()),
            thread_safety: self.thread_safety,
        };
        Launcher::new(self.recipe, self.spawn, lanes, rules, self.unserialisable)
    }
}

/// A profile whose workers may have several lanes.
pub(super) trait ManyLanes: Profile {}

/// A profile whose lanes may share an interpreter.
pub(super) trait SharedInterpreter: ManyLanes {}

/// What a [`Builder`] can make.
pub(super) trait Profile: Sized {
    /// Makes it.
    fn finish(options: Options) -> Self;
}

#[expect(
    private_bounds,
    reason = "the profiles of this crate are all there are to build"
)]
impl<P: Profile> Builder<P> {
    /// Starts describing a profile for an adapter.
    pub(super) fn new(adapter: impl Into<AdapterSpec>) -> Self {
        Self {
            options: Options::new(adapter.into()),
            profile: PhantomData,
        }
    }

    /// The interpreter: a path, a command to look up in `PATH`, or a request such as `3.14t` or `>=3.11`. By default the
    /// one a shell user would expect: `SNAKEPIT_PYTHON`, the active virtual environment, `.venv`, or `python3`.
    pub fn python(mut self, python: impl Into<String>) -> Self {
        self.options.recipe.python = Interpreter::wanted(python);
        self
    }

    /// One more environment variable for the workers.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.recipe.env.insert(name.into(), value.into());
        self
    }

    /// One more keyword argument for the adapter's constructor.
    pub fn argument(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let arguments = &mut self.options.recipe.boot.arguments;
        arguments.insert(name.into(), value.into());
        self
    }

    /// Further modules to import before the adapter.
    pub fn preload<S: Into<String>>(mut self, modules: impl IntoIterator<Item = S>) -> Self {
        let preload = &mut self.options.recipe.boot.preload;
        preload.extend(modules.into_iter().map(Into::into));
        self
    }

    /// Further folders to import from.
    pub fn paths<S: Into<String>>(mut self, folders: impl IntoIterator<Item = S>) -> Self {
        let paths = &mut self.options.recipe.boot.paths;
        paths.extend(folders.into_iter().map(Into::into));
        self
    }

    /// How workers are started.
    pub fn spawn(mut self, spawn: SpawnMode) -> Self {
        self.options.spawn = spawn;
        self
    }

    /// What the pool thinks of the GIL. Thread pools prefer it off by default, others do not mind.
    pub fn gil(mut self, policy: GilPolicy) -> Self {
        self.options.gil = Some(policy);
        self
    }

    /// What becomes of results that no value can carry: by default the call ends with an error.
    pub fn unserialisable(mut self, unserialisable: Unserialisable) -> Self {
        self.options.unserialisable = unserialisable;
        self
    }

    /// The largest call and the largest answer, in bytes. 64 MiB by default, and less than 4 GiB.
    pub fn max_payload(mut self, bytes: u32) -> Self {
        self.options.recipe.boot.max_frame = bytes;
        self
    }

    /// From which level on log records are passed on.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.options.recipe.boot.log_level = level.name();
        self
    }

    /// The profile. Nothing is started before its first launch.
    pub fn build(self) -> P {
        P::finish(self.options)
    }
}

#[expect(private_bounds, reason = "see above")]
impl<P: ManyLanes> Builder<P> {
    /// How many calls each worker runs at the same time. 4 by default; from 1 to 128, and cut to that.
    ///
    /// Unless the environment says otherwise, numerical libraries get as many threads in each lane as there are processors
    /// for it, and at least one. A zygote in which they start more than one cannot be forked: workers are executed then.
    pub fn threads_per_worker(mut self, threads: u16) -> Self {
        self.options.threads = threads;
        self
    }
}

#[expect(private_bounds, reason = "see above")]
impl<P: SharedInterpreter> Builder<P> {
    /// What is asked of the adapter, whose instances share a process, and whether they are watched.
    pub fn thread_safety(mut self, thread_safety: ThreadSafety) -> Self {
        self.options.thread_safety = thread_safety;
        self
    }
}

impl<P> Clone for Builder<P> {
    fn clone(&self) -> Self {
        Self {
            options: self.options.clone(),
            profile: PhantomData,
        }
    }
}

impl<P> fmt::Debug for Builder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Builder").field(&self.options).finish()
    }
}
