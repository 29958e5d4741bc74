//! From a recipe to a worker that is ready, by fork or by exec; must not know calls.

mod compat;
mod hello;
mod nursery;
mod rules;
mod unborn;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use snakepit_core::error::{ExitStatus, LaunchErrorKind};
use snakepit_core::{Ceiling, LaunchContext, LaunchError, Launched};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::boot::{self, BootError, Booting, Ground, LinkError, Recipe, Role, Ward};
use crate::ceiling::Supply;
use crate::cgroup::{self, Group};
use crate::facts::Finding;
use crate::frame::{Kind, PROTOCOL};
use crate::lane::Lane;
use crate::leash::Leash;
use crate::settings::{LaneKind, Lanes, SpawnMode, Unserialisable};
use crate::supervise::{self, Birth, Handle, Parent, supervise};
use crate::wires::{self, Ours};
use crate::worker::{Catalogue, ProcessWorker};
use crate::zygote::{ForkError, Zygote};

use nursery::Nursery;
pub(crate) use rules::Rules;
use unborn::Unborn;

/// Launches the workers of one profile.
#[derive(Debug)]
pub(crate) struct Launcher {
    recipe: Arc<Recipe>,
    nursery: Arc<Nursery>,
    lanes: Lanes,
    rules: Rules,
    unserialisable: Unserialisable,
    catalogue: Catalogue,
    /// Each worker has a clone.
    workers: Arc<()>,
}

/// How far a launch has come, for the error if its time runs out.
struct Progress {
    stage: &'static str,
    worker: Option<Handle>,
}

/// A process that is to become a worker.
struct Embryo {
    leash: Leash,
    ward: Ward,
    status: oneshot::Receiver<ExitStatus>,
    ours: Ours,
    parent: Option<Arc<dyn Parent>>,
    group: Option<Group>,
}

/// Why there is no forked worker.
enum Failure {
    /// Forking is not safe here.
    Refused(String),
    /// The zygote ended before there was a worker.
    ZygoteGone(LaunchError),
    /// Anything that another zygote would not change.
    Error(LaunchError),
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        Self::Error(error)
    }
}

impl Launcher {
    /// A launcher of workers with such lanes, which are held to the rules.
    pub(crate) fn new(
        recipe: Recipe,
        mode: SpawnMode,
        lanes: Lanes,
        rules: Rules,
        unserialisable: Unserialisable,
    ) -> Self {
        let recipe = Arc::new(recipe);
        let nursery = Nursery::new(Arc::clone(&recipe), mode);
        Self {
            recipe,
            nursery,
            lanes,
            rules,
            unserialisable,
            catalogue: Catalogue::default(),
            workers: Arc::default(),
        }
    }

    /// How many workers can be run here, and why not more.
    ///
    /// # Blocking
    /// Reads a few small files which are no files.
    pub(crate) fn ceiling(&self) -> Option<Ceiling> {
        let lanes = u64::from(self.lanes.count);
        let supply = Supply {
            workers: Arc::strong_count(&self.workers) as u64 - 1,
            files: getrlimit(Resource::Nofile).current,
            open: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
            // Control, output, pidfd, and for the reaper of an executed one another pidfd.
            files_each: lanes + 3 + u64::from(self.nursery.executes()),
            tasks: cgroup::tasks(),
            // The main thread, which may be a lane, and the one that listens to control.
            tasks_each: 2 + u64::from(self.lanes.kind != LaneKind::Main) * lanes,
        };
        supply.ceiling()
    }

    /// Has the launches that follow load everything anew.
    pub(crate) fn renew(&self) {
        self.nursery.renew();
    }

    /// Launches a worker.
    ///
    /// # Cancel safety
    /// If dropped, no worker is left. (A zygote may be: it belongs to the profile.)
    pub(crate) async fn launch(&self, cx: &LaunchContext) -> Result<Launched, LaunchError> {
        let deadline = Instant::now() + limit(cx);
        let mut progress = Progress {
            stage: "starting",
            worker: None,
        };
        // Outside the time limit: a zygote has one of its own, and more to say about it.
        let zygote = self.nursery.zygote(cx).await?;
        let result = timeout_at(deadline, self.attempt(cx, zygote, &mut progress)).await;
        result.unwrap_or_else(|_| {
            let Progress { stage, worker } = progress;
            let error = LaunchError::new(LaunchErrorKind::TimedOut {
                stage,
                after: cx.timeout,
            });
            let said = worker.map(|worker| worker.last_words()).unwrap_or_default();
            Err(error.with_hint("raise `startup_timeout`").with_output(said))
        })
    }

    async fn attempt(
        &self,
        cx: &LaunchContext,
        mut zygote: Option<Arc<Zygote>>,
        progress: &mut Progress,
    ) -> Result<Launched, LaunchError> {
        let mut again = true;
        while let Some(parent) = zygote.take() {
            match self.fork(cx, &parent, progress).await {
                Ok(launched) => return Ok(launched),
                Err(Failure::Error(error)) => return Err(error),
                Err(Failure::Refused(reason)) => self.nursery.refuse(cx, &parent, &reason)?,
                Err(Failure::ZygoteGone(error)) => {
                    // It was killed while it was idle, and its workers with it: a whole pool comes here at once. Once
                    // is bad luck, twice is a problem.
                    self.nursery.forget(&parent);
                    if !std::mem::take(&mut again) {
                        return Err(error);
                    }
                    progress.stage = "loading the adapter";
                    zygote = self.nursery.zygote(cx).await?;
                }
            }
        }
        self.exec(cx, progress).await
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
            wires::wires(self.lanes.count).map_err(|error| cannot_connect(&label, error))?;
        let group = group(cx);
        let forked = {
            let _impatience = self.nursery.impatience(zygote, cx.timeout / 2);
            let hello = self.hello(cx, group.as_ref());
            zygote.fork(hello, theirs.into_descriptors()).await
        };
        drop(slot);
        let forked = forked.map_err(|error| match error {
            ForkError::Refused(reason) => Failure::Refused(reason),
            ForkError::Gone(error) => Failure::ZygoteGone(error),
            ForkError::Failed(error) => Failure::Error(error),
        })?;
        let embryo = Embryo {
            ward: self.guard(&forked.leash).await?,
            leash: forked.leash,
            status: forked.status,
            ours,
            parent: Some(Arc::clone(zygote) as _),
            group,
        };
        let (worker, born) = self.watch(cx, embryo)?;
        let launch = "zygote".to_owned();
        let launched = self.birth(cx, worker, born, launch, progress).await;
        launched.map_err(|error| {
            if zygote.has_ended() {
                Failure::ZygoteGone(error)
            } else {
                Failure::Error(error)
            }
        })
    }

    async fn exec(
        &self,
        cx: &LaunchContext,
        progress: &mut Progress,
    ) -> Result<Launched, LaunchError> {
        progress.stage = "starting the interpreter";
        let label = cx.label();
        let (ours, theirs) =
            wires::wires(self.lanes.count).map_err(|error| cannot_connect(&label, error))?;
        let Booting { mut link, process } = boot::start(&self.recipe, &theirs.output).await?;
        // Now, not by its HELLO: what the adapter imports until then is to count. One that cannot be moved is measured.
        let group = group(cx).filter(|group| group.join(process.leash.pid()).is_ok());
        let hello = self.hello(cx, None);
        let embryo = Embryo {
            ward: self.guard(&process.leash).await?,
            leash: process.leash,
            status: process.status,
            ours,
            parent: None,
            group,
        };
        let (worker, born) = self.watch(cx, embryo)?;
        progress.stage = "loading the adapter";
        progress.worker = Some(worker.handle().clone());
        let loaded = boot::load(&mut link, &self.recipe.boot).await;
        // By value: our copies of the worker's ends are closed in any case, or its death would not show.
        let hand_over = |()| {
            let descriptors = theirs.into_descriptors();
            let sent = link.send_with(Kind::Become, 0, &hello, &descriptors);
            sent.map_err(BootError::Link)
        };
        if let Err(error) = loaded.and_then(hand_over) {
            return Err(self.stillborn(worker, error, progress.stage).await);
        }
        let how = match self.nursery.refusal() {
            Some(reason) => format!("exec: {reason}"),
            None => "exec".to_owned(),
        };
        let launched = self.birth(cx, worker, born, how, progress).await;
        drop(link); // only now: its end would be a zygote's sign to leave
        launched
    }

    /// Has what a new process starts killed if this one dies.
    async fn guard(&self, leash: &Leash) -> Result<Ward, LaunchError> {
        let python = self.recipe.python.path(&self.recipe.env).await?;
        let ground = Ground::new(python, &self.recipe.env);
        Ok(Ward::new(ground, leash, Role::Worker))
    }

    /// Has a new process watched.
    fn watch(
        &self,
        cx: &LaunchContext,
        embryo: Embryo,
    ) -> Result<(Unborn, oneshot::Receiver<Birth>), LaunchError> {
        let label = cx.label();
        let Ours {
            control,
            output,
            lanes,
        } = embryo.ours;
        let lane = |socket: OwnedFd| Lane::new(socket, self.recipe.boot.max_frame).map(Arc::new);
        let start = || -> io::Result<_> {
            supervise(supervise::Worker {
                label: label.clone(),
                leash: embryo.leash,
                ward: embryo.ward,
                status: embryo.status,
                control,
                output,
                lanes: lanes.into_iter().map(lane).collect::<Result<_, _>>()?,
                sink: Arc::clone(&cx.output),
                findings: self.findings(cx),
                telemetry: Arc::clone(&cx.telemetry),
                parent: embryo.parent,
                group: embryo.group,
                place: Arc::clone(&self.workers),
            })
        };
        let (handle, born) = start().map_err(|error| cannot_connect(&label, error))?;
        Ok((Unborn::new(handle), born))
    }

    /// What takes a worker's findings.
    fn findings(&self, cx: &LaunchContext) -> Arc<dyn Fn(Finding) + Send + Sync> {
        let (rules, notices) = (self.rules, Arc::clone(&cx.notices));
        Arc::new(move |finding| {
            if let Some(notice) = rules.found(&finding) {
                notices(notice);
            }
        })
    }

    /// Waits until a process says that it is a worker.
    async fn birth(
        &self,
        cx: &LaunchContext,
        worker: Unborn,
        born: oneshot::Receiver<Birth>,
        launch: String,
        progress: &mut Progress,
    ) -> Result<Launched, LaunchError> {
        progress.stage = "setting up the adapter";
        progress.worker = Some(worker.handle().clone());
        let (hello, text) = match born.await {
            Ok(Ok(hello)) => hello,
            Ok(Err(failure)) => {
                let error = BootError::Failed(Box::new(failure));
                return Err(self.stillborn(worker, error, progress.stage).await);
            }
            Err(_) => return Err(worker.ended(progress.stage).await),
        };
        let problem = if hello.protocol != PROTOCOL {
            boot::other_protocol(hello.protocol)
        } else if hello.lanes != self.lanes.count {
            let (has, wanted) = (hello.lanes, self.lanes.count);
            format!("it has {has} lanes instead of {wanted}")
        } else {
            let rules = self.rules.admit(self.lanes, &hello.facts)?;
            for notice in rules
                .into_iter()
                .chain(compat::notices(self.lanes, &hello.facts))
            {
                (cx.notices)(notice);
            }
            return Ok(ProcessWorker::launched(
                worker.born(),
                hello,
                &text,
                launch,
                &self.recipe,
                &self.catalogue,
            ));
        };
        let error = BootError::Link(LinkError::Violation(problem));
        Err(self.stillborn(worker, error, progress.stage).await)
    }

    /// The error of a process that did not become a worker, once it is gone.
    async fn stillborn(
        &self,
        worker: Unborn,
        error: BootError,
        stage: &'static str,
    ) -> LaunchError {
        match error {
            BootError::Failed(failure) => {
                worker
                    .autopsy(boot::failed(&self.recipe.boot.adapter, *failure))
                    .await
            }
            BootError::Arguments(error) => boot::unfit_arguments(&error),
            BootError::Link(LinkError::Closed) => {
                worker.ended(stage).await.with_hint(boot::NOT_READY)
            }
            BootError::Link(LinkError::Violation(detail)) => {
                worker.handle().violation(&detail);
                worker
                    .autopsy(LaunchError::new(LaunchErrorKind::Protocol(detail)))
                    .await
            }
        }
    }

    fn hello(&self, cx: &LaunchContext, group: Option<&Group>) -> Vec<u8> {
        let order = hello::Order {
            worker: &cx.label(),
            lanes: self.lanes,
            unserialisable: self.unserialisable,
            thread_safety: self.rules.thread_safety,
            limits: cx.limits,
            cgroup: group.map(Group::folder),
        };
        order.encode()
    }
}

/// The control group of a worker whose memory is to be limited, where that can be.
fn group(cx: &LaunchContext) -> Option<Group> {
    cgroup::note_kills();
    cx.limits.hard_memory.and_then(cgroup::limited)
}

/// The limit of a launch: a little less than the pool's own, which knows nothing of stages and last words.
fn limit(cx: &LaunchContext) -> Duration {
    cx.timeout
        .saturating_sub((cx.timeout / 20).min(Duration::from_millis(200)))
}

fn cannot_connect(label: &str, error: io::Error) -> LaunchError {
    boot::cannot_start(format!("worker {label}"), error)
}
