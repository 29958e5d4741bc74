//! What an adapter's file says without being run: what it imports, and whether it declares itself thread-safe.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::matrix::Matrix;
use crate::probe::Prober;
use crate::process::{self, Ended};

const SCRIPT: &str = include_str!("scan.py");
const MARKER: &str = "snakepit-scan:";
const TIME_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// What an adapter's file says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdapterFacts {
    /// The libraries it imports, wherever in the file: the first part of their modules' names, or as much of it as the
    /// [`Matrix`] knows a library by (`google.protobuf`). Without those of the standard library and those beside it.
    pub imports: Vec<String>,
    /// The modules beside it that it imports, which were not looked into.
    #[serde(default)]
    pub local_imports: Vec<String>,
    /// What its `__thread_safe__` says; `None` if it does not say.
    pub thread_safe: Option<bool>,
}

/// Why an adapter's file could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// There is no such file. A module that is installed elsewhere is not looked for.
    #[error("no file of the adapter `{0}` was found")]
    NoFile(String),
    /// It is no Python, or not of that version.
    #[error("{0}")]
    Syntax(String),
    /// The interpreter did not read it.
    #[error("`{}` did not read the adapter: {problem}", python.display())]
    Interpreter {
        /// The interpreter.
        python: PathBuf,
        /// What it did instead.
        problem: String,
    },
}

impl ScanError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoFile(_) => "name the adapter by the path of its file",
            Self::Syntax(_) => {
                "run the file with that interpreter to see what it does not understand"
            }
            Self::Interpreter { .. } => "see what the interpreter is with `snakepit python probe`",
        }
    }
}

/// Reads the file of an adapter, named as in a configuration: `path/file.py`, `path/file.py:Class` or
/// `package.module[:Class]`. Paths and packages start from `folder`. Nothing of it is run.
///
/// # Errors
/// [`ScanError`]: there is no such file, or the interpreter `python` cannot parse it.
///
/// # Blocking
/// Runs the interpreter once, about 20 ms.
pub fn scan(
    prober: &Prober,
    python: &Path,
    adapter: &str,
    folder: &Path,
) -> Result<AdapterFacts, ScanError> {
    let (place, class) = split(adapter);
    let file = file_of(place, folder).ok_or_else(|| ScanError::NoFile(adapter.to_owned()))?;
    let file = file.display().to_string();
    run(prober, python, &[&file, class])
}

/// What modules are to a pool that lists them: imports of an adapter that declares nothing. Those that lie in one of
/// `folders` are local. Nothing of them is run.
///
/// # Errors
/// [`ScanError::Interpreter`].
///
/// # Blocking
/// As [`scan`].
pub(crate) fn scan_modules(
    prober: &Prober,
    python: &Path,
    modules: &[String],
    folders: &[PathBuf],
) -> Result<AdapterFacts, ScanError> {
    let is_local = |name: &&str| folders.iter().any(|folder| file_of(name, folder).is_some());
    let (local, installed): (BTreeSet<&str>, BTreeSet<&str>) =
        modules.iter().map(String::as_str).partition(is_local);
    let about: Vec<&str> = ["", ""].into_iter().chain(installed).collect();
    let mut facts = run(prober, python, &about)?;
    facts.local_imports = local.into_iter().map(str::to_owned).collect();
    Ok(facts)
}

/// Runs the script, and reads what it answers.
fn run(prober: &Prober, python: &Path, about: &[&str]) -> Result<AdapterFacts, ScanError> {
    let failed = |problem: String| ScanError::Interpreter {
        python: python.to_owned(),
        problem,
    };
    let args = ["-I", "-S", "-c", SCRIPT, MARKER].into_iter();
    let ran = prober
        .run(python, args.chain(about.iter().copied()), TIME_LIMIT)
        .map_err(|error| failed(error.to_string()))?;
    let stdout = String::from_utf8_lossy(&ran.stdout);
    let Some(answer) = stdout.lines().find_map(|line| line.strip_prefix(MARKER)) else {
        return Err(failed(match ran.ended {
            Ended::ByItself(status) => {
                let stderr = String::from_utf8_lossy(&ran.stderr);
                let last = stderr.lines().last().unwrap_or_default();
                format!("{} {last}", process::describe(status))
                    .trim()
                    .to_owned()
            }
            Ended::TimedOut => format!("it took longer than {} s", TIME_LIMIT.as_secs()),
            Ended::TooMuchOutput => "it prints without end".to_owned(),
            Ended::Stopped => "it was stopped".to_owned(),
        }));
    };
    match serde_json::from_str(answer) {
        Ok(Answer::Facts(facts)) => Ok(facts.by_library()),
        Ok(Answer::Error(message)) => Err(ScanError::Syntax(message)),
        Err(error) => Err(failed(error.to_string())),
    }
}

impl AdapterFacts {
    /// With libraries instead of all their modules.
    fn by_library(mut self) -> Self {
        let matrix = Matrix::builtin();
        let libraries = self.imports.iter().map(|name| matrix.import_of(name));
        let libraries: BTreeSet<String> = libraries.map(str::to_owned).collect();
        self.imports = libraries.into_iter().collect();
        self
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Facts(AdapterFacts),
    Error(String),
}

/// The place of an adapter and its class, which may be empty.
fn split(adapter: &str) -> (&str, &str) {
    match adapter.rsplit_once(':') {
        Some((place, class)) if !class.contains('/') => (place, class),
        _ => (adapter, ""),
    }
}

/// Whether an adapter is named by a path, and not by the name of a module.
pub fn names_a_file(adapter: &str) -> bool {
    let (place, _class) = split(adapter);
    let kind = Path::new(place).extension();
    place.contains('/') || kind.is_some_and(|kind| kind == "py")
}

fn file_of(place: &str, folder: &Path) -> Option<PathBuf> {
    let candidates = if names_a_file(place) {
        vec![folder.join(place)]
    } else {
        let module = folder.join(place.replace('.', "/"));
        vec![module.with_extension("py"), module.join("__init__.py")]
    };
    candidates.into_iter().find(|file| file.is_file())
}
