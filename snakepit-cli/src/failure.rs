//! Everything a command can end with besides success: its exit code and how it is shown.

mod show;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use snakepit_core::error::{Rejection, RemoteKind};
use snakepit_core::{Args, CallError, ConfigReport, LaunchError, StartError};
use snakepit_python::NotFound;

use crate::ending::Left;
use crate::exit::Exit;
use crate::input;
use crate::logs::Shown;

/// Why a command did not do what it was asked to do.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    Usage {
        message: String,
        hint: Option<String>,
    },
    /// The configuration file is wrong.
    Config(ConfigReport),
    /// The flags do not make a configuration; the text of the report is not the user's.
    Flags(ConfigReport),
    /// Workers did not start.
    Start(StartError),
    /// The call failed. The hint is about how it was written, and comes before that of the error.
    Call {
        command: String,
        error: CallError,
        hint: Option<Box<str>>,
    },
    /// There is no such interpreter, or it does not answer.
    Interpreter(NotFound),
    /// What was to be checked is not safe.
    Unsafe(String),
    /// The code that replaces what runs cannot be started.
    Reload(Arc<LaunchError>),
    /// A file that would be written is there already.
    Exists(PathBuf),
    /// A file cannot be written.
    File { path: PathBuf, error: io::Error },
    /// Standard output cannot be written to.
    Output(io::Error),
    /// The operating system refused something a program cannot do without.
    System(io::Error),
    /// A signal ended it, and this was ended by force.
    Interrupted { signal: u8, left: Vec<Left> },
    /// One of the above, all of which the user has been shown.
    Told(Box<Failure>),
    /// One of the above, and what the user has been shown before.
    After { failure: Box<Failure>, shown: Shown },
}

impl Failure {
    /// A mistake on the command line.
    pub(crate) fn usage(message: impl Into<String>, hint: Option<String>) -> Self {
        Self::Usage {
            message: message.into(),
            hint,
        }
    }

    /// The failure of a call with these arguments.
    pub(crate) fn call(command: &str, args: &Args, error: CallError) -> Self {
        let hint = input::misread(args, &error).map(String::into_boxed_str);
        Self::Call {
            command: command.to_owned(),
            error,
            hint,
        }
    }

    /// A signal ended it before anything ran.
    pub(crate) fn interrupted(signal: u8) -> Self {
        let left = Vec::new();
        Self::Interrupted { signal, left }
    }

    /// With what the user has been shown before.
    pub(crate) fn after(self, shown: Shown) -> Self {
        Self::After {
            failure: Box::new(self),
            shown,
        }
    }

    /// The exit code; the table is in [`crate::exit`].
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Start(StartError::Launch { .. }) | Self::Reload(_) | Self::Interpreter(_) => {
                Exit::Lost
            }
            // The command ran: a script must not take it for one that did not.
            Self::Unsafe(_) | Self::Output(_) => Exit::Raised,
            Self::Call { error, .. } => exit_of_call(error),
            Self::Interrupted { signal, .. } => Exit::Signal(*signal),
            Self::Told(failure) | Self::After { failure, .. } => failure.exit(),
            Self::Usage { .. }
            | Self::Config(_)
            | Self::Flags(_)
            | Self::Start(_)
            | Self::Exists(_)
            | Self::File { .. }
            | Self::System(_) => Exit::Usage,
        }
    }
}

fn exit_of_call(error: &CallError) -> Exit {
    match error {
        CallError::Remote(remote) => match remote.kind {
            RemoteKind::UnknownCommand
            | RemoteKind::BadArguments
            | RemoteKind::ExpiredRef
            | RemoteKind::NotKept => Exit::Usage,
            RemoteKind::Expired => Exit::Late,
            _ => Exit::Raised,
        },
        CallError::Encode { .. } | CallError::Ref(_) => Exit::Usage,
        CallError::Decode { .. } => Exit::Raised,
        CallError::Rejected {
            reason: Rejection::Unavailable { .. } | Rejection::BreakerOpen { .. },
            ..
        } => Exit::Lost,
        CallError::Rejected { .. } | CallError::TimedOut { .. } | CallError::Cancelled { .. } => {
            Exit::Late
        }
        _ => Exit::Lost,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use snakepit_core::error::{ExitReport, ExitStatus, LaunchErrorKind, RemoteError, Stage};

    use super::*;

    #[test]
    fn each_error_of_a_call_has_its_exit_code() {
        let remote = |kind| CallError::Remote(Box::new(RemoteError::new(kind, "")));
        let rejected = |reason| CallError::Rejected {
            pool: "a".into(),
            reason,
        };
        let report = || Arc::new(ExitReport::new("a/1", ExitStatus::Signal(11)));
        let cause = Arc::new(LaunchError::new(LaunchErrorKind::Protocol(String::new())));
        let after = Duration::from_secs(1);
        for (error, exit) in [
            (remote(RemoteKind::Exception), Exit::Raised),
            (remote(RemoteKind::Cancelled), Exit::Raised),
            (remote(RemoteKind::Unserialisable), Exit::Raised),
            (remote(RemoteKind::TooLarge), Exit::Raised),
            (remote(RemoteKind::UnknownCommand), Exit::Usage),
            (remote(RemoteKind::BadArguments), Exit::Usage),
            (remote(RemoteKind::Expired), Exit::Late),
            (remote(RemoteKind::NotKept), Exit::Usage),
            (
                CallError::TimedOut {
                    command: "x".to_owned(),
                    stage: Stage::Queue,
                    after,
                },
                Exit::Late,
            ),
            (
                CallError::TimedOut {
                    command: "x".to_owned(),
                    stage: Stage::Run,
                    after,
                },
                Exit::Late,
            ),
            (rejected(Rejection::QueueFull { limit: 1 }), Exit::Late),
            (rejected(Rejection::Draining), Exit::Late),
            (rejected(Rejection::Unavailable { cause }), Exit::Lost),
            (
                rejected(Rejection::BreakerOpen {
                    deaths: 20,
                    window: after,
                    pause: after,
                    last: None,
                }),
                Exit::Lost,
            ),
            (
                CallError::Cancelled {
                    stage: Stage::Run,
                    why: "",
                },
                Exit::Late,
            ),
            (CallError::WorkerLost(report()), Exit::Lost),
            (
                CallError::Poisoned {
                    reports: vec![report(), report()],
                },
                Exit::Lost,
            ),
            (
                CallError::Protocol {
                    worker: "a/1".into(),
                    detail: String::new(),
                },
                Exit::Lost,
            ),
        ] {
            let shown = error.to_string();
            assert_eq!(
                Failure::call("x", &Args::none(), error).exit(),
                exit,
                "{shown}"
            );
        }
    }
}
