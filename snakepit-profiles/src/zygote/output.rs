//! What a zygote itself prints; must not know zygotes.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::task::yield_now;

use crate::polled::{Polled, polled};
use crate::supervise::{Lines, Tail, read};

/// The output pipe of a zygote and the last lines that came through it.
pub(super) struct Output {
    pipe: Polled,
    chunk: Vec<u8>,
    lines: Lines,
    tail: Tail,
    open: bool,
}

impl Output {
    /// Takes the read end.
    ///
    /// # Panics
    /// Panics outside a tokio runtime with I/O enabled.
    pub(super) fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            pipe: polled(pipe, Interest::READABLE)?,
            chunk: Vec::with_capacity(4096),
            lines: Lines::default(),
            tail: Tail::default(),
            open: true,
        })
    }

    /// Reads what there is, waiting for something. To be called while [`is_open`](Self::is_open).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn pump(&mut self) {
        self.open = read(&self.pipe, &mut self.chunk).await;
        let Self {
            lines, chunk, tail, ..
        } = self;
        lines.feed(chunk, |line| tail.push(&line));
        chunk.clear();
        if !self.open {
            lines.finish(|line| tail.push(&line));
        }
        // An import that prints without end must not keep the runtime from its timers.
        yield_now().await;
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// The last lines, oldest first.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.lines()
    }
}
