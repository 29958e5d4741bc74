//! The floors: two processes that send each other messages over a Unix socket, blocking, nothing else.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::latency::Shape;
use crate::setup::{Setup, here};

/// As long as our frames for a call without arguments: header, command, deadline. The answer is shorter, as ours is.
const REQUEST: usize = 57;
const ANSWER: usize = 20;

/// The other process, and our end of the socket.
pub(crate) struct Floor {
    socket: UnixStream,
    child: Child,
}

impl Floor {
    /// This very program once more, its standard input being the other end.
    pub(crate) fn rust() -> Result<Self> {
        Self::start(Command::new(std::env::current_exe()?).arg("echo"))
    }

    /// A Python program that reads and writes and does nothing else.
    pub(crate) fn python(setup: &Setup) -> Result<Self> {
        Self::start(Command::new(&setup.python).arg(here().join("adapters/echo.py")))
    }

    fn start(command: &mut Command) -> Result<Self> {
        let (socket, other) = UnixStream::pair()?;
        let child = command.stdin(Stdio::from(OwnedFd::from(other))).spawn()?;
        Ok(Self { socket, child })
    }

    /// Round trips one after the other, in microseconds.
    pub(crate) fn measure(&mut self, shape: Shape) -> Result<Vec<f64>> {
        let (request, mut answer) = ([0x53; REQUEST], [0; ANSWER]);
        let mut samples = Vec::with_capacity(shape.calls);
        for index in 0..shape.warm_up + shape.calls {
            let start = Instant::now();
            self.socket.write_all(&request)?;
            self.socket.read_exact(&mut answer)?;
            if index >= shape.warm_up {
                samples.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        Ok(samples)
    }

    /// Ends the other process.
    pub(crate) fn stop(mut self) -> Result<()> {
        drop(self.socket);
        self.child.wait().context("the echo process")?;
        Ok(())
    }
}

/// The other process: answers until its standard input ends.
pub(crate) fn echo() -> Result<()> {
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let (mut request, answer) = ([0; REQUEST], [0x53; ANSWER]);
    while socket.read_exact(&mut request).is_ok() {
        socket.write_all(&answer)?;
    }
    Ok(())
}
