//! What really happens when a library is imported: each import in a process of its own, whatever becomes of it.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::libraries;
use crate::probe::Prober;
use crate::process::{self, Ended, Ran};

const SCRIPT: &str = include_str!("imports.py");
const MARKER: &str = "snakepit-import:";

/// How long an import may take, unless said otherwise. The largest libraries take 10 s from a cold disk.
pub const IMPORT_TIME: Duration = Duration::from_secs(60);

/// What happened when a module was imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// The module.
    pub module: String,
    /// How it ended.
    pub outcome: ImportOutcome,
    /// The module's `__version__`, if it has one.
    pub version: Option<String>,
    /// Whether the GIL was on before the import.
    pub gil_before: Option<bool>,
    /// Whether it was on afterwards.
    pub gil_after: Option<bool>,
    /// What Python said about who turned it on.
    pub gil_warning: Option<String>,
    /// The names of the threads of the operating system that the import started and that are still running.
    pub threads: Vec<String>,
    /// What became of a process forked after the import.
    pub fork: SubCheck,
    /// What became of the import in a sub-interpreter with a GIL of its own.
    pub subinterpreter: SubCheck,
    /// How long the import took, in seconds.
    pub seconds: Option<f64>,
    /// How much memory it took, in KiB of resident set.
    pub memory_kib: Option<i64>,
}

/// How an import ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImportOutcome {
    /// It worked.
    Imported,
    /// It raised this exception.
    Failed(String),
    /// It ended the process: by this exit code or signal.
    Crashed(String),
    /// It took longer than this many seconds and was killed.
    Hung(f64),
    /// It was not tried, or not to the end: the interpreter does not start, or somebody stopped it.
    NotTried(String),
}

/// What became of a check after the import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubCheck {
    /// It works.
    Works,
    /// It fails, this way.
    Fails(String),
    /// It takes longer than it may.
    Hangs,
    /// It was not tried, or cannot be tried there.
    NotTried,
}

/// Imports a module in a process of its own, run by the interpreter `python`, and says what happened. Crashing and hanging
/// are results like others. Nothing of it is left.
///
/// The module is also imported again in a forked process, and, in another process, in a sub-interpreter where there are
/// such. Libraries are held to one thread, as in workers: [`libraries`](crate::libraries).
///
/// # Blocking
/// Until it is done: at most `limit` for the import with the fork, and again for the sub-interpreter.
pub fn import_probe(prober: &Prober, python: &Path, module: &str, limit: Duration) -> ImportReport {
    let mut report = ImportReport::not_tried(module);
    let is_module = |c: char| c.is_alphanumeric() || "_.".contains(c);
    if module.is_empty() || !module.chars().all(is_module) {
        report.outcome = ImportOutcome::NotTried("it is no name of a module".to_owned());
        return report;
    }
    // The child gets less, so that the parent lives to tell.
    let seconds = (limit / 3).as_secs_f64().to_string();
    let run = |what| {
        let args = ["-c", SCRIPT, MARKER, what, module, &seconds];
        prober.run_with(python, args, &libraries::threads("1"), limit)
    };
    match run("import") {
        Ok(ran) => report.fill(&ran, limit),
        Err(error) => report.outcome = ImportOutcome::NotTried(error.to_string()),
    }
    if report.outcome == ImportOutcome::Imported
        && let Ok(ran) = run("subinterpreter")
    {
        report.fill_subinterpreter(&ran);
    }
    report
}

/// One line of the script.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Imported(Imported),
    Failed(String),
    Version(Option<String>),
    Fork(SubCheck),
    Subinterpreter(SubCheck),
}

#[derive(Deserialize)]
struct Imported {
    gil_before: bool,
    gil_after: bool,
    gil_warning: Option<String>,
    threads: Vec<String>,
    seconds: f64,
    memory_kib: i64,
}

fn lines(ran: &Ran) -> Vec<Said> {
    let stdout = String::from_utf8_lossy(&ran.stdout);
    let marked = stdout.lines().filter_map(|line| line.strip_prefix(MARKER));
    marked
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

impl ImportReport {
    pub(crate) fn not_tried(module: &str) -> Self {
        Self {
            module: module.to_owned(),
            outcome: ImportOutcome::NotTried(String::new()),
            version: None,
            gil_before: None,
            gil_after: None,
            gil_warning: None,
            threads: Vec::new(),
            fork: SubCheck::NotTried,
            subinterpreter: SubCheck::NotTried,
            seconds: None,
            memory_kib: None,
        }
    }

    /// Whether the import turned the GIL on.
    pub fn turned_gil_on(&self) -> bool {
        self.gil_before == Some(false) && self.gil_after == Some(true)
    }

    fn fill(&mut self, ran: &Ran, limit: Duration) {
        self.outcome = match ran.ended {
            Ended::ByItself(status) => ImportOutcome::Crashed(process::describe(status)),
            Ended::TimedOut => ImportOutcome::Hung(limit.as_secs_f64()),
            Ended::TooMuchOutput => ImportOutcome::Crashed("it prints without end".to_owned()),
            Ended::Stopped => ImportOutcome::NotTried("it was stopped".to_owned()),
        };
        // What ended the process before the fork was checked is what the fork did.
        self.fork = unfinished(ran.ended);
        for said in lines(ran) {
            match said {
                Said::Imported(facts) => {
                    self.outcome = ImportOutcome::Imported;
                    self.gil_before = Some(facts.gil_before);
                    self.gil_after = Some(facts.gil_after);
                    self.gil_warning = facts.gil_warning;
                    self.threads = facts.threads;
                    self.seconds = Some(facts.seconds);
                    self.memory_kib = Some(facts.memory_kib);
                }
                Said::Failed(error) => self.outcome = ImportOutcome::Failed(error),
                Said::Version(version) => self.version = version,
                Said::Fork(check) => self.fork = check,
                Said::Subinterpreter(_) => {}
            }
        }
        if self.outcome != ImportOutcome::Imported {
            self.fork = SubCheck::NotTried;
        }
    }

    fn fill_subinterpreter(&mut self, ran: &Ran) {
        let answer = lines(ran).into_iter().find_map(|said| match said {
            Said::Subinterpreter(check) => Some(check),
            _ => None,
        });
        self.subinterpreter = answer.unwrap_or_else(|| unfinished(ran.ended));
    }
}

/// What a check came to that ended without a word.
fn unfinished(ended: Ended) -> SubCheck {
    match ended {
        // It has nothing to say where there is nothing to try.
        Ended::ByItself(status) if status.success() => SubCheck::NotTried,
        Ended::ByItself(status) => SubCheck::Fails(process::describe(status)),
        Ended::TimedOut => SubCheck::Hangs,
        Ended::TooMuchOutput => SubCheck::Fails("it prints without end".to_owned()),
        Ended::Stopped => SubCheck::NotTried,
    }
}
