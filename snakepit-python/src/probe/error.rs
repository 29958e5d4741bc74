//! What may go wrong when an interpreter is asked what it is. Knows not how it is asked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pep440_rs::Version;

/// Why an interpreter did not say what it is. Reads on from its path: "did not answer within 5 s".
#[derive(Clone, Debug)]
pub struct ProbeError {
    path: PathBuf,
    kind: ProbeErrorKind,
    stderr: String,
    remembered: bool,
}

/// The kinds of [`ProbeError`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ProbeErrorKind {
    /// The operating system did not start it.
    Start(Arc<std::io::Error>),
    /// It did not answer in time, and was killed.
    TimedOut(Duration),
    /// It ended, by this exit code or signal, without an answer.
    Exited(String),
    /// It printed something else, or too much.
    Garbage(String),
    /// It is older than this library supports.
    TooOld(Version),
    /// The search was stopped.
    Stopped,
}

impl ProbeError {
    pub(crate) fn new(path: &Path, kind: ProbeErrorKind) -> Self {
        let path = path.to_owned();
        Self {
            path,
            kind,
            stderr: String::new(),
            remembered: false,
        }
    }

    pub(crate) fn with_stderr(mut self, stderr: &[u8]) -> Self {
        String::from_utf8_lossy(stderr)
            .trim()
            .clone_into(&mut self.stderr);
        self
    }

    /// It was not run: this is what it did the last time.
    pub(crate) fn remembered(mut self) -> Self {
        self.remembered = true;
        self
    }

    /// The interpreter.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What happened.
    pub fn kind(&self) -> &ProbeErrorKind {
        &self.kind
    }

    /// The end of what it wrote to standard error.
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            ProbeErrorKind::Start(_) => {
                "is it an interpreter for this machine, and may you run it?"
            }
            ProbeErrorKind::TimedOut(_) => {
                "a `sitecustomize` or `.pth` file may hang: try `python -X importtime -c pass`, and with `-S`"
            }
            ProbeErrorKind::Exited(_) | ProbeErrorKind::Garbage(_) => {
                "is it a Python interpreter? Run it with `-c pass` to see what is wrong"
            }
            ProbeErrorKind::TooOld(_) => "CPython 3.8 or newer is needed",
            ProbeErrorKind::Stopped => "run it again and let it finish",
        }
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ProbeErrorKind::Start(error) => write!(f, "does not start: {error}"),
            ProbeErrorKind::TimedOut(after) => {
                write!(f, "did not say what it is within {} s", after.as_secs_f32())?;
                if self.remembered {
                    f.write_str(" when it was run less than a minute ago")?;
                }
                Ok(())
            }
            ProbeErrorKind::Exited(how) => {
                write!(f, "ended with {how} instead of saying what it is")?;
                match self.stderr.lines().last() {
                    Some(line) => write!(f, " ({})", line.trim()),
                    None => Ok(()),
                }
            }
            ProbeErrorKind::Garbage(what) => {
                write!(f, "answers like no Python interpreter: {what}")
            }
            ProbeErrorKind::TooOld(version) => write!(f, "is {version}, which is too old"),
            ProbeErrorKind::Stopped => f.write_str("was not asked to the end"),
        }
    }
}

impl std::error::Error for ProbeError {}
