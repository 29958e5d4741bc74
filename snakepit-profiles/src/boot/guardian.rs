//! A process that outlives this one by a moment, to kill what workers leave behind; must not know workers.
//!
//! Two things are missing when this process is killed. The kernel kills a worker with its parent, but not what the worker
//! started. And a zygote, which would, waits for the processor as one of many busy processes. The guardian is not one of
//! them: a small interpreter in the session of this process, asleep on a connection whose end is the end of this process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::net::{SendFlags, send};

use super::spawner::{Living, Spawned, launch};
use crate::wires;

/// Takes a role, or `gone`, and the number of a process, line by line. A number that is still there at the end names the
/// group of a process that was not reaped while somebody could, so it is no other group's yet.
///
/// Zygotes get a moment to see to workers that nobody has heard of yet. They may be stopped, or hang.
const PROGRAM: &str = "
import os, sys, time
wards = {}
for line in sys.stdin:
    role, pid = line.split()
    wards[int(pid)] = role
def each(role, kill, signal):
    found = 0
    for pid in wards:
        if wards[pid] == role:
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

/// What a guarded process is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// Its group is killed at once.
    Worker,
    /// It kills the groups of its workers, and ends.
    Zygote,
}

/// Watches over the groups of processes.
#[derive(Debug, Default)]
pub(super) struct Guardian {
    python: OsString,
    wards: BTreeMap<u32, Role>,
    post: Option<Post>,
}

/// The process that does it.
#[derive(Debug)]
struct Post {
    process: Spawned,
    line: OwnedFd,
}

impl Guardian {
    /// Has the group of a process killed if this one dies first.
    pub(super) fn guard(&mut self, python: OsString, leader: u32, role: Role) {
        self.python = python;
        self.wards.insert(leader, role);
        self.tell(role.word(), leader);
    }

    /// Lets go of a group that is no more.
    pub(super) fn release(&mut self, leader: u32) {
        self.wards.remove(&leader);
        self.tell("gone", leader);
    }

    /// Sees to it that there is a guardian while it has wards, and none without; returns a new one. Not being able to is no
    /// reason not to go on.
    pub(super) fn keep(&mut self) -> Option<Living> {
        if self.wards.is_empty() {
            self.post = None;
        }
        if self.wards.is_empty() || self.post.as_mut().is_some_and(Post::is_held) {
            return None;
        }
        let (post, living) = Post::start(&self.python).ok()?;
        self.post = Some(post);
        for (leader, role) in self.wards.clone() {
            self.tell(role.word(), leader);
        }
        Some(living)
    }

    /// One that does not listen any more is let go of; `keep` starts another.
    fn tell(&mut self, word: &str, leader: u32) {
        let line = format!("{word} {leader}\n");
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        self.post.take_if(|post| {
            let sent = send(&post.line, line.as_bytes(), flags);
            sent != Ok(line.len())
        });
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
    fn start(python: &OsString) -> io::Result<(Self, Living)> {
        let (line, theirs) = wires::pair()?;
        let mut command = Command::new(python);
        command.args(["-I", "-S", "-c", PROGRAM]);
        command
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/");
        // Of a group of its own: this process's may be killed as a whole.
        let (process, living) = launch(command)?;
        Ok((Self { process, line }, living))
    }

    /// Whether its process lives.
    fn is_held(&mut self) -> bool {
        use tokio::sync::oneshot::error::TryRecvError;
        matches!(self.process.status.try_recv(), Err(TryRecvError::Empty))
    }
}
