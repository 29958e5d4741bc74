//! Asks an interpreter what it is, by running it once. Knows no request and no search.

mod cache;
mod cpu;
mod error;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pep440_rs::Version;
use serde::{Deserialize, Serialize};

pub use cpu::Cpu;
pub use error::{ProbeError, ProbeErrorKind};

use cache::{Answer, Cache};

use crate::environment::Environment;
use crate::matrix::Matrix;
use crate::process::{self, Ended, Ran, Stop};

const SCRIPT: &str = include_str!("probe.py");
/// Stands before the answer; a `sitecustomize` may print things of its own.
const MARKER: &str = "snakepit-probe:";
/// An interpreter starts in 10 to 100 ms; this is for one on a cold disk of a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// What an interpreter says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that do not depend on each other"
)]
pub struct Probe {
    /// Its version, such as 3.14.2 or 3.15.0rc1.
    pub version: Version,
    /// `CPython`, `PyPy` and so on.
    pub implementation: String,
    /// Built without the need for a GIL. Whether there is one now is another question.
    pub free_threaded_build: bool,
    /// Whether the GIL is on, before anything was imported that may turn it on.
    pub gil_enabled: bool,
    /// Whether the standard library runs code in sub-interpreters with a GIL of their own (3.14 and newer).
    pub subinterpreters: bool,
    /// The interpreter's file, past any shim.
    pub executable: PathBuf,
    /// The folder of its installation or virtual environment.
    pub prefix: PathBuf,
    /// The folder of the installation it was made from; the same when it is not in a virtual environment.
    pub base_prefix: PathBuf,
    /// Whether it is in a virtual environment.
    pub virtual_environment: bool,
    /// The C library it runs on, if that can be told.
    pub libc: Option<Libc>,
    /// The CPUs it may use.
    #[serde(default = "Cpu::of_this_process")]
    pub cpu: Cpu,
    /// The libraries of the [`Matrix`] that are installed there, by the name of their distribution, and their versions.
    pub libraries: BTreeMap<String, String>,
    /// The folders it imports from.
    pub import_folders: Vec<PathBuf>,
    /// The folders it would import from if they were there, such as the user's own.
    #[serde(default)]
    pub absent_folders: Vec<PathBuf>,
}

/// A C library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Libc {
    /// `glibc`, `musl`.
    pub name: String,
    /// Its version; empty when it does not say.
    pub version: String,
}

/// Runs interpreters to ask what they are.
#[derive(Clone, Debug)]
pub struct Prober {
    environment: Environment,
    time_limit: Duration,
    stop: Option<Stop>,
    cache: Option<Cache>,
}

impl Prober {
    /// Runs them with the variables of this environment, and no longer than 5 s each.
    pub fn new(environment: Environment) -> Self {
        let cache = Cache::of(&environment);
        Self {
            environment,
            time_limit: TIME_LIMIT,
            stop: None,
            cache,
        }
    }

    /// As this process would run them.
    pub fn of_this_process() -> Self {
        Self::new(Environment::of_this_process())
    }

    /// Kills an interpreter that takes longer.
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Kills the interpreter that is running when `stop` says so.
    pub fn with_stop(mut self, stop: Stop) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Forgets, and remembers nothing.
    pub fn without_cache(mut self) -> Self {
        self.cache = None;
        self
    }

    /// Runs the interpreter once and returns what it says of itself.
    ///
    /// It is run with the variables a worker would get, `PYTHONPATH` and `sitecustomize` included, in a process group of
    /// its own; nothing of it is left afterwards.
    ///
    /// # Errors
    /// [`ProbeError`]: it does not start, hangs, crashes, prints something else, or is older than Python 3.8.
    ///
    /// # Blocking
    /// Until it has answered, at most the time limit.
    pub fn probe(&self, path: impl AsRef<Path>) -> Result<Probe, ProbeError> {
        let path = path.as_ref();
        new_enough(path, self.ask(path)?)
    }

    /// As [`probe`](Self::probe), or what it said the last time if nothing it depends on has changed since: the
    /// interpreter's file, and the folders it imports from (so that installing a library counts).
    ///
    /// One that hung is not run again for a minute, unless it now gets more time or was changed: many things ask for every
    /// interpreter there is, and none should wait for the same one again.
    ///
    /// Answers are kept in `$XDG_CACHE_HOME/snakepit/probes`; without a place to keep them everything is asked again.
    /// What scripts that only stand for an interpreter say (pyenv's shims) is not kept: it depends on where one is.
    ///
    /// # Errors
    /// As [`probe`](Self::probe).
    ///
    /// # Blocking
    /// As [`probe`](Self::probe); well under a millisecond when nothing has changed.
    pub fn probe_cached(&self, path: impl AsRef<Path>) -> Result<Probe, ProbeError> {
        let path = path.as_ref();
        let Some(cache) = &self.cache else {
            return self.probe(path);
        };
        let question = cache::question(path, &self.environment, &asked());
        match cache.get(&question) {
            Some(Answer::Said(probe)) => {
                let cpu = Cpu::of_this_process();
                return new_enough(path, Probe { cpu, ..*probe });
            }
            Some(Answer::Hung(limit)) if limit >= self.time_limit => {
                return Err(ProbeError::new(path, ProbeErrorKind::TimedOut(limit)).remembered());
            }
            Some(Answer::Hung(_)) | None => {}
        }
        let asked = self.ask(path);
        match &asked {
            Ok(probe) if is_itself(path, probe) => {
                cache.put(question, path, Answer::Said(Box::new(probe.clone())));
            }
            Err(error) if matches!(error.kind(), ProbeErrorKind::TimedOut(_)) => {
                cache.put(question, path, Answer::Hung(self.time_limit));
            }
            _ => {}
        }
        new_enough(path, asked?)
    }

    /// What an interpreter of whatever age says of itself.
    fn ask(&self, path: &Path) -> Result<Probe, ProbeError> {
        let error = |kind| ProbeError::new(path, kind);
        let names = Matrix::builtin().distributions();
        let args = ["-c", SCRIPT, MARKER].into_iter().chain(names);
        let ran = self
            .run(path, args, self.time_limit)
            .map_err(|cause| error(ProbeErrorKind::Start(Arc::new(cause))))?;
        read(&ran, self.time_limit).map_err(|kind| error(kind).with_stderr(&ran.stderr))
    }

    /// Runs an interpreter within bounds.
    pub(crate) fn run<'a>(
        &self,
        path: &Path,
        args: impl IntoIterator<Item = &'a str>,
        limit: Duration,
    ) -> std::io::Result<Ran> {
        self.run_with(path, args, &[], limit)
    }

    /// As [`run`](Self::run), with further variables unless they are set.
    pub(crate) fn run_with<'a>(
        &self,
        path: &Path,
        args: impl IntoIterator<Item = &'a str>,
        presets: &[(&str, &str)],
        limit: Duration,
    ) -> std::io::Result<Ran> {
        let folder = self.environment.folder();
        let mut command = Command::new(folder.join(path));
        command
            .args(args)
            .env_clear()
            .envs(presets.iter().copied())
            .envs(self.environment.variables());
        if !folder.as_os_str().is_empty() {
            command.current_dir(folder);
        }
        process::run(&mut command, limit, self.stop.as_ref())
    }
}

/// Whether the interpreter is the file that was run, and not another that it led to.
fn is_itself(path: &Path, probe: &Probe) -> bool {
    matches!(
        (path.canonicalize(), probe.executable.canonicalize()),
        (Ok(one), Ok(other)) if one == other
    )
}

fn read(ran: &Ran, limit: Duration) -> Result<Probe, ProbeErrorKind> {
    let status = match ran.ended {
        Ended::ByItself(status) => status,
        Ended::TimedOut => return Err(ProbeErrorKind::TimedOut(limit)),
        Ended::Stopped => return Err(ProbeErrorKind::Stopped),
        Ended::TooMuchOutput => {
            return Err(ProbeErrorKind::Garbage("it prints without end".to_owned()));
        }
    };
    let stdout = String::from_utf8_lossy(&ran.stdout);
    let Some(answer) = stdout
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(MARKER))
    else {
        if status.success() {
            return Err(ProbeErrorKind::Garbage(excerpt(&stdout)));
        }
        return Err(ProbeErrorKind::Exited(process::describe(status)));
    };
    serde_json::from_str(answer)
        .map_err(|error| ProbeErrorKind::Garbage(format!("{error} in {}", excerpt(answer))))
}

fn new_enough(path: &Path, probe: Probe) -> Result<Probe, ProbeError> {
    if *probe.version.release() < [3, 8][..] {
        return Err(ProbeError::new(path, ProbeErrorKind::TooOld(probe.version)));
    }
    Ok(probe)
}

/// All that is asked: an answer to another question is none.
fn asked() -> String {
    let names = Matrix::builtin().distributions();
    [SCRIPT]
        .into_iter()
        .chain(names)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The beginning of what was printed, on one line.
fn excerpt(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return "it prints nothing".to_owned();
    }
    let start: String = text.chars().take(60).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    format!("it prints {:?}", start + more)
}
