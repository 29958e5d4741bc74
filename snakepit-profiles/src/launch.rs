//! From a recipe to a worker that is ready, by fork or by exec; must not know calls.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use snakepit_core::error::LaunchErrorKind;
use snakepit_core::event::{LogLine, LogStream};
use snakepit_core::{LaunchContext, LaunchError, Launched};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::boot::{self, BootError, Booting, LinkError, Recipe};
use crate::frame::{Kind, PROTOCOL};
use crate::lane::Lane;
use crate::process::SpawnMode;
use crate::supervise::{self, Birth, Handle, supervise};
use crate::wires::{self, Ours};
use crate::worker::ProcessWorker;
use crate::zygote::{ForkError, Forked, Zygote};

/// How long a worker may take to die after it said why it cannot start.
const FAREWELL: Duration = Duration::from_secs(2);

/// A zygote that leaves a launch waiting for a fork this long will not be asked again.
const FORK_PATIENCE: Duration = Duration::from_secs(2);

/// Launches the workers of one profile.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) recipe: Arc<Recipe>,
    pub(crate) mode: SpawnMode,
    pub(crate) lanes: u16,
    zygote: Mutex<Option<Arc<Zygote>>>,
    /// Why the zygote may not fork. What an import has started does not go away.
    refused: Mutex<Option<String>>,
}

/// How far a launch has come, for the error if its time runs out.
struct Progress {
    stage: &'static str,
    worker: Option<Handle>,
}

/// The host's `HELLO`, as `FORK` and `BECOME` carry it.
#[derive(Serialize)]
struct HostHello<'a> {
    protocol: u32,
    features: [&'static str; 0],
    worker: &'a str,
    lanes: u16,
}

enum Failure {
    /// Forking is not safe here.
    Refused(String),
    /// The zygote ended before it answered.
    ZygoteGone(LaunchError),
    Error(LaunchError),
}

impl Launcher {
    pub(crate) fn new(recipe: Recipe, mode: SpawnMode, lanes: u16) -> Self {
        Self {
            recipe: Arc::new(recipe),
            mode,
            lanes,
            zygote: Mutex::new(None),
            refused: Mutex::new(None),
        }
    }

    /// Launches a worker.
    ///
    /// The limit in the context also ends a launch here, naming the stage; give whoever drops the future a little more.
    ///
    /// # Cancel safety
    /// If dropped, no worker is left. (A zygote may be: it belongs to the profile.)
    pub(crate) async fn launch(&self, cx: &LaunchContext) -> Result<Launched, LaunchError> {
        let deadline = Instant::now() + cx.timeout;
        let mut progress = Progress { stage: "starting", worker: None };
        // Outside the time limit: a zygote has one of its own, and more to say about it.
        let zygote = match self.zygote(cx) {
            Some(zygote) => {
                zygote.ready().await?;
                Some(zygote)
            }
            None => None,
        };
        let result = timeout_at(deadline, self.attempt(cx, zygote, &mut progress)).await;
        result.unwrap_or_else(|_| {
            let Progress { stage, worker } = progress;
            let after = cx.timeout;
            let error = LaunchError::new(LaunchErrorKind::TimedOut { stage, after });
            let tail = worker.map(|worker| worker.tail()).unwrap_or_default();
            Err(error.with_hint("raise `startup_timeout`").with_output(tail))
        })
    }

    async fn attempt(
        &self,
        cx: &LaunchContext,
        zygote: Option<Arc<Zygote>>,
        progress: &mut Progress,
    ) -> Result<Launched, LaunchError> {
        let mut zygote = zygote;
        let mut again = true;
        while let Some(parent) = zygote.take() {
            match self.fork(cx, &parent, progress).await {
                Ok(launched) => return Ok(launched),
                Err(Failure::Error(error)) => return Err(error),
                Err(Failure::ZygoteGone(error)) => {
                    // It was killed while it was idle, and so are its workers: a whole pool comes here at once. Once
                    // is bad luck, twice is a problem.
                    self.forget(&parent);
                    if !std::mem::take(&mut again) {
                        return Err(error);
                    }
                    progress.stage = "loading the adapter";
                    zygote = self.zygote(cx);
                    if let Some(zygote) = &zygote {
                        zygote.ready().await?;
                    }
                }
                Err(Failure::Refused(reason)) => self.refuse(cx, &parent, reason)?,
            }
        }
        self.exec(cx, progress).await
    }

    /// The zygote to fork from, if one is to be used.
    fn zygote(&self, cx: &LaunchContext) -> Option<Arc<Zygote>> {
        if self.mode == SpawnMode::Exec || self.refused.lock().is_some() {
            return None;
        }
        let mut current = self.zygote.lock();
        let zygote = match current.take() {
            Some(zygote) if !zygote.has_ended() => zygote,
            _ => Zygote::start(Arc::clone(&self.recipe), cx.timeout),
        };
        Some(Arc::clone(current.insert(zygote)))
    }

    /// Has the next launch start another zygote. This one ends with its workers.
    fn forget(&self, zygote: &Arc<Zygote>) {
        let mut current = self.zygote.lock();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, zygote)) {
            *current = None;
        }
    }

    fn refuse(
        &self,
        cx: &LaunchContext,
        zygote: &Arc<Zygote>,
        reason: String,
    ) -> Result<(), LaunchError> {
        if self.mode == SpawnMode::Zygote {
            let message = format!("the zygote cannot fork safely: {reason}");
            let kind = LaunchErrorKind::Other { message, permanent: true };
            return Err(LaunchError::new(kind)
                .with_hint("start threads in `setup` instead of at import, or use `spawn: auto`"));
        }
        // Every import that a launch by exec repeats is memory the zygote would hold for nothing.
        self.forget(zygote);
        let text = format!("workers are started by exec, not forked: {reason}");
        let mut line = LogLine::new(LogStream::Log, text);
        line.level = "WARNING".to_owned();
        line.logger = "snakepit".to_owned();
        (cx.output)(line);
        *self.refused.lock() = Some(reason);
        Ok(())
    }

    async fn fork(
        &self,
        cx: &LaunchContext,
        zygote: &Arc<Zygote>,
        progress: &mut Progress,
    ) -> Result<Launched, Failure> {
        progress.stage = "forking";
        let label = cx.label();
        let slot = zygote.slot().await;
        let (ours, theirs) =
            wires::wires(self.lanes).map_err(|error| cannot_connect(&label, error))?;
        let hello = self.hello(&label);
        let forked = {
            let _impatience = Impatience { launcher: self, zygote, since: Instant::now() };
            zygote.fork(hello, theirs.into_descriptors()).await
        };
        drop(slot);
        let Forked { leash, status } = match forked {
            Ok(forked) => forked,
            Err(ForkError::Refused(reason)) => return Err(Failure::Refused(reason)),
            Err(ForkError::Gone(error)) => return Err(Failure::ZygoteGone(error)),
            Err(ForkError::Failed(error)) => return Err(Failure::Error(error)),
        };
        let Ours { control, output, lanes } = ours;
        let lanes = self.lanes(&label, lanes)?;
        let sink = Arc::clone(&cx.output);
        let anchor: Option<Arc<dyn Send + Sync>> = Some(Arc::clone(zygote) as _);
        let worker = supervise::Worker {
            label: label.clone(),
            leash,
            status,
            control,
            output,
            lanes,
            sink,
            anchor,
        };
        let (handle, born) = supervise(worker).map_err(|error| cannot_connect(&label, error))?;
        let worker = Unborn(Some(handle));
        Ok(self.birth(worker, born, "zygote".to_owned(), progress).await?)
    }

    async fn exec(&self, cx: &LaunchContext, progress: &mut Progress) -> Result<Launched, LaunchError> {
        progress.stage = "starting the interpreter";
        let label = cx.label();
        let (ours, theirs) = wires::wires(self.lanes).map_err(|error| cannot_connect(&label, error))?;
        let Booting { mut link, process } = boot::start(&self.recipe, &theirs.output).await?;
        let Ours { control, output, lanes } = ours;
        let lanes = self.lanes(&label, lanes)?;
        let sink = Arc::clone(&cx.output);
        let worker = supervise::Worker {
            label: label.clone(),
            leash: process.leash,
            status: process.status,
            control,
            output,
            lanes,
            sink,
            anchor: None,
        };
        let (handle, born) = supervise(worker).map_err(|error| cannot_connect(&label, error))?;
        let worker = Unborn(Some(handle));
        progress.stage = "loading the adapter";
        progress.worker = worker.0.clone();
        let loaded = boot::load(&mut link, &self.recipe.boot).await;
        let become_worker = |()| {
            let descriptors = theirs.into_descriptors();
            let sent = link.send_with(Kind::Become, 0, &self.hello(&label), &descriptors);
            sent.map_err(BootError::Link)
        };
        match loaded.and_then(become_worker) {
            Ok(()) => {}
            Err(BootError::Failed(failed)) => {
                let error = boot::failed(&self.recipe.boot.adapter, failed);
                return Err(worker.autopsy(error).await);
            }
            Err(BootError::Arguments(error)) => return Err(boot::unfit_arguments(&error)),
            Err(BootError::Link(LinkError::Violation(detail))) => {
                worker.handle().violation(&detail);
                let error = LaunchError::new(LaunchErrorKind::Protocol(detail));
                return Err(worker.autopsy(error).await);
            }
            Err(BootError::Link(LinkError::Closed)) => return Err(worker.ended(progress.stage).await),
        }
        let how = match &*self.refused.lock() {
            Some(reason) => format!("exec: {reason}"),
            None => "exec".to_owned(),
        };
        let launched = self.birth(worker, born, how, progress).await;
        drop(link); // only now: its end would be a zygote's sign to leave
        launched
    }

    /// Waits until a process says that it is a worker.
    async fn birth(
        &self,
        worker: Unborn,
        born: oneshot::Receiver<Birth>,
        launch: String,
        progress: &mut Progress,
    ) -> Result<Launched, LaunchError> {
        progress.stage = "setting up the adapter";
        progress.worker = worker.0.clone();
        let (hello, text) = match born.await {
            Ok(Ok(hello)) => hello,
            Ok(Err(failed)) => {
                let error = boot::failed(&self.recipe.boot.adapter, failed);
                return Err(worker.autopsy(error).await);
            }
            Err(_) => return Err(worker.ended(progress.stage).await),
        };
        let problem = if hello.protocol != PROTOCOL {
            boot::other_protocol(hello.protocol)
        } else if hello.lanes != self.lanes {
            format!("it has {} lanes instead of {}", hello.lanes, self.lanes)
        } else {
            return Ok(ProcessWorker::launched(worker.born(), hello, &text, launch, &self.recipe));
        };
        worker.handle().violation(&problem);
        Err(worker.autopsy(LaunchError::new(LaunchErrorKind::Protocol(problem))).await)
    }

    fn lanes(
        &self,
        label: &str,
        sockets: Vec<std::os::fd::OwnedFd>,
    ) -> Result<Vec<Arc<Lane>>, LaunchError> {
        let limit = self.recipe.boot.max_frame;
        let lanes = sockets.into_iter().map(|socket| Lane::new(socket, limit).map(Arc::new));
        lanes.collect::<Result<_, _>>().map_err(|error| cannot_connect(label, error))
    }

    fn hello(&self, label: &str) -> Vec<u8> {
        let hello =
            HostHello { protocol: PROTOCOL, features: [], worker: label, lanes: self.lanes };
        serde_json::to_vec(&hello).expect("a message of strings and numbers")
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        Self::Error(error)
    }
}

fn cannot_connect(label: &str, error: std::io::Error) -> LaunchError {
    boot::cannot_start(format!("worker {label}"), error)
}

/// Has a zygote replaced that left a launch waiting until it was dropped. It may be stuck in a library that runs code
/// around forks; its workers are well, and it stays for them.
struct Impatience<'a> {
    launcher: &'a Launcher,
    zygote: &'a Arc<Zygote>,
    since: Instant,
}

impl Drop for Impatience<'_> {
    fn drop(&mut self) {
        if self.since.elapsed() > FORK_PATIENCE {
            self.launcher.forget(self.zygote);
        }
    }
}

/// A process that is not a worker yet. Killed when dropped.
struct Unborn(Option<Handle>);

impl Unborn {
    fn handle(&self) -> &Handle {
        self.0.as_ref().expect("there until born")
    }

    fn born(mut self) -> Handle {
        self.0.take().expect("there until born")
    }

    /// The error of a process that ended by itself, or closed its connections.
    async fn ended(self, stage: &'static str) -> LaunchError {
        self.handle().lost(snakepit_core::Delivery::NotSent).await;
        let report = self.handle().exited().await;
        let kind = match self.handle().broken_rule() {
            Some(detail) => LaunchErrorKind::Protocol(detail),
            None => LaunchErrorKind::Exited { stage, status: report.status },
        };
        LaunchError::new(kind).with_output(report.output.clone())
    }

    /// The given error with the last words of a process that is about to end.
    async fn autopsy(self, error: LaunchError) -> LaunchError {
        let output = match timeout(FAREWELL, self.handle().exited()).await {
            Ok(report) => report.output.clone(),
            Err(_) => self.handle().tail(),
        };
        error.with_output(output)
    }
}

impl Drop for Unborn {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort("its launch was abandoned");
        }
    }
}
