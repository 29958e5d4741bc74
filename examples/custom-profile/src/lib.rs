//! A worker profile of a third party: any program that reads calls from its standard input and answers on its standard
//! output, one JSON object a line. Knows of Snakepit only `snakepit-core`.
//!
//! ```text
//! worker  {"commands": ["greet"]}                                                  once, when it is ready
//! host    {"command": "greet", "args": ["Ada"], "kwargs": {}, "session": null}     for each call
//! worker  {"value": "hello, Ada"}                                                  or, if it went wrong:
//! worker  {"error": "who?"}                             or, if it has no such command:    {"unknown": "greet"}
//! ```
//!
//! End-of-file asks the program to end. Its standard error is the host's. `workers/demo.py` is such a program.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};
use std::{io, path::PathBuf, process::Stdio, sync::Arc};

use async_trait::async_trait;
use snakepit_core::config::{ProfileFactory, Section};
use snakepit_core::error::{ExitReport, ExitStatus, LaunchErrorKind, RemoteError, RemoteKind};
use snakepit_core::value::{Map, Value, from_json, to_json};
use snakepit_core::{Call, CallError, CallId, CancelGrace, Command, Hello, LaneId, LaunchContext};
use snakepit_core::{
    LaunchError, Launched, PoolSettings, Quiesced, Reply, SessionId, Worker, WorkerProfile,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Join, join};
use tokio::process::{self, ChildStdin, ChildStdout};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, watch};
use tokio::time::timeout;

/// Builds a [`LinesProfile`] from the keys `adapter`, the program, and `adapter_args`, its arguments.
pub struct LinesFactory;

impl ProfileFactory for LinesFactory {
    fn kind(&self) -> &'static str {
        "lines"
    }

    fn build(&self, keys: &mut Section<'_>, _: &PoolSettings) -> Option<Arc<dyn WorkerProfile>> {
        let program: Option<PathBuf> = keys.required("adapter");
        let arguments = keys.or("adapter_args", Vec::new());
        Some(Arc::new(LinesProfile(keys.resolve(program?), arguments)))
    }
}

/// Runs calls in a program, given with its arguments, that speaks lines of JSON.
#[derive(Clone, Debug)]
pub struct LinesProfile(pub PathBuf, pub Vec<String>);

#[async_trait]
impl WorkerProfile for LinesProfile {
    fn kind(&self) -> &'static str {
        "lines"
    }

    async fn launch(&self, cx: LaunchContext) -> Result<Launched, LaunchError> {
        let mut child = process::Command::new(&self.0)
            .args(&self.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0) // Ctrl-C is for the host alone, which then stops its workers.
            .kill_on_drop(true) // Whoever drops it: a launch broken off, a runtime that ends.
            .spawn()
            .map_err(|error| {
                let (program, source) = (self.0.display().to_string(), Arc::new(error));
                LaunchError::new(LaunchErrorKind::Spawn { program, source })
            })?;
        let broken = || LaunchError::new(LaunchErrorKind::Protocol("it names no commands".into()));
        let stdin = child.stdin.take().ok_or_else(broken)?;
        let stdout = child.stdout.take().ok_or_else(broken)?;
        let mut pipes = BufReader::new(join(stdout, stdin));
        let first = receive(&mut pipes).await.map_err(|_| broken())?;
        let names = first.get("commands").and_then(Value::as_list);
        let command = |name: &Value| Command::new(name.as_str().unwrap_or_default());
        let mut hello = Hello::new(1);
        hello.process = child.id();
        hello.commands = names.ok_or_else(broken)?.iter().map(command).collect();
        let (kill, mut reasons) = mpsc::unbounded_channel();
        let (end, exit) = watch::channel(ExitReport::new(cx.label(), ExitStatus::Unknown));
        // Owns the process until it is gone.
        tokio::spawn(async move {
            let reason = tokio::select! {
                reason = reasons.recv() => reason,
                _ = child.wait() => None,
            };
            let _ = child.start_kill(); // Does nothing to a process that is gone.
            let status = child.wait().await.unwrap_or_default();
            let code = ExitStatus::Code(status.code().unwrap_or_default());
            let how = status.signal().map_or(code, ExitStatus::Signal);
            end.send_modify(|report| (report.status, report.reason) = (how, reason));
        });
        let lane = Arc::new(Mutex::new(Some(pipes)));
        let worker = Arc::new(LinesWorker { lane, kill, exit });
        Ok(Launched { worker, hello })
    }
}

type Pipes = BufReader<Join<ChildStdout, ChildStdin>>;

async fn receive(pipes: &mut Pipes) -> io::Result<Value> {
    let mut line = String::new();
    pipes.read_line(&mut line).await?;
    from_json(&line).map_err(io::Error::other)
}

/// An error leaves the pipes closed, so that no later call gets the answer to this one.
async fn exchange(mut lane: OwnedMutexGuard<Option<Pipes>>, line: String) -> io::Result<Value> {
    let mut pipes = lane.take().ok_or(io::ErrorKind::BrokenPipe)?;
    pipes.write_all(line.as_bytes()).await?;
    let answer = receive(&mut pipes).await?;
    *lane = Some(pipes);
    Ok(answer)
}

/// A running program.
struct LinesWorker {
    /// Locked while a call runs, also when nobody waits for it any more. Without pipes the program is to end.
    lane: Arc<Mutex<Option<Pipes>>>,
    /// Takes the reason to kill the process, which dies with this sender, too.
    kill: mpsc::UnboundedSender<String>,
    /// Changes once.
    exit: watch::Receiver<ExitReport>,
}

#[async_trait]
impl Worker for LinesWorker {
    async fn call(&self, _lane: LaneId, call: Call) -> Result<Reply, CallError> {
        let failed = |kind, what: &str| CallError::Remote(Box::new(RemoteError::new(kind, what)));
        let lost = |report| CallError::WorkerLost(Arc::new(report));
        if call.deadline.is_some_and(|at| at <= Instant::now()) {
            return Err(failed(RemoteKind::Expired, "the deadline passed"));
        }
        self.ping().await.map_err(|gone| lost(gone.not_sent()))?;
        let kwargs: Map = call.args.keyword.iter().cloned().collect();
        let session = call.session.as_ref().map(SessionId::as_str);
        let message = Map::from([
            ("command", Value::from(&*call.command)),
            ("args", call.args.positional.clone().into()),
            ("kwargs", kwargs.into()),
            ("session", session.into()),
        ]);
        let line = to_json(&message.into()) + "\n";
        let lane = Arc::clone(&self.lane).lock_owned().await;
        // A task of its own: it reads the answer even if this future is dropped.
        let Ok(Ok(answer)) = tokio::spawn(exchange(lane, line)).await else {
            return Err(lost(self.stop(Duration::from_millis(100)).await));
        };
        let text = |key| answer.get(key).and_then(Value::as_str);
        match (text("error"), text("unknown")) {
            (Some(message), _) => Err(failed(RemoteKind::Exception, message)),
            (_, Some(name)) => Err(failed(RemoteKind::UnknownCommand, name)),
            _ => Ok(Reply::One(answer.get("value").cloned().unwrap_or_default())),
        }
    }

    /// Such a program cannot be interrupted; it has the grace to come to an end.
    async fn cancel(&self, _lane: LaneId, _call: CallId, grace: CancelGrace) -> Quiesced {
        let free = timeout(grace.total(), self.lane.lock()).await;
        free.map_or(Quiesced::Stuck, |_| Quiesced::Clean)
    }

    async fn ping(&self) -> Result<(), ExitReport> {
        let gone = self.exit.has_changed().unwrap_or(true);
        gone.then(|| self.exit.borrow().clone()).map_or(Ok(()), Err)
    }

    async fn stop(&self, grace: Duration) -> ExitReport {
        let quietly = async {
            *self.lane.lock().await = None;
            self.exited().await
        };
        if timeout(grace, quietly).await.is_err() {
            self.abort("it did not stop in time");
        }
        self.exited().await
    }

    fn abort(&self, reason: &str) {
        let _ = self.kill.send(reason.to_owned());
    }

    async fn exited(&self) -> ExitReport {
        let mut exit = self.exit.clone();
        let _ = exit.changed().await;
        exit.borrow().clone()
    }
}
