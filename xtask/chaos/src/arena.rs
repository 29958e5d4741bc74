//! The pools of a run, one of each profile, with what is known of each; must not know what is done to them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use snakepit_core::{Limits, Pool, PoolSettings, WorkerProfile};
use snakepit_lifecycle::{Hang, HardMemory, MaxRequests, Sampler};
use snakepit_profiles::{InterpreterProfile, ProcessProfile, SpawnMode, ThreadProfile};
use tempfile::TempDir;

use crate::history::History;
use crate::ledger::{Ledger, POISON};
use crate::proc::{POOL, RUN};

/// Calls that may wait.
pub(crate) const QUEUE: usize = 64;
/// Of a worker; a memory bomb takes more.
const HARD_MEMORY: u64 = 192 << 20;
/// How long a worker may be silent without doing anything.
const HANG: Duration = Duration::from_secs(2);
/// So few that workers are recycled all along.
const MAX_REQUESTS: u64 = 300;

/// The interpreters there are.
#[derive(Clone, Debug)]
pub(crate) struct Interpreters {
    /// Any.
    pub(crate) python: PathBuf,
    /// A free-threaded one, for threads that run at once.
    pub(crate) free_threaded: Option<PathBuf>,
    /// An ordinary 3.14 or newer, for the interpreter profile.
    pub(crate) isolating: Option<PathBuf>,
}

/// All pools.
#[derive(Debug)]
pub(crate) struct Arena {
    /// The mark of this run's processes.
    pub(crate) run: String,
    pub(crate) grounds: Vec<Arc<Ground>>,
    pub(crate) history: Arc<History>,
    _folder: TempDir,
}

/// One pool, and what is known of it.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) index: usize,
    pub(crate) pool: Pool,
    pub(crate) shape: Shape,
    pub(crate) ledger: Ledger,
    pub(crate) history: Arc<History>,
    /// A file `kind.number` here is an order for one fault.
    pub(crate) faults: PathBuf,
    pub(crate) tally: Mutex<Tally>,
    /// Whether the pool is being ended, and calls with it.
    pub(crate) ends: AtomicBool,
}

/// How a pool is made up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) workers: usize,
    /// Of each worker.
    pub(crate) lanes: u16,
    kind: Profile,
    /// Whether its commands can start processes.
    pub(crate) children: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    Forked,
    Executed,
    Thread,
    FreeThread,
    Interpreter,
}

const SHAPES: [Shape; 5] = [
    Shape {
        name: "forked",
        workers: 3,
        lanes: 1,
        kind: Profile::Forked,
        children: true,
    },
    Shape {
        name: "executed",
        workers: 2,
        lanes: 1,
        kind: Profile::Executed,
        children: true,
    },
    Shape {
        name: "thread",
        workers: 2,
        lanes: 3,
        kind: Profile::Thread,
        children: true,
    },
    Shape {
        name: "thread-t",
        workers: 2,
        lanes: 3,
        kind: Profile::FreeThread,
        children: true,
    },
    Shape {
        name: "interpreter",
        workers: 2,
        lanes: 2,
        kind: Profile::Interpreter,
        // The interpreters of its lanes may not fork.
        children: false,
    },
];

/// How the calls of a pool ended.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// By the code of the error, or in words.
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// The most a call was over its time.
    pub(crate) latest: Duration,
}

impl Shape {
    /// With the interpreter it needs, if that is there.
    fn python(self, interpreters: &Interpreters) -> Option<&Path> {
        match self.kind {
            Profile::Forked | Profile::Executed | Profile::Thread => Some(&interpreters.python),
            Profile::FreeThread => interpreters.free_threaded.as_deref(),
            Profile::Interpreter => interpreters.isolating.as_deref(),
        }
    }

    fn profile(self, python: &Path, env: &[(&str, String)]) -> Arc<dyn WorkerProfile> {
        let adapter = here().join("adapters/chaos.py").display().to_string();
        // A macro, because the builders of the profiles are of different types.
        macro_rules! described {
            ($profile:ident) => {
                env.iter().fold(
                    $profile::builder(adapter).python(python.display().to_string()),
                    |builder, (name, value)| builder.env(*name, value.clone()),
                )
            };
        }
        match self.kind {
            Profile::Forked => {
                Arc::new(described!(ProcessProfile).spawn(SpawnMode::Zygote).build())
            }
            Profile::Executed => {
                Arc::new(described!(ProcessProfile).spawn(SpawnMode::Exec).build())
            }
            Profile::Thread | Profile::FreeThread => Arc::new(
                described!(ThreadProfile)
                    .threads_per_worker(self.lanes)
                    .build(),
            ),
            Profile::Interpreter => Arc::new(
                described!(InterpreterProfile)
                    .threads_per_worker(self.lanes)
                    .build(),
            ),
        }
    }
}

/// Everything short, so that much happens in a minute.
fn settings(shape: Shape) -> PoolSettings {
    PoolSettings {
        size: shape.workers,
        queue_size: QUEUE,
        queue_timeout: Duration::from_secs(1),
        request_timeout: Duration::from_secs(3),
        startup_timeout: Duration::from_secs(10),
        cancel_grace: Duration::from_millis(200),
        quarantine_grace: Duration::from_secs(1),
        stop_grace: Duration::from_secs(1),
        session_drain: Duration::from_secs(1),
        // We kill far more than any pool should put up with.
        restart_budget: Some(u32::MAX),
        poison_threshold: POISON.into(),
        limits: Limits {
            hard_memory: Some(HARD_MEMORY),
            ..Limits::default()
        },
        ..PoolSettings::default()
    }
}

impl Arena {
    /// Starts all pools for which there are interpreters.
    pub(crate) async fn open(interpreters: &Interpreters) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let run = format!("{}-{}", std::process::id(), folder.path().display());
        let history = Arc::new(History::new());
        let sampler = Arc::new(Sampler::new());
        let mut grounds = Vec::new();
        for shape in SHAPES {
            let Some(python) = shape.python(interpreters) else {
                continue;
            };
            let faults = folder.path().join(shape.name);
            std::fs::create_dir(&faults)?;
            let journal = folder.path().join(format!("{}.journal", shape.name));
            let env = [
                (RUN, run.clone()),
                (POOL, shape.name.to_owned()),
                ("SNAKEPIT_CHAOS_FAULTS", faults.display().to_string()),
                ("SNAKEPIT_CHAOS_JOURNAL", journal.display().to_string()),
            ];
            let index = grounds.len();
            let ledger = Ledger::new(index, &journal)?;
            let pool = Pool::builder(shape.name, shape.profile(python, &env))
                .settings(settings(shape))
                .policy(Hang::new(HANG))
                .policy(HardMemory::new(HARD_MEMORY))
                .policy(MaxRequests::new(MAX_REQUESTS))
                .meter(sampler.clone())
                .event_sink(history.clone())
                .start()
                .await
                .with_context(|| format!("the pool `{}` does not start", shape.name))?;
            grounds.push(Arc::new(Ground {
                index,
                pool,
                shape,
                ledger,
                history: Arc::clone(&history),
                faults,
                tally: Mutex::default(),
                ends: AtomicBool::new(false),
            }));
        }
        Ok(Self {
            run,
            grounds,
            history,
            _folder: folder,
        })
    }
}

impl Ground {
    /// The processes of the workers that serve.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let snapshot = self.pool.snapshot();
        let serving = snapshot
            .workers
            .iter()
            .filter(|worker| matches!(worker.state, "ready" | "due"));
        serving.filter_map(|worker| worker.process).collect()
    }

    /// Something that must not be.
    pub(crate) fn fault(&self, fault: impl std::fmt::Display) {
        self.history.fault(format!("{}: {fault}", self.shape.name));
    }

    /// Remembers what we did.
    pub(crate) fn did(&self, deed: impl std::fmt::Display) {
        self.history.did(format!("{}: {deed}", self.shape.name));
    }
}

/// The folder of this crate. Cargo says where it is now; where it was compiled may be another clone with the same target
/// directory.
fn here() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}
