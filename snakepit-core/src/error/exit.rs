//! How a worker ended, as a report; knows no process.

use std::borrow::Cow;
use std::fmt;

use super::Delivery;

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
    /// Its last lines of output, oldest first; a crash in native code leaves its stack here.
    pub output: Vec<String>,
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
