//! The commands of a fake worker. Knows neither lanes nor death.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::command::Command;
use crate::error::{CallError, RemoteError, RemoteKind};
use crate::exchange::Ask;
use crate::value::{Args, Value, to_json};
use crate::worker::Call;

/// What a command does, as far as it can be known beforehand.
pub(super) enum Outcome {
    /// It returns this.
    One(Value),
    /// It produces these, one after the other; an error is the last.
    Many(Steps),
    /// It takes its time, and then produces null.
    Wait(Duration),
    /// It asks a tool, and returns the answer.
    Ask(Ask),
    /// It returns the sum of its input.
    Total,
    /// It ends the worker.
    Die,
}

/// What a command produces, as it is asked for.
pub(super) type Steps = Box<dyn Iterator<Item = Result<Value, CallError>> + Send>;

/// Name, signature, whether it streams.
const COMMANDS: &[(&str, &str, bool)] = &[
    ("echo", "(value)", false),
    ("fail", "(message)", false),
    ("count", "()", false),
    ("session", "()", false),
    ("sleep", "(seconds)", false),
    ("numbers", "(count)", true),
    ("broken_numbers", "(count)", true),
    ("ask", "(tool, value)", false),
    ("total", "(numbers)", false),
    ("die", "()", false),
    ("hang", "()", false),
];

pub(super) fn offered() -> Vec<Command> {
    let command = |&(name, signature, stream): &(&str, &str, bool)| {
        let mut command = Command::new(name);
        command.signature = signature.into();
        command.stream = stream;
        command
    };
    COMMANDS.iter().map(command).collect()
}

/// Begins a call. `counted` is the worker's, and changed by `count` alone.
pub(super) fn begin(call: &Call, counted: &AtomicU64) -> Result<Outcome, CallError> {
    let one = |value| Ok(Outcome::One(value));
    match &*call.command {
        "echo" => one(argument(&call.args, "value")?),
        "fail" => Err(raised(argument(&call.args, "message")?)),
        "count" => one((counted.fetch_add(1, Ordering::SeqCst) + 1).into()),
        "session" => one(call
            .session
            .as_ref()
            .map(|session| session.as_str().to_owned())
            .into()),
        "sleep" => Ok(Outcome::Wait(seconds(&argument(&call.args, "seconds")?)?)),
        "numbers" => Ok(Outcome::Many(Box::new(numbers(&call.args)?))),
        "broken_numbers" => {
            let broken = Err(raised("broken".into()));
            Ok(Outcome::Many(Box::new(
                numbers(&call.args)?.chain([broken]),
            )))
        }
        "ask" => match call.args.positional.as_slice() {
            [Value::Str(tool), value] => {
                let ask = Ask::new(tool.as_str(), Args::positional([value.clone()]));
                Ok(Outcome::Ask(ask))
            }
            _ => Err(unfit("expected `tool` and `value`")),
        },
        "total" => Ok(Outcome::Total),
        "die" => Ok(Outcome::Die),
        "hang" => Ok(Outcome::Wait(Duration::MAX)),
        other => Err(error(
            RemoteKind::UnknownCommand,
            format!("no command is named `{other}`"),
        )),
    }
}

/// The only argument, by position or by name.
fn argument(args: &Args, name: &str) -> Result<Value, CallError> {
    match (args.positional.as_slice(), args.keyword.as_slice()) {
        ([value], []) => Ok(value.clone()),
        ([], [(given, value)]) if given == name => Ok(value.clone()),
        _ => Err(unfit(&format!("expected the one argument `{name}`"))),
    }
}

fn seconds(value: &Value) -> Result<Duration, CallError> {
    let seconds = value
        .as_f64()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| unfit("expected a number of seconds"))
}

fn numbers(
    args: &Args,
) -> Result<impl Iterator<Item = Result<Value, CallError>> + use<>, CallError> {
    let count = argument(args, "count")?.as_u64();
    let count = count.ok_or_else(|| unfit("expected a count"))?;
    Ok((0..count).map(|number| Ok(number.into())))
}

fn unfit(message: &str) -> CallError {
    error(RemoteKind::BadArguments, message)
}

pub(super) fn raised(message: Value) -> CallError {
    match message {
        Value::Str(text) => error(RemoteKind::Exception, text),
        other => error(RemoteKind::Exception, to_json(&other)),
    }
}

pub(super) fn error(kind: RemoteKind, message: impl Into<String>) -> CallError {
    CallError::Remote(Box::new(RemoteError::new(kind, message)))
}
