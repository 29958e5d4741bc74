//! Errors in full, which is how `Debug` shows them: what `main` prints when it returns one, and `unwrap` panics with. Knows
//! no colour.

use std::fmt::{self, Debug, Display, Formatter};

use super::{CallError, LaunchError, RemoteException};

impl Debug for CallError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        headline(f, self, self.code())?;
        exception(f, self.exception())?;
        let last = match self {
            Self::WorkerLost(report) => Some(report),
            Self::Poisoned { reports } => reports.last(),
            _ => None,
        };
        if let Some(report) = last {
            output(f, &report.stacks)?;
            output(f, &report.output)?;
        }
        hint(f, self.hint())
    }
}

impl Debug for LaunchError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        headline(f, self, self.code())?;
        exception(f, self.exception())?;
        output(f, &self.output)?;
        hint(f, self.hint())
    }
}

fn headline(f: &mut Formatter<'_>, error: &dyn Display, code: &str) -> fmt::Result {
    write!(f, "{error} [{code}]")
}

/// As Python would print it.
fn exception(f: &mut Formatter<'_>, exception: Option<&RemoteException>) -> fmt::Result {
    let shown = exception.filter(|exception| !exception.type_name.is_empty());
    shown.map_or(Ok(()), |exception| {
        write!(f, "\n{}", exception.traceback().to_string().trim_end())
    })
}

fn output(f: &mut Formatter<'_>, lines: &[String]) -> fmt::Result {
    lines.iter().try_for_each(|line| write!(f, "\n  | {line}"))
}

fn hint(f: &mut Formatter<'_>, hint: Option<impl Display>) -> fmt::Result {
    hint.map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{ExitReport, ExitStatus, LaunchErrorKind, RemoteError, RemoteKind};
    use super::*;

    #[test]
    fn an_exception_is_shown_with_its_traceback() {
        let mut error = RemoteError::new(RemoteKind::Exception, "no such word");
        error.exception.type_name = "KeyError".into();
        let text = format!("{:?}", CallError::Remote(Box::new(error)));
        assert_eq!(
            text,
            "KeyError: no such word [call.exception]\nKeyError: no such word"
        );
    }

    #[test]
    fn a_lost_worker_is_shown_with_its_last_words_and_what_to_do() {
        let report =
            ExitReport::new("a/1", ExitStatus::Signal(9)).with_output(vec!["loading".into()]);
        let text = format!("{:?}", CallError::WorkerLost(Arc::new(report)));
        let begin = "worker a/1 was lost: SIGKILL [call.worker_lost]\n  | loading\nhint: ";
        assert!(text.starts_with(begin), "{text}");
    }

    #[test]
    fn a_launch_that_failed_is_shown_with_its_hint() {
        let error = LaunchError::new(LaunchErrorKind::Interpreter("there is none".into()))
            .with_hint("install one");
        assert_eq!(
            format!("{error:?}"),
            "interpreter: there is none [launch.interpreter]\nhint: install one"
        );
    }
}
