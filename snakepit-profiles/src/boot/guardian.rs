//! A process that outlives this one by a moment, to kill what executed workers have started; must not know workers.
//!
//! The kernel kills a worker with its parent, but not what the worker started. A zygote sees to its workers' groups, also
//! when this process was killed; nobody does for workers that are children of this process. So as long as there are any, a
//! small interpreter sleeps on a connection whose end is the end of this process.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::net::{SendFlags, send};

use crate::wires;

/// Takes `+pid` and `-pid`, line by line. A number that is still there at the end names the group of a process that was not
/// reaped while somebody could, so it is no other group's yet.
const PROGRAM: &str = "
import os, sys
wards = set()
for line in sys.stdin:
    (wards.add if line[0] == '+' else wards.discard)(int(line[1:]))
for ward in wards:
    try:
        os.killpg(ward, 9)
    except OSError:
        pass
";

/// Watches over the groups of processes.
#[derive(Debug, Default)]
pub(super) struct Guardian {
    wards: BTreeSet<u32>,
    post: Option<Post>,
}

/// The process that does it.
#[derive(Debug)]
struct Post {
    child: Child,
    line: OwnedFd,
}

impl Guardian {
    /// Has the group of a process killed if this one dies first. Not being able to is no reason not to go on.
    pub(super) fn guard(&mut self, python: &OsStr, leader: u32) {
        self.wards.insert(leader);
        if self.tell('+', leader) {
            return;
        }
        self.post = Post::start(python).ok();
        for leader in &self.wards {
            let _ = self.post.as_ref().map(|post| post.tell('+', *leader));
        }
    }

    /// Lets go of a process that is dead and has not been reaped: its number is still its own.
    pub(super) fn release(&mut self, leader: u32) {
        if self.wards.remove(&leader) {
            if self.wards.is_empty() {
                self.post = None;
            } else {
                self.tell('-', leader);
            }
        }
    }

    fn tell(&self, sign: char, leader: u32) -> bool {
        self.post
            .as_ref()
            .is_some_and(|post| post.tell(sign, leader))
    }
}

impl Post {
    fn start(python: &OsStr) -> io::Result<Self> {
        let (line, theirs) = wires::pair()?;
        let mut command = Command::new(python);
        command.args(["-I", "-S", "-c", PROGRAM]);
        command
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Not in the group of this process, which may be killed as a whole, and nowhere in the way.
        let child = command.process_group(0).current_dir("/").spawn()?;
        Ok(Self { child, line })
    }

    fn tell(&self, sign: char, leader: u32) -> bool {
        let line = format!("{sign}{leader}\n");
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        send(&self.line, line.as_bytes(), flags).is_ok_and(|sent| sent == line.len())
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
