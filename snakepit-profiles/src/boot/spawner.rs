//! Starts processes from one thread that never ends, and reaps them there; must not know what they are for.
//!
//! Two facts of Linux ask for that thread. The signal a child asked to get when its parent dies comes when the *thread*
//! that started it ends, and threads of an async runtime end. And somebody has to reap, also when the runtime is gone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use snakepit_core::error::ExitStatus;
use tokio::sync::oneshot;

use super::guardian::{Ground, Guardian, Role};
use crate::leash::Leash;
use crate::reap::{kill_group, reap};

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

/// Has a process and what it started killed when this process dies before it. If it is dropped before it was
/// [`buried`](Self::buried), that goes on until the process is dead, and its group is killed then.
#[derive(Debug)]
pub(crate) struct Ward(Option<Leaving>);

/// A guarded process that nobody but its guardian sees to any more.
#[derive(Debug)]
struct Leaving {
    number: u64,
    leader: u32,
    pidfd: Arc<OwnedFd>,
}

impl Ward {
    /// Guards the group that this process leads, on an interpreter of this kind.
    pub(crate) fn new(ground: Ground, leash: &Leash, role: Role) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let leader = leash.pid();
        submit(Job::Guard {
            number,
            ground: Arc::new(ground),
            role,
            leader,
        });
        Self(Some(Leaving {
            number,
            leader,
            pidfd: leash.pidfd(),
        }))
    }

    /// Ends it for a process that is dead, and whose group was killed.
    pub(crate) fn buried(mut self) {
        if let Some(ward) = self.0.take() {
            submit(Job::Release(ward.number));
        }
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        if let Some(ward) = self.0.take() {
            submit(Job::Leave(ward));
        }
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
        number: u64,
        ground: Arc<Ground>,
        role: Role,
        leader: u32,
    },
    Release(u64),
    Leave(Leaving),
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
    let mut leaving: Vec<Leaving> = Vec::new();
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
                    number,
                    ground,
                    role,
                    leader,
                } => guardian.guard(number, ground, role, leader),
                Job::Release(number) => guardian.release(number),
                Job::Leave(ward) => leaving.push(ward),
            }
        }
        // Before the dead are reaped: until then, numbers of children of this process are their own.
        leaving.retain(|ward| {
            let lives = !is_readable(&ward.pidfd);
            if !lives {
                kill_group(ward.leader);
                guardian.release(ward.number);
            }
            lives
        });
        living = reap_dead(living);
        let now = Instant::now();
        living.extend(guardian.keep(now));
        dismissed.retain(|dismissed| {
            let pid = dismissed.leash.pid();
            let lives = living.iter().any(|process| process.pid == pid);
            lives && dismissed.until > now
        });
        let ends = dismissed.iter().map(|process| process.until);
        let next = ends.chain(guardian.wake_at()).min();
        let watched = std::iter::once(woken.as_fd())
            .chain(living.iter().map(|process| process.pidfd.as_fd()))
            .chain(leaving.iter().map(|ward| ward.pidfd.as_fd()))
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let untold = guardian.untold();
        let untold = untold.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT));
        wait(watched.chain(untold).collect(), next.map(|at| at - now));
    }
}

/// Waits until there is something to do, or is interrupted.
fn wait(mut watched: Vec<PollFd<'_>>, at_most: Option<Duration>) {
    let at_most = at_most.and_then(|time| Timespec::try_from(time).ok());
    let _ = poll(&mut watched, at_most.as_ref());
}

fn is_readable(fd: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(fd, PollFlags::IN)];
    poll(&mut watched, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Reaps the dead and returns the others.
fn reap_dead(living: Vec<Living>) -> Vec<Living> {
    let mut rest = Vec::with_capacity(living.len());
    for process in living {
        if is_readable(&process.pidfd) {
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
