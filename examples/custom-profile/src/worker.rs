//! One such program while it runs: a single lane, a task that watches over the process. Knows not how it was started.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use snakepit_core::error::{ExitReport, ExitStatus, RemoteError, RemoteKind};
use snakepit_core::value::{Map, Value, from_json, to_json};
use snakepit_core::{Call, CallError, CallId, LaneId, Quiesced, Reply, SessionId, Worker};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::timeout;

/// Both directions of a worker's lines.
pub(crate) struct Pipes {
    /// `None` once the worker was asked to end.
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Pipes {
    pub(crate) fn new(stdin: ChildStdin, stdout: ChildStdout) -> Self {
        Self {
            stdin: Some(stdin),
            stdout: BufReader::new(stdout).lines(),
        }
    }

    async fn send(&mut self, message: &Value) -> io::Result<()> {
        let line = to_json(message) + "\n";
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write_all(line.as_bytes()).await
    }

    /// The next message, or `None` at the end. Loses nothing if it is dropped.
    pub(crate) async fn receive(&mut self) -> io::Result<Option<Value>> {
        let Some(line) = self.stdout.next_line().await? else {
            return Ok(None);
        };
        from_json(&line).map(Some).map_err(io::Error::other)
    }
}

/// A running program.
pub(crate) struct LinesWorker {
    label: String,
    pipes: Mutex<Pipes>,
    /// The call that is not answered yet, or 0.
    current: AtomicU64,
    /// Takes the reason to kill the process. The process dies with the last sender, too.
    kill: mpsc::UnboundedSender<String>,
    exit: watch::Receiver<Option<ExitReport>>,
}

impl LinesWorker {
    pub(crate) fn new(label: String, child: Child, pipes: Pipes) -> Self {
        let (kill, reasons) = mpsc::unbounded_channel();
        let (sender, exit) = watch::channel(None);
        tokio::spawn(watch_over(label.clone(), child, reasons, sender));
        let (pipes, current) = (Mutex::new(pipes), AtomicU64::new(0));
        Self {
            label,
            pipes,
            current,
            kill,
            exit,
        }
    }

    /// The error for a worker whose pipes failed: it is dead, or it is now.
    async fn lost(&self, why: &str) -> CallError {
        if timeout(Duration::from_millis(100), self.exited())
            .await
            .is_err()
        {
            self.abort(why);
        }
        CallError::WorkerLost(Arc::new(self.exited().await))
    }

    /// Waits for the answer to the current call, and lets go of the lane.
    async fn answer(&self, pipes: &mut Pipes) -> Result<Value, CallError> {
        let answer = match pipes.receive().await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Err(self.lost("it closed its output").await),
            Err(error) => return Err(self.lost(&error.to_string()).await),
        };
        self.current.store(0, Ordering::SeqCst);
        match answer.get("error") {
            Some(error) => Err(CallError::Remote(Box::new(remote(error)))),
            None => Ok(answer.get("value").cloned().unwrap_or_default()),
        }
    }
}

/// Owns the process until it is gone.
async fn watch_over(
    label: String,
    mut child: Child,
    mut reasons: mpsc::UnboundedReceiver<String>,
    exit: watch::Sender<Option<ExitReport>>,
) {
    let reason = tokio::select! {
        reason = reasons.recv() => reason.or_else(|| Some("nobody needs it".to_owned())),
        _ = child.wait() => None,
    };
    // Does nothing to a process that is gone.
    let _ = child.start_kill();
    let status = child.wait().await.ok();
    let code = status
        .and_then(|status| status.code())
        .map(ExitStatus::Code);
    let signal = status
        .and_then(|status| status.signal())
        .map(ExitStatus::Signal);
    let report = ExitReport::new(label, code.or(signal).unwrap_or(ExitStatus::Unknown));
    exit.send_replace(Some(match reason {
        Some(reason) => report.because(reason),
        None => report,
    }));
}

fn remote(error: &Value) -> RemoteError {
    let text = |key| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let kind = match text("kind") {
        "unknown_command" => RemoteKind::UnknownCommand,
        "bad_arguments" => RemoteKind::BadArguments,
        _ => RemoteKind::Exception,
    };
    RemoteError::new(kind, text("message"))
}

fn message(call: &Call) -> Value {
    let keyword: Map = call.args.keyword.iter().cloned().collect();
    Value::from(Map::from([
        ("command", Value::from(&*call.command)),
        ("args", call.args.positional.clone().into()),
        ("kwargs", keyword.into()),
        (
            "session",
            call.session.as_ref().map(SessionId::as_str).into(),
        ),
    ]))
}

#[async_trait]
impl Worker for LinesWorker {
    async fn call(&self, _lane: LaneId, call: Call) -> Result<Reply, CallError> {
        if call
            .deadline
            .is_some_and(|deadline| deadline <= Instant::now())
        {
            let late = RemoteError::new(RemoteKind::Expired, "the deadline passed");
            return Err(CallError::Remote(Box::new(late)));
        }
        if let Some(report) = self.exit.borrow().clone() {
            return Err(CallError::WorkerLost(Arc::new(report.not_sent())));
        }
        let mut pipes = self.pipes.lock().await;
        self.current.store(call.id.get(), Ordering::SeqCst);
        if pipes.send(&message(&call)).await.is_err() {
            return Err(self.lost("it closed its input").await);
        }
        self.answer(&mut pipes).await.map(Reply::One)
    }

    /// A program without signals and threads cannot be interrupted; it has the grace to come to an end.
    async fn cancel(&self, _lane: LaneId, call: CallId, grace: Duration) -> Quiesced {
        let rest = async {
            let mut pipes = self.pipes.lock().await;
            let running = self.current.load(Ordering::SeqCst) == call.get();
            match running.then(|| self.answer(&mut pipes)) {
                Some(answer) => !matches!(answer.await, Err(CallError::WorkerLost(_))),
                None => true,
            }
        };
        match timeout(grace, rest).await {
            Ok(true) => Quiesced::Clean,
            Ok(false) | Err(_) => Quiesced::Stuck,
        }
    }

    async fn ping(&self) -> Result<(), ExitReport> {
        self.exit.borrow().clone().map_or(Ok(()), Err)
    }

    async fn stop(&self, grace: Duration) -> ExitReport {
        let quietly = async {
            self.pipes.lock().await.stdin = None;
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
        let report = exit
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|report| report.clone());
        // The task that watches is only ever gone together with the runtime.
        report.unwrap_or_else(|| ExitReport::new(&self.label, ExitStatus::Unknown))
    }
}
