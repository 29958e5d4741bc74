//! The commands of a fake worker. Knows neither lanes nor death.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::command::Command;
use crate::error::{CallError, RemoteError, RemoteKind};
use crate::exchange::Ask;
use crate::session::{REF_GET, REFS_RELEASED};
use crate::value::{Args, ObjectRef, Value, to_json};
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

/// What a worker has.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// How often `count` was called.
    counted: AtomicU64,
    /// Objects that handles are on.
    kept: Mutex<BTreeMap<u64, Value>>,
    last: AtomicU64,
}

impl Store {
    pub(super) fn kept(&self) -> usize {
        self.kept.lock().len()
    }

    fn keep(&self, value: Value) -> ObjectRef {
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let object = ObjectRef::new(number, value.kind(), to_json(&value));
        self.kept.lock().insert(number, value);
        object
    }

    fn release(&self, numbers: &Value) {
        let numbers = numbers.as_list().unwrap_or_default();
        let mut kept = self.kept.lock();
        for number in numbers.iter().filter_map(Value::as_u64) {
            kept.remove(&number);
        }
    }
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

/// Begins a call.
pub(super) fn begin(call: &Call, store: &Store) -> Result<Outcome, CallError> {
    Ok(match outcome(call, store)? {
        Outcome::One(value) if call.keep => Outcome::One(store.keep(value).into()),
        other => other,
    })
}

fn outcome(call: &Call, store: &Store) -> Result<Outcome, CallError> {
    let one = |value| Ok(Outcome::One(value));
    match &*call.command {
        "echo" => one(argument(&call.args, "value")?),
        "fail" => Err(raised(argument(&call.args, "message")?)),
        "count" => one((store.counted.fetch_add(1, Ordering::SeqCst) + 1).into()),
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
        REF_GET => match argument(&call.args, "object")? {
            Value::Ref(object) => store
                .kept
                .lock()
                .get(&object.number())
                .map(|value| Outcome::One(value.clone()))
                .ok_or_else(|| error(RemoteKind::ExpiredRef, "it is not kept")),
            _ => Err(unfit("expected a handle")),
        },
        REFS_RELEASED => {
            store.release(&argument(&call.args, "numbers")?);
            one(Value::Null)
        }
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
