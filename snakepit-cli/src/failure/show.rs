//! How failures look on standard error. Knows no exit code.

use std::io::{self, Write};
use std::sync::Arc;

use clap::builder::styling::{AnsiColor, Style};
use snakepit_core::config::scalar::HumanDuration;
use snakepit_core::error::{ExitReport, Rejection, RemoteException};
use snakepit_core::{CallError, ConfigReport, LaunchError, Retry, StartError};
use snakepit_python::NotFound;

use super::Failure;
use crate::logs::Shown;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const DIM: Style = AnsiColor::BrightBlack.on_default();
const BOLD: Style = Style::new().bold();

impl Failure {
    /// Shows it to the user; in colour only on a terminal.
    pub(crate) fn print(&self) {
        // There is nowhere left to tell that standard error is closed.
        let _ = self.write(&Shown::default(), &mut anstream::stderr().lock());
    }

    /// How it is shown, in colour.
    pub(crate) fn to_text(&self) -> String {
        let mut text = Vec::new();
        // Memory takes everything.
        let _ = self.write(&Shown::default(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn write(&self, shown: &Shown, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Usage { message, hint } => {
                headline(out, "usage", message)?;
                write_hint(out, hint.as_deref())
            }
            Self::Config(report) => write_report(out, &report.to_string()),
            Self::Flags(report) => write_flags(out, report),
            Self::Start(StartError::Launch { pool, source }) => {
                let message = format!("pool `{pool}` did not start: {source}");
                headline(out, source.code(), &message)?;
                write_launch(out, source, shown)
            }
            Self::Reload(error) => {
                let message = format!("the new code does not start, the old goes on: {error}");
                headline(out, error.code(), &message)?;
                write_launch(out, error, shown)
            }
            Self::Exists(path) => {
                let message = format!("{} is there already", path.display());
                headline(out, "exists", &message)?;
                write_hint(
                    out,
                    Some("choose another name or `--dir`, or remove it: nothing is overwritten"),
                )
            }
            Self::File { path, error } => {
                let message = format!("cannot write {}: {error}", path.display());
                headline(out, "file", &message)
            }
            Self::Start(other) => headline(out, "config", &other.to_string()),
            Self::Call {
                command,
                error,
                hint,
            } => {
                write_call(out, command, error, shown)?;
                write_hint(out, hint.as_deref())?;
                write_hints(out, error)
            }
            Self::Interpreter(error) => write_not_found(out, error),
            Self::Unsafe(message) => headline(out, "unsafe", message),
            Self::Output(error) => headline(
                out,
                "output",
                &format!("cannot write to standard output: {error}"),
            ),
            Self::System(error) => headline(out, "system", &format!("cannot run: {error}")),
            Self::Interrupted { left, .. } => {
                headline(out, "interrupted", "stopped by a signal")?;
                left.iter()
                    .try_for_each(|left| writeln!(out, "  {DIM}-{DIM:#} {left}"))
            }
            Self::Told(_) => Ok(()),
            Self::After { failure, shown } => failure.write(shown, out),
        }
    }
}

fn headline(out: &mut impl Write, code: &str, message: &str) -> io::Result<()> {
    writeln!(
        out,
        "{ERROR}error[{code}]{ERROR:#}{BOLD}: {message}{BOLD:#}"
    )
}

fn write_hint(out: &mut impl Write, hint: Option<&str>) -> io::Result<()> {
    hint.map_or(Ok(()), |hint| writeln!(out, "{HINT}hint{HINT:#}: {hint}"))
}

/// Colours a report by the shape of its lines, which is the only thing known of them here.
fn write_report(out: &mut impl Write, report: &str) -> io::Result<()> {
    for line in report.lines() {
        if let Some(message) = line.strip_prefix("error: ") {
            headline(out, "config", message)?;
        } else if line.trim_start().starts_with("-->") {
            writeln!(out, "{DIM}{line}{DIM:#}")?;
        } else if line.trim_start().starts_with("| ") {
            writeln!(out, "{ERROR}{line}{ERROR:#}")?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

fn write_flags(out: &mut impl Write, report: &ConfigReport) -> io::Result<()> {
    for problem in report.problems() {
        let separator = if problem.label.is_empty() { "" } else { ": " };
        headline(
            out,
            "usage",
            &format!("{}{separator}{}", problem.message, problem.label),
        )?;
        write_hint(out, problem.help.as_deref())?;
    }
    Ok(())
}

/// Lists what was tried, unless that is what the headline says.
fn write_not_found(out: &mut impl Write, error: &NotFound) -> io::Result<()> {
    let message = error.to_string();
    headline(out, "interpreter", &message)?;
    for tried in error.tried().iter().map(ToString::to_string) {
        if tried != message {
            writeln!(out, "  {DIM}-{DIM:#} {tried}")?;
        }
    }
    write_hint(out, Some(&error.hint()))
}

fn write_launch(out: &mut impl Write, error: &LaunchError, shown: &Shown) -> io::Result<()> {
    if let Some(exception) = error.exception() {
        write_exception(out, exception)?;
    }
    write_output(out, &error.output, shown)?;
    write_hint(out, error.hint().as_deref())
}

fn write_call(
    out: &mut impl Write,
    command: &str,
    error: &CallError,
    shown: &Shown,
) -> io::Result<()> {
    let message = match error {
        CallError::Remote(remote) if !remote.exception.type_name.is_empty() => {
            format!("command `{command}` raised {error}")
        }
        CallError::Remote(remote) if remote.kind.is_of_result() => {
            format!("command `{command}`: {error}")
        }
        _ => error.to_string(),
    };
    headline(out, error.code(), &message)?;
    match error {
        CallError::Remote(remote) => write_exception(out, &remote.exception),
        CallError::WorkerLost(report) => write_death(out, report, shown),
        CallError::Rejected {
            reason: Rejection::BreakerOpen {
                last: Some(last), ..
            },
            ..
        } => write_death(out, last, shown),
        CallError::Poisoned { reports } => write_deaths(out, reports, shown),
        _ => Ok(()),
    }
}

/// What to do about a call that failed.
fn write_hints(out: &mut impl Write, error: &CallError) -> io::Result<()> {
    write_hint(out, error.hint().as_deref())?;
    match error.retry() {
        Retry::Now | Retry::Later => writeln!(out, "{HINT}hint{HINT:#}: it is safe to try again"),
        _ => Ok(()),
    }
}

/// All that is known of how a worker ended.
fn write_death(out: &mut impl Write, report: &ExitReport, shown: &Shown) -> io::Result<()> {
    if let Some(call) = &report.call {
        writeln!(
            out,
            "  {DIM}in{DIM:#} call {} of `{}`",
            call.id, call.command
        )?;
    }
    writeln!(out, "  {DIM}after{DIM:#} {}", life(report))?;
    if let Some(memory) = &report.memory {
        writeln!(out, "  {BOLD}memory{BOLD:#}: {memory}")?;
    }
    // What the runtime wrote of its threads is part of what it printed, unless that was too much.
    let told = |line: &&String| shown.contains(line) || report.output.contains(line);
    for line in report.stacks.iter().filter(|line| !told(line)) {
        writeln!(out, "  {DIM}at{DIM:#} {}", line.trim())?;
    }
    write_output(out, &report.output, shown)
}

/// One line for each, and the last of them in full.
fn write_deaths(
    out: &mut impl Write,
    reports: &[Arc<ExitReport>],
    shown: &Shown,
) -> io::Result<()> {
    for report in reports {
        let (worker, cause) = (&report.worker, report.cause());
        writeln!(
            out,
            "  {DIM}-{DIM:#} worker {worker} after {}: {cause}",
            life(report)
        )?;
    }
    reports
        .last()
        .map_or(Ok(()), |last| write_death(out, last, shown))
}

/// What a worker had behind it: `3s and 17 calls`.
fn life(report: &ExitReport) -> String {
    let plural = if report.served == 1 { "" } else { "s" };
    let calls = format!("{} call{plural}", report.served);
    match report.age {
        Some(age) => format!("{} and {calls}", HumanDuration::from(age)),
        None => calls,
    }
}

/// An exception as Python itself would print it.
fn write_exception(out: &mut impl Write, exception: &RemoteException) -> io::Result<()> {
    if exception.type_name.is_empty() {
        return Ok(());
    }
    write!(out, "{}", exception.traceback())
}

/// A worker's last lines, unless the user has seen them as they came.
fn write_output(out: &mut impl Write, lines: &[String], shown: &Shown) -> io::Result<()> {
    for line in lines.iter().filter(|line| !shown.contains(line)) {
        writeln!(out, "  {DIM}|{DIM:#} {line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use snakepit_core::error::{ExitStatus, LostCall};
    use snakepit_core::{Args, CallId};

    use super::*;

    fn shown(error: CallError) -> String {
        let mut text = Vec::new();
        let failure = Failure::call("resize", &Args::none(), error);
        failure.write(&Shown::default(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        anstream::adapter::strip_str(&text).to_string()
    }

    fn report() -> ExitReport {
        let mut report = ExitReport::new("a/1", ExitStatus::Signal(9))
            .with_output(lines(&["loading", "Current thread:"]))
            .with_stacks(lines(&[
                "Current thread:",
                "  File \"a.py\", line 3 in resize",
            ]))
            .with_memory("its control group killed 1 process");
        report.age = Some(Duration::from_millis(2500));
        report.served = 1;
        report.call = Some(LostCall::new(CallId::new(7), "resize".into()));
        report
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn a_death_is_told_in_full_and_nothing_of_it_twice() {
        let text = shown(CallError::WorkerLost(Arc::new(report())));
        let expected = "\
error[call.worker_lost]: worker a/1 was lost: SIGKILL
  in call 7 of `resize`
  after 2s500ms and 1 call
  memory: its control group killed 1 process
  at File \"a.py\", line 3 in resize
  | loading
  | Current thread:
hint: ";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn each_death_a_call_caused_is_told_in_a_line() {
        let mut first = ExitReport::new("a/1", ExitStatus::Code(3));
        first.served = 2;
        let reports = vec![Arc::new(first), Arc::new(report())];
        let text = shown(CallError::Poisoned { reports });
        let expected = "\
error[call.poisoned]: the call killed 2 workers in a row, the last one: SIGKILL
  - worker a/1 after 2 calls: exit code 3
  - worker a/1 after 2s500ms and 1 call: SIGKILL
  in call 7 of `resize`
";
        assert!(text.starts_with(expected), "{text}");
    }
}
