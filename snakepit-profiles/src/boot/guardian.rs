//! A process that outlives this one by a moment, to kill what workers leave behind; must not know workers.
//!
//! Two things are missing when this process is killed. The kernel kills a worker with its parent, but not what the worker
//! started. And a zygote, which would, waits for the processor as one of many busy processes. The guardian is not one of
//! them: a small interpreter in the session of this process, asleep on a connection whose end is the end of this process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use tokio::sync::oneshot::error::TryRecvError;

use super::spawner::{Living, Spawned, launch};
use crate::wires;

/// Takes `ward number role pid` and `gone number`, line by line. A pid that is still there at the end names the group of a
/// process that was not reaped while somebody could, so it is no other group's yet.
///
/// Zygotes get a moment to see to workers that nobody has heard of yet. They may be stopped, or hang.
const PROGRAM: &str = "
import os, sys, time
wards = {}
for line in sys.stdin:
    words = line.split()
    if words[0] == 'ward':
        wards[words[1]] = words[2], int(words[3])
    else:
        wards.pop(words[1], None)
def each(wanted, kill, signal):
    found = 0
    for role, pid in wards.values():
        if role == wanted:
            try:
                kill(pid, signal)
                found += 1
            except OSError:
                pass
    return found
each('worker', os.killpg, 9)
each('zygote', os.kill, 18)
patience = 10
while patience and each('zygote', os.kill, 0):
    time.sleep(0.005)
    patience -= 1
each('zygote', os.killpg, 9)
";

/// How long it has to have lived for its end to be an accident, after which another is started at once.
const ACCIDENT: Duration = Duration::from_secs(1);

/// The pause before another try, after the first failure and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// What may wait to be read. More than all the workers there can be need: who leaves that does not listen any more.
const BACKLOG: usize = 4 << 20;

/// Without these, some interpreters do not find their own libraries.
const NEEDED: [&str; 2] = ["LD_LIBRARY_PATH", "PYTHONHOME"];

/// What a guarded process is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Its group is killed at once.
    Worker,
    /// It kills the groups of its workers, and ends.
    Zygote,
}

/// An interpreter that a guardian may run on, and what it needs to be found in the environment.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    python: PathBuf,
    env: Vec<(&'static str, String)>,
}

impl Ground {
    /// For an interpreter that runs with these variables of its own.
    pub(crate) fn new(python: &Path, env: &BTreeMap<String, String>) -> Self {
        let own = |name| Some((name, env.get(name)?.clone()));
        Self {
            python: python.into(),
            env: NEEDED.into_iter().filter_map(own).collect(),
        }
    }
}

/// Watches over the groups of processes.
#[derive(Debug, Default)]
pub(super) struct Guardian {
    wards: BTreeMap<u64, (Role, u32)>,
    ground: Option<Arc<Ground>>,
    post: Option<Post>,
    failures: u32,
    not_before: Option<Instant>,
}

/// The process that does it.
#[derive(Debug)]
struct Post {
    process: Spawned,
    since: Instant,
    line: Line,
}

/// Where it is told.
#[derive(Debug)]
struct Line {
    end: OwnedFd,
    /// What it has yet to be told.
    untold: Vec<u8>,
}

impl Guardian {
    /// Has a process and its group killed if this one dies first.
    pub(super) fn guard(&mut self, number: u64, ground: Arc<Ground>, role: Role, leader: u32) {
        self.ground = Some(ground);
        self.wards.insert(number, (role, leader));
        if let Some(post) = &mut self.post {
            post.line.ward(number, role, leader);
        }
    }

    /// Lets go of a group that is no more.
    pub(super) fn release(&mut self, number: u64) {
        self.wards.remove(&number);
        if let Some(post) = &mut self.post {
            post.line.gone(number);
        }
    }

    /// Sees to it that there is a guardian while it has wards, and none without, and that it is told; returns a new one. Not
    /// being able to is no reason not to go on.
    pub(super) fn keep(&mut self, now: Instant) -> Option<Living> {
        if self.wards.is_empty() {
            self.post = None;
            return None;
        }
        if let Some(post) = &mut self.post {
            if post.is_held() && post.line.tell() {
                return None;
            }
            self.lost(now);
        }
        if self.not_before.is_some_and(|at| now < at) {
            return None;
        }
        let Ok((post, living)) = Post::start(self.ground.as_deref()?, &self.wards, now) else {
            self.failed(now);
            return None;
        };
        self.post = Some(post);
        Some(living)
    }

    /// When to `keep` again, though nothing has happened.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.not_before
            .filter(|_| self.post.is_none() && !self.wards.is_empty())
    }

    /// Where it can be told more, if there is more.
    pub(super) fn untold(&self) -> Option<BorrowedFd<'_>> {
        let line = &self.post.as_ref()?.line;
        (!line.untold.is_empty()).then(|| line.end.as_fd())
    }

    fn lost(&mut self, now: Instant) {
        if let Some(post) = self.post.take() {
            if now.duration_since(post.since) < ACCIDENT {
                self.failed(now);
            } else {
                (self.failures, self.not_before) = (0, None);
            }
        }
    }

    fn failed(&mut self, now: Instant) {
        let pause = PAUSES.0.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        self.not_before = Some(now + pause.min(PAUSES.1));
    }
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Zygote => "zygote",
        }
    }
}

impl Post {
    fn start(
        ground: &Ground,
        wards: &BTreeMap<u64, (Role, u32)>,
        now: Instant,
    ) -> io::Result<(Self, Living)> {
        let (end, theirs) = wires::pair()?;
        // Told before it is there: this process may be killed as soon as it is.
        let mut line = Line {
            end,
            untold: Vec::new(),
        };
        for (number, (role, leader)) in wards {
            line.ward(*number, *role, *leader);
        }
        line.tell();
        let mut command = Command::new(&ground.python);
        command.args(["-S", "-s", "-c", PROGRAM]);
        command
            .envs(ground.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/");
        // Of a group of its own: this process's may be killed as a whole.
        let (process, living) = launch(command)?;
        let post = Self {
            process,
            since: now,
            line,
        };
        Ok((post, living))
    }

    /// Whether its process lives.
    fn is_held(&mut self) -> bool {
        matches!(self.process.status.try_recv(), Err(TryRecvError::Empty))
    }
}

impl Line {
    fn ward(&mut self, number: u64, role: Role, leader: u32) {
        self.say(format_args!("ward {number} {} {leader}\n", role.word()));
    }

    fn gone(&mut self, number: u64) {
        self.say(format_args!("gone {number}\n"));
    }

    fn say(&mut self, line: std::fmt::Arguments<'_>) {
        let mut text = String::new();
        let _ = text.write_fmt(line);
        self.untold.extend_from_slice(text.as_bytes());
    }

    /// Tells it what it takes now. False if it will not take any more.
    fn tell(&mut self) -> bool {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        while !self.untold.is_empty() {
            match send(&self.end, &self.untold, flags) {
                Ok(sent) => drop(self.untold.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return self.untold.len() <= BACKLOG,
                Err(_) => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(python: &str) -> Arc<Ground> {
        Arc::new(Ground::new(Path::new(python), &BTreeMap::new()))
    }

    #[test]
    fn many_wards_are_told_at_once() {
        let mut guardian = Guardian::default();
        for number in 0..20_000 {
            // Above any number that a process can have.
            guardian.guard(number, ground("python3"), Role::Zygote, 5_000_000);
        }
        let living = guardian.keep(Instant::now());
        assert!(living.is_some() && guardian.post.is_some());
        // It has not read a line yet: what does not fit waits.
        assert!(guardian.keep(Instant::now()).is_none() && guardian.post.is_some());
    }

    #[test]
    fn one_that_cannot_run_is_not_tried_again_and_again() {
        let mut guardian = Guardian::default();
        let mut now = Instant::now();
        guardian.guard(1, ground("/nonexistent/python"), Role::Zygote, 5_000_000);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            assert!(guardian.keep(now).is_none());
            let at = guardian.wake_at().unwrap();
            assert!(guardian.keep(now + (at - now) / 2).is_none());
            pauses.push(at - now);
            now = at;
        }
        assert_eq!(pauses[0], PAUSES.0);
        assert!(pauses.is_sorted());
        assert_eq!(*pauses.last().unwrap(), PAUSES.1);
    }
}
