//! How a worker ended, as a report; knows no process.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Delivery;
use crate::ids::CallId;

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExitReport {
    /// The worker, as `pool/number`.
    pub worker: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// Why Snakepit ended it, if it did.
    pub reason: Option<String>,
    /// Its last lines of output, oldest first, at most 40.
    pub output: Vec<String>,
    /// Where its threads were when it died or was found stuck, as its runtime wrote it, line by line.
    pub stacks: Vec<String>,
    /// What shows that memory was the cause, if something does: one fragment.
    pub memory: Option<String>,
    /// How long it had been ready; `None` if it never was.
    pub age: Option<Duration>,
    /// Calls it had finished.
    pub served: u64,
    /// The call this report answers, if it answers one.
    pub call: Option<LostCall>,
    /// Whether the call this report answers may have run.
    pub delivery: Delivery,
}

impl ExitReport {
    /// A report on a worker that ended on its own.
    pub fn new(worker: impl Into<String>, status: ExitStatus) -> Self {
        Self {
            worker: worker.into(),
            status,
            reason: None,
            output: Vec::new(),
            stacks: Vec::new(),
            memory: None,
            age: None,
            served: 0,
            call: None,
            delivery: Delivery::MaybeExecuted,
        }
    }

    /// With the reason Snakepit had to end it.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// With its last lines of output.
    pub fn with_output(mut self, output: Vec<String>) -> Self {
        self.output = output;
        self
    }

    /// With the stacks of its threads.
    pub fn with_stacks(mut self, stacks: Vec<String>) -> Self {
        self.stacks = stacks;
        self
    }

    /// With what shows that memory was the cause.
    pub fn with_memory(mut self, evidence: impl Into<String>) -> Self {
        self.memory = Some(evidence.into());
        self
    }

    /// For a call that never reached the worker.
    pub fn not_sent(mut self) -> Self {
        self.delivery = Delivery::NotSent;
        self
    }

    /// One fragment: our own reason first, else the status.
    pub fn cause(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{reason} ({})", self.status),
            None => self.status.to_string(),
        }
    }

    pub(super) fn hint(&self) -> Option<Cow<'static, str>> {
        let text = match self.status {
            ExitStatus::Code(code) => {
                return Some(
                    format!("code in the worker ended the process (`os._exit({code})` or native code); return or raise instead")
                        .into(),
                );
            }
            ExitStatus::Signal(9) => {
                "the process was killed from outside: look for the kernel's out-of-memory killer, or an operator"
            }
            ExitStatus::Signal(4 | 6 | 7 | 8 | 11) => {
                "native code crashed: the stack is in the worker's last output; recursion without end looks the same"
            }
            _ => return None,
        };
        Some(text.into())
    }
}

/// A call that a worker's death took along.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostCall {
    /// The call.
    pub id: CallId,
    /// Its command.
    pub command: Arc<str>,
}

impl LostCall {
    /// Names a call.
    pub fn new(id: CallId, command: Arc<str>) -> Self {
        Self { id, command }
    }
}

/// An exit code or a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExitStatus {
    /// It exited.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It is gone, and nobody could say how.
    Unknown,
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Code(code) => return write!(f, "exit code {code}"),
            Self::Unknown => return f.write_str("unknown exit status"),
            Self::Signal(number) => match number {
                1 => "SIGHUP",
                2 => "SIGINT",
                3 => "SIGQUIT",
                4 => "SIGILL",
                6 => "SIGABRT",
                7 => "SIGBUS",
                8 => "SIGFPE",
                9 => "SIGKILL",
                11 => "SIGSEGV",
                13 => "SIGPIPE",
                15 => "SIGTERM",
                24 => "SIGXCPU",
                31 => "SIGSYS",
                other => return write!(f, "signal {other}"),
            },
        };
        f.write_str(name)
    }
}
