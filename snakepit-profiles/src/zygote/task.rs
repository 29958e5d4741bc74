//! The task that owns a zygote: its process, its boot link, its output; must not know what the workers do.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use snakepit_core::LaunchError;
use snakepit_core::error::{ExitStatus, LaunchErrorKind};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::output::Output;
use super::{Fork, ForkError, Forked, State};
use crate::boot::{
    self, BootError, BootLink, Booting, Ground, LinkError, Message, Recipe, Role, Spawned, Ward,
};
use crate::frame::Kind;
use crate::leash::Leash;
use crate::wires;

/// How long a zygote may take to die once it has closed its link.
const LAST_WORD: Duration = Duration::from_millis(500);

/// How long a killed zygote may take to be reaped.
const BURIAL: Duration = Duration::from_secs(2);

/// How long what a dead zygote has left is read.
const ECHO: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
struct ForkedMessage {
    pid: u32,
}

#[derive(Deserialize)]
struct RefusedMessage {
    reason: String,
    #[serde(default)]
    threads: Vec<String>,
}

#[derive(Deserialize)]
struct ExitedMessage {
    code: Option<i32>,
    signal: Option<i32>,
}

/// Starts a zygote and serves it until it ends or nobody needs it. What it says on the way is left in `said`.
pub(super) async fn run(
    recipe: Arc<Recipe>,
    patience: Duration,
    requests: mpsc::UnboundedReceiver<Fork>,
    (state, lost): (watch::Sender<State>, oneshot::Sender<Duration>),
    said: Arc<Mutex<Vec<String>>>,
) {
    let end = |error| drop(state.send_replace(State::Ended(Box::new(error))));
    let started = tokio::select! {
        started = timeout(patience, Task::start(&recipe)) => started,
        () = state.closed() => return,
    };
    let mut task = match started {
        Ok(Ok(task)) => task,
        Ok(Err(error)) => return end(error),
        Err(_) => return end(late("finding the interpreter", patience)),
    };
    // Before the task is dropped, so that the launches and workers it leaves without an answer find out why.
    if let Err(ended) = task.load(&recipe, patience, &state).await {
        ended.into_iter().for_each(end);
        return;
    }
    *said.lock() = task.output.tail();
    state.send_replace(State::Ready);
    let ready = Instant::now();
    if let Some(error) = task.serve(requests).await {
        end(error);
        let _ = lost.send(ready.elapsed());
    }
}

struct Task {
    link: BootLink,
    process: Process,
    output: Output,
    /// Forks that have not been answered, by launch id.
    asked: HashMap<u64, oneshot::Sender<Result<Forked, ForkError>>>,
    /// Workers that have not been reaped, by launch id.
    living: HashMap<u64, oneshot::Sender<ExitStatus>>,
    /// Launch ids given out.
    launches: u64,
}

/// The zygote's process. Once it serves it is ended kindly when dropped: it sees the end of its link and takes its
/// children, and what they started, along. Before that it has none and may be busy for long, so it is killed.
struct Process {
    /// There until dropped.
    spawned: Option<(Spawned, Ward)>,
    serves: bool,
}

impl Process {
    fn status(&mut self) -> &mut oneshot::Receiver<ExitStatus> {
        let (spawned, _) = self.spawned.as_mut().expect("there until dropped");
        &mut spawned.status
    }

    fn kill(&self) {
        let (spawned, _) = self.spawned.as_ref().expect("there until dropped");
        spawned.leash.kill();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        match self.spawned.take() {
            Some((spawned, ward)) if self.serves => boot::dismiss(spawned.leash, ward),
            killed => drop(killed),
        }
    }
}

impl Task {
    async fn start(recipe: &Recipe) -> Result<Self, LaunchError> {
        let cannot = |error: io::Error| boot::cannot_start("zygote", error);
        let (ours, theirs) = wires::output().map_err(cannot)?;
        let Booting { link, process } = boot::start(recipe, &theirs).await?;
        let python = recipe.python.path(&recipe.env).await?;
        let ground = Ground::new(python, &recipe.env);
        let ward = Ward::new(ground, &process.leash, Role::Zygote);
        Ok(Self {
            link,
            process: Process {
                spawned: Some((process, ward)),
                serves: false,
            },
            output: Output::new(ours).map_err(cannot)?,
            asked: HashMap::new(),
            living: HashMap::new(),
            launches: 0,
        })
    }

    /// Gets the adapter loaded. An error of `None` means that nobody waits for it any more.
    async fn load(
        &mut self,
        recipe: &Recipe,
        patience: Duration,
        state: &watch::Sender<State>,
    ) -> Result<(), Option<LaunchError>> {
        let result = {
            let load = timeout(patience, boot::load(&mut self.link, &recipe.boot));
            tokio::pin!(load);
            loop {
                tokio::select! {
                    result = &mut load => break result,
                    () = self.output.pump(), if self.output.is_open() => {}
                    () = state.closed() => return Err(None),
                }
            }
        };
        let stage = "loading the adapter";
        let error = match result {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(BootError::Failed(failed))) => {
                self.bury().await;
                boot::failed(&recipe.boot.adapter, *failed)
            }
            Ok(Err(BootError::Arguments(error))) => {
                return Err(Some(boot::unfit_arguments(&error)));
            }
            Ok(Err(BootError::Link(LinkError::Violation(detail)))) => {
                self.process.kill();
                self.bury().await;
                LaunchError::new(LaunchErrorKind::Protocol(detail))
            }
            Ok(Err(BootError::Link(LinkError::Closed))) => {
                let status = self.bury().await;
                LaunchError::new(LaunchErrorKind::Exited { stage, status })
                    .with_hint(boot::NOT_READY)
            }
            Err(_) => {
                self.process.kill();
                self.bury().await;
                late(stage, patience)
                    .with_hint("raise `startup_timeout`, or move work from import time to `setup`")
            }
        };
        Err(Some(error.with_output(self.output.tail())))
    }

    /// Forks on request until the zygote ends, which gives an error, or nobody needs it.
    async fn serve(&mut self, mut requests: mpsc::UnboundedReceiver<Fork>) -> Option<LaunchError> {
        self.process.serves = true;
        let problem = loop {
            tokio::select! {
                request = requests.recv() => match request {
                    None => return None,
                    Some(fork) => self.ask(fork),
                },
                message = self.link.receive() => match message.and_then(|message| self.take(message)) {
                    Ok(()) => {}
                    Err(problem) => break problem,
                },
                () = self.output.pump(), if self.output.is_open() => {}
            }
        };
        let kind = match problem {
            LinkError::Closed => LaunchErrorKind::Exited {
                stage: "forking",
                status: self.bury().await,
            },
            LinkError::Violation(detail) => {
                self.process.kill();
                self.bury().await;
                LaunchErrorKind::Other {
                    message: format!("the zygote broke the protocol: {detail}"),
                    permanent: false,
                }
            }
        };
        Some(LaunchError::new(kind).with_output(self.output.tail()))
    }

    fn ask(
        &mut self,
        Fork {
            hello,
            descriptors,
            reply,
        }: Fork,
    ) {
        if reply.is_closed() {
            return; // the launch was dropped: its descriptors go with the request
        }
        self.launches += 1;
        // When this fails the zygote is gone, which the link says too; dropping the reply says it to the launch.
        if self
            .link
            .send_with(Kind::Fork, self.launches, &hello, &descriptors)
            .is_ok()
        {
            self.asked.insert(self.launches, reply);
        }
    }

    fn take(&mut self, message: Message) -> Result<(), LinkError> {
        let Message {
            kind,
            id,
            body,
            descriptor,
            exhausted,
        } = message;
        let violation = |detail: String| LinkError::Violation(format!("{} {detail}", kind.name()));
        let malformed = |error| violation(format!("is malformed: {error}"));
        match kind {
            Kind::Forked => {
                let ForkedMessage { pid } = serde_json::from_slice(&body).map_err(malformed)?;
                let reply = self.asked.remove(&id);
                let reply = reply.ok_or_else(|| violation(format!("for unknown launch {id}")))?;
                let (reaped, status) = oneshot::channel();
                self.living.insert(id, reaped);
                // If the launch was dropped meanwhile, the leash comes back, and dropping it kills the worker. Without
                // a leash nobody takes the worker, and the end of its connections is the end of it.
                drop(reply.send(match descriptor {
                    Some(pidfd) => Ok(Forked {
                        leash: Leash::new(pid, pidfd),
                        status,
                    }),
                    None => Err(ForkError::Failed(no_pidfd(exhausted))),
                }));
            }
            Kind::Refused => {
                let message: RefusedMessage = serde_json::from_slice(&body).map_err(malformed)?;
                let reply = self.asked.remove(&id);
                let reply = reply.ok_or_else(|| violation(format!("for unknown launch {id}")))?;
                let mut reason = message.reason;
                if reason.starts_with("fork failed") {
                    // Not a matter of safety, and it may pass.
                    let kind = LaunchErrorKind::Other {
                        message: reason,
                        permanent: false,
                    };
                    let hint =
                        "the machine is out of processes or memory, or a limit (`ulimit -u`) is";
                    let error = LaunchError::new(kind).with_hint(hint);
                    drop(reply.send(Err(ForkError::Failed(error))));
                    return Ok(());
                }
                if !message.threads.is_empty() {
                    reason = format!("{reason} (threads: {})", message.threads.join(", "));
                }
                drop(reply.send(Err(ForkError::Refused(reason))));
            }
            Kind::Exited => {
                let message: ExitedMessage = serde_json::from_slice(&body).map_err(malformed)?;
                let reaped = self.living.remove(&id);
                let reaped = reaped.ok_or_else(|| violation(format!("for unknown launch {id}")))?;
                let _ = reaped.send(match (message.code, message.signal) {
                    (Some(code), None) => ExitStatus::Code(code),
                    (None, Some(signal)) => ExitStatus::Signal(signal),
                    _ => ExitStatus::Unknown,
                });
            }
            _ => return Err(violation("after READY".to_owned())),
        }
        Ok(())
    }

    /// Waits for the end of a process that has closed its link or was killed, and for its last words.
    async fn bury(&mut self) -> ExitStatus {
        let status = match timeout(LAST_WORD, self.process.status()).await {
            Ok(status) => status,
            Err(_) => {
                self.process.kill();
                timeout(BURIAL, self.process.status())
                    .await
                    .unwrap_or(Ok(ExitStatus::Unknown))
            }
        };
        let drain = async {
            while self.output.is_open() {
                self.output.pump().await;
            }
        };
        let _ = timeout(ECHO, drain).await;
        status.unwrap_or(ExitStatus::Unknown)
    }
}

fn late(stage: &'static str, after: Duration) -> LaunchError {
    let kind = LaunchErrorKind::TimedOut { stage, after };
    LaunchError::new(kind).with_hint("raise `startup_timeout`")
}

/// The error for a worker that came without the descriptor it is held by.
fn no_pidfd(exhausted: bool) -> LaunchError {
    if exhausted {
        return boot::cannot_start("worker", rustix::io::Errno::MFILE.into());
    }
    let message = "the zygote could not open a pidfd".to_owned();
    LaunchError::new(LaunchErrorKind::Other {
        message,
        permanent: true,
    })
    .with_hint("this needs Linux 5.4 or newer, and a sandbox that allows `pidfd_open`")
}
