//! What is compared: a worker profile on an interpreter, and how a number of lanes looks there; must not know workloads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use snakepit_core::{Pool, WorkerProfile};
use snakepit_profiles::{InterpreterProfile, ProcessProfile, SpawnMode, ThreadProfile};

use super::interpreters::Interpreter;
use crate::setup::{builder, here};

/// No worker of a profile with several lanes gets more than these.
pub(crate) const LANES_PER_WORKER: usize = 16;
/// A hundred interpreters that import pandas at the same time on two cores take their time.
const STARTUP: Duration = Duration::from_secs(900);

/// The worker profiles, in the order of how well they isolate: the order of preference when the figures are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Process,
    Interpreter,
    Thread,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Interpreter => "interpreter",
            Self::Thread => "thread",
        }
    }
}

/// A profile on an interpreter.
#[derive(Clone, Debug)]
pub(crate) struct Contestant {
    pub(crate) kind: Kind,
    pub(crate) interpreter: Arc<Interpreter>,
    /// Which of the interpreters: decides its colour.
    pub(crate) index: usize,
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.kind.name(), self.interpreter.name())
    }
}

/// Everybody who takes part. Threads and sub-interpreters begin with 3.14; sub-interpreters have nothing to add where threads
/// run at once anyway.
pub(crate) fn contestants(interpreters: &[Arc<Interpreter>]) -> Vec<Contestant> {
    let mut all = Vec::new();
    for (index, interpreter) in interpreters.iter().enumerate() {
        let kinds: &[Kind] = match (interpreter.version >= (3, 14), interpreter.free_threaded) {
            (false, _) => &[Kind::Process],
            (true, false) => &[Kind::Process, Kind::Thread, Kind::Interpreter],
            (true, true) => &[Kind::Process, Kind::Thread],
        };
        all.extend(kinds.iter().map(|kind| Contestant {
            kind: *kind,
            interpreter: Arc::clone(interpreter),
            index,
        }));
    }
    all
}

/// So many workers, of so many lanes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) workers: usize,
    pub(crate) lanes: usize,
}

impl Contestant {
    /// How this profile gets a number of lanes: one worker for each, or as few workers as can have them.
    pub(crate) fn shape(&self, lanes: usize) -> Shape {
        match self.kind {
            Kind::Process => Shape {
                workers: lanes,
                lanes: 1,
            },
            Kind::Thread | Kind::Interpreter => {
                let workers = lanes.div_ceil(LANES_PER_WORKER);
                Shape {
                    workers,
                    lanes: lanes.div_ceil(workers),
                }
            }
        }
    }

    /// A fresh profile, and so a fresh zygote, for one of the adapters beside this crate.
    pub(crate) fn profile(
        &self,
        adapter: &str,
        lanes: usize,
        spawn: SpawnMode,
    ) -> Arc<dyn WorkerProfile> {
        let adapter = here().join("adapters").join(adapter).display().to_string();
        let python = self.interpreter.path.display().to_string();
        // A profile cannot be given more lanes than there are numbers for.
        let threads = u16::try_from(lanes).unwrap_or(u16::MAX);
        match self.kind {
            Kind::Process => Arc::new(
                ProcessProfile::builder(adapter)
                    .python(python)
                    .spawn(spawn)
                    .build(),
            ),
            Kind::Thread => Arc::new(
                ThreadProfile::builder(adapter)
                    .threads_per_worker(threads)
                    .python(python)
                    .spawn(spawn)
                    .build(),
            ),
            Kind::Interpreter => Arc::new(
                InterpreterProfile::builder(adapter)
                    .threads_per_worker(threads)
                    .python(python)
                    .spawn(spawn)
                    .build(),
            ),
        }
    }

    /// A pool with so many lanes, ready.
    pub(crate) async fn pool(&self, adapter: &str, lanes: usize) -> Result<Pool> {
        let shape = self.shape(lanes);
        let profile = self.profile(adapter, shape.lanes, SpawnMode::Auto);
        self.start(profile, shape.workers).await
    }

    /// A pool with so many workers, ready.
    pub(crate) async fn start(
        &self,
        profile: Arc<dyn WorkerProfile>,
        workers: usize,
    ) -> Result<Pool> {
        builder(profile, workers)
            .startup_timeout(STARTUP)
            .queue_timeout(STARTUP)
            .start()
            .await
            .with_context(|| self.to_string())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::compare::interpreters::tests::interpreter;

    pub(crate) fn contestant(kind: Kind, version: (u64, u64), free_threaded: bool) -> Contestant {
        Contestant {
            kind,
            interpreter: Arc::new(interpreter(version, free_threaded)),
            index: 0,
        }
    }

    #[test]
    fn each_interpreter_brings_the_profiles_it_can() {
        let interpreters = [
            interpreter((3, 11), false),
            interpreter((3, 14), false),
            interpreter((3, 14), true),
        ];
        let names: Vec<_> = contestants(&interpreters.map(Arc::new))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            names,
            [
                "process on 3.11",
                "process on 3.14",
                "thread on 3.14",
                "interpreter on 3.14",
                "process on 3.14t",
                "thread on 3.14t"
            ]
        );
    }

    #[test]
    fn everybody_gets_the_same_number_of_lanes() {
        let process = contestant(Kind::Process, (3, 14), false);
        let thread = contestant(Kind::Thread, (3, 14), false);
        for lanes in [1, 2, 4, 16, 32, 64] {
            for shape in [process.shape(lanes), thread.shape(lanes)] {
                assert_eq!(shape.workers * shape.lanes, lanes);
            }
        }
        assert_eq!(
            thread.shape(64),
            Shape {
                workers: 4,
                lanes: 16
            }
        );
    }
}
