//! Starts processes from one thread that never ends, and reaps them there; must not know what they are for.
//!
//! Two facts of Linux ask for that thread. The signal a child asked to get when its parent dies comes when the *thread*
//! that started it ends, and threads of an async runtime end. And somebody has to reap, also when the runtime is gone.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use snakepit_core::error::ExitStatus;
use tokio::sync::oneshot;

use super::guardian::{Guardian, Role};
use crate::leash::Leash;
use crate::reap::reap;

/// How long a process may take to end after it was told to.
const MERCY: Duration = Duration::from_secs(2);

/// A process that was started. Killed when the leash is dropped, reaped in any case.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) leash: Leash,
    /// How it ended, once it has been reaped.
    pub(crate) status: oneshot::Receiver<ExitStatus>,
}

/// Starts a process as leader of its own group. The group is killed when its leader has died.
///
/// # Cancel safety
/// If dropped, the process is not started, or killed at once.
pub(crate) async fn spawn(command: Command) -> io::Result<Spawned> {
    let (reply, answer) = oneshot::channel();
    spawner()?.submit(Job::Spawn {
        command: Box::new(command),
        reply,
    });
    answer
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the spawner thread is gone")))
}

/// Leaves a process that was told to end a little time to do so, then kills it.
pub(crate) fn dismiss(leash: Leash, ward: Ward) {
    let until = Instant::now() + MERCY;
    submit(Job::Dismiss(Dismissed {
        leash,
        until,
        _ward: ward,
    }));
}

/// A process that was told to end.
struct Dismissed {
    leash: Leash,
    until: Instant,
    _ward: Ward,
}

/// Has a process and what it started killed when this process dies before it, for as long as it is held: until the process
/// is dead and its group was killed.
#[derive(Debug)]
pub(crate) struct Ward(u32);

impl Ward {
    /// Guards the group that this process leads. `python` is an interpreter to do it with.
    pub(crate) fn new(python: &Path, leader: u32, role: Role) -> Self {
        let python = python.into();
        submit(Job::Guard {
            python,
            leader,
            role,
        });
        Self(leader)
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        submit(Job::Release(self.0));
    }
}

fn submit(job: Job) {
    // A worker that runs was started by it, or by a zygote that was.
    if let Ok(spawner) = spawner() {
        spawner.submit(job);
    }
}

enum Job {
    Spawn {
        command: Box<Command>,
        reply: oneshot::Sender<io::Result<Spawned>>,
    },
    Dismiss(Dismissed),
    Guard {
        python: OsString,
        leader: u32,
        role: Role,
    },
    Release(u32),
}

struct Spawner {
    jobs: mpsc::Sender<Job>,
    wake: OwnedFd,
}

impl Spawner {
    fn submit(&self, job: Job) {
        // If the thread were gone, the reply would be dropped with the job, and the caller would see that.
        let _ = self.jobs.send(job);
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

fn spawner() -> io::Result<&'static Spawner> {
    static SPAWNER: OnceLock<Spawner> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(spawner) = SPAWNER.get() {
        return Ok(spawner);
    }
    let _one_at_a_time = STARTING.lock();
    if let Some(spawner) = SPAWNER.get() {
        return Ok(spawner);
    }
    // What is missing now, be it threads or descriptors, may be there the next time.
    let spawner = start()?;
    Ok(SPAWNER.get_or_init(|| spawner))
}

fn start() -> io::Result<Spawner> {
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let woken = wake.try_clone()?;
    let (jobs, inbox) = mpsc::channel();
    std::thread::Builder::new()
        .name("snakepit-spawner".into())
        .spawn(move || run(&inbox, &woken))?;
    Ok(Spawner { jobs, wake })
}

/// A started process that has not been reaped.
pub(super) struct Living {
    pid: u32,
    pidfd: OwnedFd,
    status: oneshot::Sender<ExitStatus>,
}

fn run(inbox: &mpsc::Receiver<Job>, woken: &OwnedFd) {
    let mut living: Vec<Living> = Vec::new();
    let mut dismissed: Vec<Dismissed> = Vec::new();
    let mut guardian = Guardian::default();
    loop {
        let _ = rustix::io::read(woken, &mut [0_u8; 8]);
        for job in inbox.try_iter() {
            match job {
                Job::Spawn { command, reply } => {
                    let result = launch(*command).map(|(spawned, alive)| {
                        living.push(alive);
                        spawned
                    });
                    // If nobody waits any more, dropping the answer kills the process; it is reaped below.
                    drop(reply.send(result));
                }
                Job::Dismiss(process) => dismissed.push(process),
                Job::Guard {
                    python,
                    leader,
                    role,
                } => guardian.guard(python, leader, role),
                Job::Release(leader) => guardian.release(leader),
            }
        }
        living.extend(guardian.keep());
        let now = Instant::now();
        dismissed.retain(|dismissed| {
            let pid = dismissed.leash.pid();
            let lives = living.iter().any(|process| process.pid == pid);
            lives && dismissed.until > now
        });
        let next = dismissed.iter().map(|process| process.until - now).min();
        living = wait(living, woken, next);
    }
}

/// Waits until there is something to do; reaps the dead and returns the others.
fn wait(living: Vec<Living>, woken: &OwnedFd, at_most: Option<Duration>) -> Vec<Living> {
    let mut fds: Vec<_> = std::iter::once(woken.as_fd())
        .chain(living.iter().map(|process| process.pidfd.as_fd()))
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let at_most = at_most.and_then(|time| Timespec::try_from(time).ok());
    if poll(&mut fds, at_most.as_ref()).is_err() {
        return living; // interrupted
    }
    let dead: Vec<bool> = fds[1..].iter().map(|fd| !fd.revents().is_empty()).collect();
    let mut rest = Vec::with_capacity(living.len());
    for (process, dead) in living.into_iter().zip(dead) {
        if dead {
            // Unknown if somebody else in this program has reaped it, waiting for any child at all.
            let status = reap(process.pidfd.as_fd(), process.pid).unwrap_or(ExitStatus::Unknown);
            let _ = process.status.send(status);
        } else {
            rest.push(process);
        }
    }
    rest
}

pub(super) fn launch(mut command: Command) -> io::Result<(Spawned, Living)> {
    let mut child = std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn()?;
    // The child's ends of pipes and sockets live in the command: our copies would keep them open.
    drop(command);
    // Nobody else reaps, so the number still names our child.
    let open = || -> io::Result<(OwnedFd, OwnedFd)> {
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        Ok((pidfd.try_clone()?, pidfd))
    };
    let (pidfd, ours) = open().inspect_err(|_| discard(&mut child))?;
    let (status, ended) = oneshot::channel();
    let leash = Leash::new(child.id(), pidfd);
    Ok((
        Spawned {
            leash,
            status: ended,
        },
        Living {
            pid: child.id(),
            pidfd: ours,
            status,
        },
    ))
}

fn discard(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
