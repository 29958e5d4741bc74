//! Starts processes from one thread that never ends, and reaps them there; must not know what they are for.
//!
//! Two facts of Linux ask for that thread. The signal a child asked to get when its parent dies comes when the *thread*
//! that started it ends, and threads of an async runtime end. And somebody has to reap, also when the runtime is gone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use snakepit_core::error::ExitStatus;
use tokio::sync::oneshot;

use super::guardian::Guardian;
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

/// Starts a process as leader of its own group. The group is killed when its leader has died; if it is `guarded`, also when
/// this process dies first.
///
/// # Cancel safety
/// If dropped, the process is not started, or killed at once.
pub(crate) async fn spawn(command: Command, guarded: bool) -> io::Result<Spawned> {
    let (reply, answer) = oneshot::channel();
    spawner()?.submit(Job::Spawn {
        command: Box::new(command),
        guarded,
        reply,
    });
    answer
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the spawner thread is gone")))
}

/// Leaves a process that was told to end a little time to do so, then kills it.
pub(crate) fn dismiss(leash: Leash) {
    match spawner() {
        Ok(spawner) => spawner.submit(Job::Dismiss(leash, Instant::now() + MERCY)),
        Err(_) => drop(leash),
    }
}

enum Job {
    Spawn {
        command: Box<Command>,
        guarded: bool,
        reply: oneshot::Sender<io::Result<Spawned>>,
    },
    Dismiss(Leash, Instant),
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
struct Living {
    pid: u32,
    pidfd: OwnedFd,
    status: oneshot::Sender<ExitStatus>,
}

fn run(inbox: &mpsc::Receiver<Job>, woken: &OwnedFd) {
    let mut living: Vec<Living> = Vec::new();
    let mut dismissed: Vec<(Leash, Instant)> = Vec::new();
    let mut guardian = Guardian::default();
    loop {
        let _ = rustix::io::read(woken, &mut [0_u8; 8]);
        for job in inbox.try_iter() {
            match job {
                Job::Spawn {
                    command,
                    guarded,
                    reply,
                } => {
                    let python = guarded.then(|| command.get_program().to_owned());
                    let result = launch(*command).map(|(spawned, alive)| {
                        if let Some(python) = python {
                            guardian.guard(&python, alive.pid);
                        }
                        living.push(alive);
                        spawned
                    });
                    // If nobody waits any more, dropping the answer kills the process; it is reaped below.
                    drop(reply.send(result));
                }
                Job::Dismiss(leash, until) => dismissed.push((leash, until)),
            }
        }
        let now = Instant::now();
        dismissed.retain(|(leash, until)| {
            let lives = living.iter().any(|process| process.pid == leash.pid());
            lives && *until > now
        });
        let next = dismissed.iter().map(|(_, until)| *until - now).min();
        living = wait(living, woken, next, &mut guardian);
    }
}

/// Waits until there is something to do; reaps the dead and returns the others.
fn wait(
    living: Vec<Living>,
    woken: &OwnedFd,
    at_most: Option<Duration>,
    guardian: &mut Guardian,
) -> Vec<Living> {
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
            guardian.release(process.pid);
            // Unknown if somebody else in this program has reaped it, waiting for any child at all.
            let status = reap(process.pidfd.as_fd(), process.pid).unwrap_or(ExitStatus::Unknown);
            let _ = process.status.send(status);
        } else {
            rest.push(process);
        }
    }
    rest
}

fn launch(mut command: Command) -> io::Result<(Spawned, Living)> {
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
