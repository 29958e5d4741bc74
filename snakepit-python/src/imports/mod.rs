//! What really happens when a library is imported: each import in a process of its own, whatever becomes of it.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
/// The module is also imported again in a forked process, and in a sub-interpreter where there are such.
///
/// # Blocking
/// Until it is done, at most `limit`, which also bounds each of the further checks by a third.
pub fn import_probe(prober: &Prober, python: &Path, module: &str, limit: Duration) -> ImportReport {
    let mut report = ImportReport::not_tried(module);
    let seconds = format!("{}", limit.as_secs_f64() / 3.0);
    let args = ["-c", SCRIPT, MARKER, module, &seconds];
    match prober.run(python, args, limit) {
        Ok(ran) => fill(&mut report, &ran, limit),
        Err(error) => report.outcome = ImportOutcome::NotTried(error.to_string()),
    }
    report
}

impl ImportReport {
    fn not_tried(module: &str) -> Self {
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
}

fn fill(_report: &mut ImportReport, ran: &Ran, _limit: Duration) {
    let _ = (MARKER, process::describe, ran.ended == Ended::TimedOut);
}
