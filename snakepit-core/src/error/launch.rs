//! What keeps a worker from becoming ready, and whether trying again can help; knows no process.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::{ExitStatus, RemoteException};

/// A worker that did not become ready. `Debug` shows all there is to know, for people.
#[derive(Clone, Error)]
#[error("{kind}")]
#[non_exhaustive]
pub struct LaunchError {
    /// What went wrong.
    pub kind: LaunchErrorKind,
    /// What to do about it.
    pub hint: Option<String>,
    /// The last lines of output, oldest first.
    pub output: Vec<String>,
}

/// What kept a worker from becoming ready.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LaunchErrorKind {
    /// No usable interpreter.
    #[error("interpreter: {0}")]
    Interpreter(String),
    /// The operating system would not start the process.
    #[error("cannot start `{program}`: {source}")]
    Spawn {
        /// What was to be started.
        program: String,
        /// The system's answer.
        source: Arc<std::io::Error>,
    },
    /// The adapter is not there, does not import, or offers nothing.
    #[error("adapter `{adapter}`: {error}")]
    Adapter {
        /// The adapter as configured.
        adapter: String,
        /// What Python said.
        error: Box<RemoteException>,
    },
    /// The adapter's setup raised in the worker.
    #[error("setup of adapter `{adapter}`: {error}")]
    Setup {
        /// The adapter as configured.
        adapter: String,
        /// What Python said.
        error: Box<RemoteException>,
    },
    /// It is well, but not what the pool was told to insist on.
    #[error("refused by `{policy}`: {message}")]
    Refused {
        /// The setting that refuses it, such as `gil: require_off`.
        policy: Cow<'static, str>,
        /// What it is instead.
        message: String,
    },
    /// It did not become ready in time.
    #[error("not ready within {after:?} ({stage})")]
    TimedOut {
        /// What it was doing.
        stage: &'static str,
        /// `startup_timeout`.
        after: Duration,
    },
    /// It ended before it was ready.
    #[error("ended before it was ready ({stage}): {status}")]
    Exited {
        /// What it was doing.
        stage: &'static str,
        /// How it ended.
        status: ExitStatus,
    },
    /// It speaks another protocol, or none.
    #[error("broke the protocol: {0}")]
    Protocol(String),
    /// Anything a profile of your own wants to say.
    #[error("{message}")]
    Other {
        /// What happened.
        message: String,
        /// Whether trying again is pointless.
        permanent: bool,
    },
}

impl LaunchError {
    /// An error without hint or output.
    pub fn new(kind: LaunchErrorKind) -> Self {
        Self {
            kind,
            hint: None,
            output: Vec::new(),
        }
    }

    /// With a suggestion.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the last lines of output.
    pub fn with_output(mut self, output: Vec<String>) -> Self {
        self.output = output;
        self
    }

    /// Whether trying again is pointless until someone changes something: such an error stops a pool instead of making
    /// it start workers for ever.
    pub fn is_permanent(&self) -> bool {
        match &self.kind {
            LaunchErrorKind::Interpreter(_)
            | LaunchErrorKind::Adapter { .. }
            | LaunchErrorKind::Refused { .. }
            | LaunchErrorKind::Protocol(_) => true,
            LaunchErrorKind::Spawn { source, .. } => {
                matches!(
                    source.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
                )
            }
            LaunchErrorKind::Other { permanent, .. } => *permanent,
            LaunchErrorKind::Setup { .. }
            | LaunchErrorKind::TimedOut { .. }
            | LaunchErrorKind::Exited { .. } => false,
        }
    }

    /// A stable code for logs, metrics and other languages.
    pub fn code(&self) -> &'static str {
        match &self.kind {
            LaunchErrorKind::Interpreter(_) => "launch.interpreter",
            LaunchErrorKind::Spawn { .. } => "launch.spawn",
            LaunchErrorKind::Adapter { .. } => "launch.adapter",
            LaunchErrorKind::Setup { .. } => "launch.setup",
            LaunchErrorKind::Refused { .. } => "launch.refused",
            LaunchErrorKind::TimedOut { .. } => "launch.timeout",
            LaunchErrorKind::Exited { .. } => "launch.exited",
            LaunchErrorKind::Protocol(_) => "launch.protocol",
            LaunchErrorKind::Other { .. } => "launch.other",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        self.hint.clone().map(Cow::Owned)
    }

    /// The Python exception behind it, if one is.
    pub fn exception(&self) -> Option<&RemoteException> {
        match &self.kind {
            LaunchErrorKind::Adapter { error, .. } | LaunchErrorKind::Setup { error, .. } => {
                Some(error)
            }
            _ => None,
        }
    }
}
