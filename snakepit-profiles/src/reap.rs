//! Takes leave of dead children; must not know what they were.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid,
};
use snakepit_core::error::ExitStatus;

/// Reaps a child of this process that is dead, and kills what it left behind in its group. `None` if it is not dead, or
/// not a child.
///
/// A process somebody else started becomes a child when that somebody has died and this process adopts orphans, as the
/// first process of a container does.
pub(crate) fn reap(pidfd: BorrowedFd<'_>, pid: u32) -> Option<ExitStatus> {
    let look = |options| waitid(WaitId::PidFd(pidfd.as_fd()), options).ok().flatten();
    look(WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)?;
    // Dead and not reaped: until it is, its number is its own.
    kill_group(pid);
    look(WaitIdOptions::EXITED | WaitIdOptions::NOHANG).map(|status| exit_status(&status))
}

/// Kills every process of a group. It is up to the caller that the number still means that group.
pub(crate) fn kill_group(leader: u32) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    if let Some(code) = status.exit_status() {
        ExitStatus::Code(code)
    } else if let Some(signal) = status.terminating_signal() {
        ExitStatus::Signal(signal)
    } else {
        ExitStatus::Unknown
    }
}
