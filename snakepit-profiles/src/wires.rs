//! The connections of one worker: made here, one end kept, one end given away; must not know what they carry.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

/// The host's ends.
#[derive(Debug)]
pub(crate) struct Ours {
    pub(crate) control: OwnedFd,
    /// Does not block.
    pub(crate) output: OwnedFd,
    pub(crate) lanes: Vec<OwnedFd>,
}

/// The worker's ends. They have to be closed here once the worker has them, or its death would not show.
#[derive(Debug)]
pub(crate) struct Theirs {
    pub(crate) control: OwnedFd,
    pub(crate) output: OwnedFd,
    pub(crate) lanes: Vec<OwnedFd>,
}

impl Theirs {
    /// In the order in which `FORK` and `BECOME` carry them.
    pub(crate) fn into_descriptors(self) -> Vec<OwnedFd> {
        [self.control, self.output]
            .into_iter()
            .chain(self.lanes)
            .collect()
    }
}

/// Makes the connections of a worker.
pub(crate) fn wires(lanes: u16) -> io::Result<(Ours, Theirs)> {
    let control = pair()?;
    let output = output()?;
    let mut ours = Ours {
        control: control.0,
        output: output.0,
        lanes: Vec::new(),
    };
    let mut theirs = Theirs {
        control: control.1,
        output: output.1,
        lanes: Vec::new(),
    };
    for _ in 0..lanes {
        let lane = pair()?;
        ours.lanes.push(lane.0);
        theirs.lanes.push(lane.1);
    }
    Ok((ours, theirs))
}

/// A connected pair of sockets. Both block, as a worker wants it; the host never asks them to.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// An output pipe: our end, which does not block, and the end to write to, which does.
pub(crate) fn output() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(&read, fcntl_getfl(&read)? | OFlags::NONBLOCK)?;
    Ok((read, write))
}
