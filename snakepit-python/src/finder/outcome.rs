//! What a search comes to: the interpreter found, or all that was tried and why not. Knows not how to search.

use std::fmt;
use std::path::{Path, PathBuf};

use pep440_rs::Version;
use serde::Serialize;

use crate::probe::{Probe, ProbeError};
use crate::request::Request;

/// Where an interpreter was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Provenance {
    /// It was named.
    Request,
    /// The variable `SNAKEPIT_PYTHON`.
    SnakepitPython,
    /// The active virtual environment, `VIRTUAL_ENV`.
    VirtualEnv,
    /// The active conda environment, `CONDA_PREFIX`.
    Conda,
    /// `.venv` in the current folder.
    ProjectVenv,
    /// A folder of `PATH`.
    Path,
    /// Installed by uv.
    Uv,
    /// Installed by pyenv.
    Pyenv,
    /// Built by `cargo xtask python`.
    Snakepit,
}

impl Provenance {
    /// Somebody named this one interpreter: another would not be what they want.
    pub(crate) fn is_decisive(self) -> bool {
        matches!(self, Self::Request | Self::SnakepitPython)
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "as asked for",
            Self::SnakepitPython => "from SNAKEPIT_PYTHON",
            Self::VirtualEnv => "from VIRTUAL_ENV",
            Self::Conda => "from CONDA_PREFIX",
            Self::ProjectVenv => "from .venv",
            Self::Path => "in PATH",
            Self::Uv => "installed by uv",
            Self::Pyenv => "installed by pyenv",
            Self::Snakepit => "built by Snakepit",
        })
    }
}

/// An interpreter that will do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Found {
    /// What to run, as an absolute path. Of an interpreter in a virtual environment, the one inside it.
    pub path: PathBuf,
    /// Where it was found.
    pub provenance: Provenance,
    /// What it says of itself; `None` when the request could be met without running anything.
    pub probe: Option<Probe>,
    /// What came before it and would not do.
    pub skipped: Vec<Skipped>,
}

/// A candidate that would not do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Skipped {
    /// The interpreter; only a name when `PATH` has none of that name.
    pub path: PathBuf,
    /// Where it was looked for.
    pub provenance: Provenance,
    /// Why it would not do.
    pub reason: Reason,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            provenance,
            reason,
        } = self;
        write!(f, "`{}` ({provenance}) {reason}", path.display())
    }
}

/// Why a candidate would not do. Reads on from its name: "is not there".
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// There is no such file.
    #[error("is not there")]
    Missing,
    /// It is a file that cannot be run, or a folder without an interpreter.
    #[error("cannot be executed")]
    NotExecutable,
    /// A virtual environment whose base interpreter has gone.
    #[error("belongs to a broken virtual environment: {} is gone", base.display())]
    Broken {
        /// What it needs and is not there.
        base: PathBuf,
    },
    /// Another version was asked for.
    #[error("is {found}")]
    WrongVersion {
        /// What it is.
        found: Version,
    },
    /// A free-threaded build was asked for.
    #[error("is {found} and not free-threaded")]
    NotFreeThreaded {
        /// What it is.
        found: Version,
    },
    /// A version was asked for, without the `t` for a free-threaded build.
    #[error("is {found} and free-threaded")]
    FreeThreaded {
        /// What it is.
        found: Version,
    },
    /// It was run and did not say what it is, or is too old.
    #[error("{0}")]
    Probe(ProbeError),
}

/// Nothing that was found will do.
#[derive(Clone, Debug)]
pub struct NotFound {
    request: Request,
    tried: Vec<Skipped>,
    /// The last one tried ended the search, since no other was wanted.
    decided: bool,
}

impl NotFound {
    pub(super) fn new(request: &Request, tried: Vec<Skipped>, decided: bool) -> Self {
        Self {
            request: request.clone(),
            tried,
            decided,
        }
    }

    /// What was asked for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Everything that was tried, in order, and why it would not do.
    pub fn tried(&self) -> &[Skipped] {
        &self.tried
    }

    /// The candidate whose failure ended the search.
    fn decisive(&self) -> Option<&Skipped> {
        self.tried.last().filter(|_| self.decided)
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        let Some(skipped) = self.decisive() else {
            return self.hint_to_install();
        };
        if let Reason::Broken { .. } = skipped.reason {
            return "make the virtual environment anew: `python3 -m venv --clear` and its folder"
                .to_owned();
        }
        if let Reason::Probe(error) = &skipped.reason {
            return error.hint().to_owned();
        }
        if skipped.provenance == Provenance::SnakepitPython {
            return "set SNAKEPIT_PYTHON to the path of an interpreter, or unset it".to_owned();
        }
        "name an interpreter by its path, by a command in PATH, or by a version: `snakepit python list` shows them"
            .to_owned()
    }

    fn hint_to_install(&self) -> String {
        match &self.request {
            Request::Version(version) => {
                format!(
                    "install one, for example with `{}`; `snakepit python list` shows what is there",
                    version.how_to_install()
                )
            }
            _ => "install CPython 3.8 or newer, or name one with `python` or SNAKEPIT_PYTHON"
                .to_owned(),
        }
    }

    /// The error and everything that was tried, on one line.
    pub fn in_full(&self) -> String {
        if self.decisive().is_some() || self.tried.is_empty() {
            return self.to_string();
        }
        let tried: Vec<String> = self.tried.iter().map(Skipped::to_string).collect();
        format!("{self}: {}", tried.join(", "))
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(skipped) = self.decisive() {
            return skipped.fmt(f);
        }
        match &self.request {
            Request::Any => write!(f, "no Python interpreter found")?,
            request => write!(f, "no Python interpreter is `{request}`")?,
        }
        match self.tried.len() {
            0 => Ok(()),
            tried => write!(f, ", of {tried} tried"),
        }
    }
}

impl std::error::Error for NotFound {}

/// Whether this path and a found interpreter are the same file.
pub(super) fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
