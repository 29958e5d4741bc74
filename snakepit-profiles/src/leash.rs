//! A process that does not outlive its owner; must not know what the process is for.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::process::{Signal, pidfd_send_signal};
use snakepit_core::error::ExitStatus;

use crate::reap::{kill_group, reap};

/// A process, held by a pidfd: no signal can ever reach another process that got its number. Killed on drop.
#[derive(Debug)]
pub(crate) struct Leash {
    pid: u32,
    pidfd: Arc<OwnedFd>,
}

impl Leash {
    /// Takes charge of a process.
    pub(crate) fn new(pid: u32, pidfd: OwnedFd) -> Self {
        Self {
            pid,
            pidfd: Arc::new(pidfd),
        }
    }

    /// Its number, for people.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Readable once the process is dead.
    pub(crate) fn pidfd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.pidfd)
    }

    /// Reaps it if it is dead and, against expectation, a child of this process.
    pub(crate) fn reap(&self) -> Option<ExitStatus> {
        reap(self.pidfd.as_fd(), self.pid)
    }

    /// Kills what a process left behind that has just died and is not a child of this one.
    ///
    /// Its number stays its own as long as a process of its group lives. If none does, the number is free, but numbers are
    /// given out in turn: it takes far longer than the moment since for this one to come round.
    pub(crate) fn kill_group(&self) {
        kill_group(self.pid);
    }

    /// Kills it, if it is still there.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends it a signal, if it is still there.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.kill();
    }
}
