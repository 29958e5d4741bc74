//! Runs a program to its end within bounds on time and output, and leaves nothing of it. Knows no Python.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// How much of standard output is kept; who prints more is no program of ours.
const MOST_OUTPUT: usize = 4 << 20;
/// How much of the end of standard error is kept.
const STDERR_TAIL: usize = 16 << 10;

/// Stops what is running, from another thread. Clones stop the same.
#[derive(Clone, Debug)]
pub struct Stop {
    event: Arc<OwnedFd>,
}

impl Stop {
    /// Nothing is stopped yet.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self {
            event: Arc::new(event),
        })
    }

    /// Kills what is running, and whatever would be run later.
    pub fn stop(&self) {
        // It cannot fail: nobody reads the counter, and it is far from full.
        let _ = rustix::io::write(&*self.event, &1_u64.to_ne_bytes());
    }
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) ended: Ended,
    pub(crate) stdout: Vec<u8>,
    /// Only the end of it.
    pub(crate) stderr: Vec<u8>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    ByItself(ExitStatus),
    TimedOut,
    TooMuchOutput,
    Stopped,
}

/// The exit code or the signal, for people.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => format!("signal {}", signal_name(number)),
        (None, None) => status.to_string(),
    }
}

/// The names of the signals that crashes end with.
fn signal_name(number: i32) -> String {
    let name = match number {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => return number.to_string(),
    };
    format!("{name} ({number})")
}

/// Runs `command` in a process group of its own, which is killed when its leader has ended or its time is up.
///
/// # Errors
/// It does not start, or the system refuses to watch it.
///
/// # Blocking
/// Until it has ended, at most `limit` and what killing takes.
pub(crate) fn run(command: &mut Command, limit: Duration, stop: Option<&Stop>) -> io::Result<Ran> {
    let deadline = Instant::now() + limit;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let mut group = Group {
        leader: child,
        ended: false,
    };
    let leader = pidfd_open(group.pid(), PidfdFlags::empty())?;
    let mut stdout = Pipe::new(group.leader.stdout.take().map(OwnedFd::from), usize::MAX)?;
    let mut stderr = Pipe::new(group.leader.stderr.take().map(OwnedFd::from), STDERR_TAIL)?;
    let ended = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let watched = [
            Some(leader.as_fd()),
            stop.map(|stop| stop.event.as_fd()),
            stdout.fd(),
            stderr.fd(),
        ];
        let [exited, stopped, out, err] = wait(watched, left)?;
        if out {
            stdout.read()?;
        }
        if err {
            stderr.read()?;
        }
        if exited {
            break None;
        }
        if stopped {
            break Some(Ended::Stopped);
        }
        if stdout.kept.len() > MOST_OUTPUT {
            break Some(Ended::TooMuchOutput);
        }
        if left.is_zero() {
            break Some(Ended::TimedOut);
        }
    };
    let status = group.end()?;
    // What it wrote just before its end. Whoever else holds the pipes is dead, or has left the group and does not count.
    stdout.read()?;
    stderr.read()?;
    Ok(Ran {
        ended: ended.unwrap_or(Ended::ByItself(status)),
        stdout: stdout.kept,
        stderr: stderr.kept,
    })
}

/// Which of these are ready; none when the time is up.
fn wait(watched: [Option<BorrowedFd<'_>>; 4], left: Duration) -> io::Result<[bool; 4]> {
    let mut polled: Vec<PollFd<'_>> = watched
        .iter()
        .flatten()
        .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
        .collect();
    let left = Timespec::try_from(left).ok();
    match poll(&mut polled, left.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut polled = polled.iter().map(|fd| !fd.revents().is_empty());
    Ok(watched.map(|fd| fd.is_some() && polled.next().unwrap_or(false)))
}

/// A process group by its leader. Killed when dropped.
struct Group {
    leader: Child,
    ended: bool,
}

impl Group {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.leader)
    }

    /// Kills what is left, then lets the number of the group be used again: in this order it cannot hit another.
    fn end(&mut self) -> io::Result<ExitStatus> {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        self.ended = true;
        self.leader.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.end();
        }
    }
}

/// The reading end of a pipe, and what came through it.
struct Pipe {
    file: Option<std::fs::File>,
    kept: Vec<u8>,
    most: usize,
}

impl Pipe {
    fn new(fd: Option<OwnedFd>, most: usize) -> io::Result<Self> {
        if let Some(fd) = &fd {
            rustix::io::ioctl_fionbio(fd, true)?;
        }
        Ok(Self {
            file: fd.map(Into::into),
            kept: Vec::new(),
            most,
        })
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(std::os::fd::AsFd::as_fd)
    }

    /// Reads what is there now, within reason: one who never stops printing must not keep us here.
    fn read(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut buffer = [0; 8192];
        for _ in 0..64 {
            match file.read(&mut buffer) {
                Ok(0) => {
                    self.file = None;
                    break;
                }
                Ok(count) => self.kept.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let excess = self.kept.len().saturating_sub(self.most);
        self.kept.drain(..excess);
        Ok(())
    }
}
