//! The host's end of a stream socket without blocking: one read, one gather write; must not know frames' meaning.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};
use tokio::io::Interest;
use tokio::time::sleep;

use crate::frame::Decoder;
use crate::polled::{Polled, polled};

/// Slices given to one `sendmsg`; the kernel takes at most 1024.
const GATHER: usize = 256;

/// How often to try again what takes a descriptor more than there are.
const SHORTAGE: Duration = Duration::from_millis(2);

/// Memory a lane keeps between calls.
const KEEP: usize = 64 * 1024;

/// A socket that is read by one task at a time, and written without ever waiting when that is possible.
///
/// It is registered for reading only. The kernel reports "writable" each time the peer takes our bytes, so a socket
/// registered for both would wake this process twice per call: once when Python *reads* the call, once for the answer.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: Polled,
}

impl Socket {
    /// Takes a connected stream socket.
    ///
    /// # Panics
    /// Panics outside a tokio runtime with I/O enabled.
    pub(crate) fn new(fd: Arc<OwnedFd>) -> io::Result<Self> {
        Ok(Self {
            fd: polled(fd, Interest::READABLE)?,
        })
    }

    /// The descriptor, to be shut down when the worker is dead.
    pub(crate) fn descriptor(&self) -> &Arc<OwnedFd> {
        self.fd.get_ref()
    }

    /// Reads once into the decoder's room. 0 is end-of-file.
    ///
    /// # Cancel safety
    /// Cancel safe: bytes are in the decoder or still in the kernel.
    pub(crate) async fn read(&self, decoder: &mut Decoder) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_read(cx, decoder)).await
    }

    fn poll_read(&self, cx: &mut Context<'_>, decoder: &mut Decoder) -> Poll<io::Result<usize>> {
        let room = decoder.room();
        loop {
            let mut ready = ready!(self.fd.poll_read_ready(cx))?;
            let before = room.capacity() - room.len();
            let fd = self.fd.get_ref();
            match retry_on_intr(|| recv(fd, spare_capacity(room), RecvFlags::DONTWAIT)) {
                Ok((count, _)) => {
                    // Fewer bytes than there was room for: the socket is empty. Saying so now saves the next read a
                    // system call that would only find that out. Bytes that arrive meanwhile are a new edge.
                    if count > 0 && count < before {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(count));
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Writes all of `out`, at once if the kernel takes it.
    ///
    /// # Cancel safety
    /// Cancel safe in that `out` knows how much was written; go on with it, for nothing else may be written before.
    pub(crate) async fn flush(&self, out: &mut Outgoing) -> io::Result<()> {
        if !out.write(self.fd.get_ref())? {
            self.flush_slowly(out).await?;
        }
        // Now, not with the next call: the buffers are the caller's.
        out.clear();
        Ok(())
    }

    /// Writes what the kernel takes now. True if nothing is left, or ever will be, to a worker that is gone.
    pub(crate) fn try_flush(&self, out: &mut Outgoing) -> bool {
        let done = out.write(self.fd.get_ref()).unwrap_or(true);
        if done {
            out.clear();
        }
        done
    }

    async fn flush_slowly(&self, out: &mut Outgoing) -> io::Result<()> {
        // Rare: more than the socket's buffer holds. A second registration, under a number of its own, for as long as
        // it takes.
        let fd = loop {
            let copy = self.fd.get_ref().try_clone();
            match copy.and_then(|fd| polled(fd, Interest::WRITABLE)) {
                Ok(fd) => break fd,
                // Nothing is wrong with the socket.
                Err(error) if is_shortage(&error) => sleep(SHORTAGE).await,
                Err(error) => return Err(error),
            }
            if out.write(self.fd.get_ref())? {
                return Ok(());
            }
        };
        loop {
            let mut ready = fd.writable().await?;
            if out.write(fd.get_ref())? {
                return Ok(());
            }
            ready.clear_ready();
        }
    }
}

/// Whether this process, or the machine, lacks descriptors or memory for them.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOSPC];
    let code = error.raw_os_error();
    shortages
        .iter()
        .any(|errno| code == Some(errno.raw_os_error()))
}

/// A frame on its way out, in pieces that need not be copied together.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Header, buffer table and text. Reused from call to call.
    pub(crate) head: Vec<u8>,
    /// The buffers.
    pub(crate) buffers: Vec<Bytes>,
    sent: usize,
}

impl Outgoing {
    /// Forgets the frame, keeping its memory for the next unless it is a lot.
    pub(crate) fn clear(&mut self) {
        self.head.clear();
        self.head.shrink_to(KEEP);
        self.buffers.clear();
        self.sent = 0;
    }

    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// Whether any byte of the frame has left.
    pub(crate) fn has_begun(&self) -> bool {
        self.sent > 0
    }

    fn len(&self) -> usize {
        self.head.len() + self.buffers.iter().map(Bytes::len).sum::<usize>()
    }

    /// Writes what the kernel takes now; true if that was the rest.
    fn write(&mut self, fd: &OwnedFd) -> io::Result<bool> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let len = self.len();
        while self.sent < len {
            let result = if self.buffers.is_empty() {
                retry_on_intr(|| send(fd, &self.head[self.sent..], flags))
            } else {
                let rest = self.rest();
                let mut nothing = SendAncillaryBuffer::default();
                retry_on_intr(|| sendmsg(fd, &rest, &mut nothing, flags))
            };
            match result {
                Ok(count) => self.sent += count,
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn rest(&self) -> Vec<IoSlice<'_>> {
        let mut skip = self.sent;
        std::iter::once(self.head.as_slice())
            .chain(self.buffers.iter().map(|buffer| &buffer[..]))
            .filter_map(|piece| {
                let rest = piece.get(skip..);
                skip = skip.saturating_sub(piece.len());
                rest.filter(|rest| !rest.is_empty())
            })
            .take(GATHER)
            .map(IoSlice::new)
            .collect()
    }
}
