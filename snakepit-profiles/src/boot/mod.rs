//! Starting an interpreter and getting it to load an adapter; must not know workers, calls or zygotes.

mod bundle;
mod environment;
mod guardian;
mod link;
mod spawner;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde::Deserialize;
use snakepit_core::error::LaunchErrorKind;
use snakepit_core::value::{Map, ValueError};
use snakepit_core::{LaunchError, Value};
use snakepit_python::AdapterSpec;

use crate::codec::{self, Failure};
use crate::frame::{Kind, PROTOCOL};
use crate::interpreter::Interpreter;
use crate::wires;

pub use bundle::bridge;
pub(crate) use guardian::{Ground, Role};
pub(crate) use link::{BootLink, LinkError, Message};
pub(crate) use spawner::{Spawned, Ward, dismiss};

/// What makes one generation of boot processes: interpreter, environment and what to load.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    /// The interpreter.
    pub(crate) python: Interpreter,
    /// Threads each numerical library may start, unless the environment says otherwise.
    pub(crate) library_threads: u16,
    /// Environment variables of its own.
    pub(crate) env: BTreeMap<String, String>,
    /// What it is told first.
    pub(crate) boot: BootMessage,
}

/// The body of `BOOT`; `docs/protocol.md`, section 5.
#[derive(Clone, Debug)]
pub(crate) struct BootMessage {
    pub(crate) adapter: AdapterSpec,
    pub(crate) preload: Vec<String>,
    pub(crate) arguments: BTreeMap<String, Value>,
    pub(crate) paths: Vec<String>,
    pub(crate) max_frame: u32,
    pub(crate) log_level: &'static str,
}

impl BootMessage {
    /// The text of the message. Its arguments are values; there is no room for buffers here.
    fn encode(&self) -> Result<Vec<u8>, ValueError> {
        let names =
            |names: &[String]| Value::List(names.iter().map(|name| name.as_str().into()).collect());
        let adapter = match &self.adapter {
            AdapterSpec::Modules(modules) => Map::from([("modules", names(modules))]).into(),
            adapter => adapter.to_string().into(),
        };
        let mut arguments = Map::new();
        for (name, value) in &self.arguments {
            arguments.insert(name.as_str(), value.clone());
        }
        let message = Map::from([
            ("protocol", Value::from(PROTOCOL)),
            ("parent", std::process::id().into()),
            ("adapter", adapter),
            ("preload", names(&self.preload)),
            ("arguments", arguments.into()),
            ("paths", names(&self.paths)),
            ("max_frame", self.max_frame.into()),
            ("log_level", self.log_level.into()),
        ]);
        let (mut text, mut buffers) = (Vec::new(), Vec::new());
        codec::encode(&message.into(), &mut text, &mut buffers)?;
        if buffers.is_empty() {
            return Ok(text);
        }
        Err(ValueError::new(
            "bytes and arrays cannot be arguments of an adapter",
        ))
    }
}

/// The body of `READY`, as far as it matters here.
#[derive(Debug, Deserialize)]
struct ReadyMessage {
    protocol: u32,
}

/// An interpreter that was started and has not been told anything yet.
#[derive(Debug)]
pub(crate) struct Booting {
    pub(crate) link: BootLink,
    pub(crate) process: Spawned,
}

/// Why a boot process did not become ready.
#[derive(Debug)]
pub(crate) enum BootError {
    /// It said so.
    Failed(Box<Failure>),
    /// It ended, or broke the protocol.
    Link(LinkError),
    /// The adapter's arguments cannot be sent.
    Arguments(ValueError),
}

/// Starts an interpreter whose output goes to `output`.
///
/// # Errors
/// [`LaunchErrorKind::Interpreter`], [`LaunchErrorKind::Spawn`].
///
/// # Cancel safety
/// If dropped, no process is left.
pub(crate) async fn start(recipe: &Recipe, output: &OwnedFd) -> Result<Booting, LaunchError> {
    let interpreter = recipe.python.path(&recipe.env).await?;
    let (ours, theirs) = wires::pair().map_err(|error| cannot_start(interpreter, error))?;
    let prepare = || -> io::Result<Command> {
        let mut command = Command::new(interpreter);
        command.arg(bundle::program()?);
        command.stdin(Stdio::from(theirs));
        command.stdout(Stdio::from(output.try_clone()?));
        command.stderr(Stdio::from(output.try_clone()?));
        environment::apply(&mut command, recipe.library_threads, &recipe.env);
        Ok(command)
    };
    let command = prepare().map_err(|error| cannot_start(interpreter, error))?;
    let process = spawner::spawn(command)
        .await
        .map_err(|error| cannot_start(interpreter, error))?;
    let link = BootLink::new(ours).map_err(|error| cannot_start(interpreter, error))?;
    Ok(Booting { link, process })
}

/// Tells a boot process what to load and waits until it has.
///
/// # Cancel safety
/// Not cancel safe: the link is of no further use. Nothing else is affected.
pub(crate) async fn load(link: &mut BootLink, boot: &BootMessage) -> Result<(), BootError> {
    let body = boot.encode().map_err(BootError::Arguments)?;
    // A process that cannot even take BOOT may have said why.
    let sent = link.send(Kind::Boot, 0, &body).await;
    let message = match link.receive().await {
        Ok(message) => message,
        Err(error) => return Err(BootError::Link(sent.err().unwrap_or(error))),
    };
    let violation = |detail| Err(BootError::Link(LinkError::Violation(detail)));
    match message.kind {
        Kind::Ready => match serde_json::from_slice(&message.body) {
            Ok(ReadyMessage { protocol: PROTOCOL }) => Ok(()),
            Ok(ReadyMessage { protocol }) => violation(other_protocol(protocol)),
            Err(error) => violation(format!("malformed READY: {error}")),
        },
        Kind::Failed => match Failure::decode(&message.body) {
            Ok(failed) => Err(BootError::Failed(Box::new(failed))),
            Err(detail) => violation(format!("malformed FAILED: {detail}")),
        },
        other => violation(format!("{} before READY", other.name())),
    }
}

/// What is wrong with a peer that speaks another version.
pub(crate) fn other_protocol(theirs: u32) -> String {
    format!("it speaks version {theirs} of the protocol, this host version {PROTOCOL}")
}

/// What to do about an interpreter that ended before it said that it is ready.
pub(crate) const NOT_READY: &str = "is it a Python, and does the adapter not leave while it is imported? `snakepit python probe` asks the interpreter";

/// The error for arguments that cannot be sent.
pub(crate) fn unfit_arguments(error: &ValueError) -> LaunchError {
    let message = format!("arguments of the adapter: {error}");
    LaunchError::new(LaunchErrorKind::Other {
        message,
        permanent: true,
    })
}

/// The error for what a boot process or a worker said of its failure.
pub(crate) fn failed(adapter: &AdapterSpec, failure: Failure) -> LaunchError {
    let Failure {
        kind,
        exception,
        hint,
    } = failure;
    let adapter = adapter.to_string();
    let error = LaunchError::new(match kind.as_str() {
        "interpreter" => LaunchErrorKind::Interpreter(exception.to_string()),
        "adapter_not_found" | "adapter_import" | "adapter_invalid" => LaunchErrorKind::Adapter {
            adapter,
            error: Box::new(exception),
        },
        "setup" => LaunchErrorKind::Setup {
            adapter,
            error: Box::new(exception),
        },
        other => {
            LaunchErrorKind::Protocol(format!("FAILED of unknown kind `{other}`: {exception}"))
        }
    });
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The error of the operating system on the way to a new process.
pub(crate) fn cannot_start(program: impl AsRef<Path>, error: io::Error) -> LaunchError {
    let exhausted = matches!(error.raw_os_error(), Some(23 | 24)); // ENFILE, EMFILE
    let program = program.as_ref().display().to_string();
    let error = LaunchError::new(LaunchErrorKind::Spawn {
        program,
        source: Arc::new(error),
    });
    if exhausted {
        return error.with_hint("raise the limit of open files (`ulimit -n`): a worker needs four");
    }
    error
}
