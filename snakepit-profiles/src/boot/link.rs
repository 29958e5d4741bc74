//! The boot link: frames that may carry descriptors; must not know zygotes or launches.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recv, recvmsg, send, sendmsg,
};
use thiserror::Error;
use tokio::io::Interest;

use crate::frame::{Codec, FrameError, HEADER_LEN, Header, Kind, Link};
use crate::polled::{Polled, polled};

/// Descriptors a host attaches to one frame at most, the kernel's own limit.
pub(crate) const MAX_DESCRIPTORS: usize = 253;

/// The longest frame a boot process has reason to send.
const LIMIT: u32 = 16 * 1024 * 1024;

/// Why a boot link is of no further use.
#[derive(Debug, Error)]
pub(crate) enum LinkError {
    /// It ended or failed.
    #[error("the boot link ended")]
    Closed,
    /// The other side broke the protocol.
    #[error("{0}")]
    Violation(String),
}

impl From<io::Error> for LinkError {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl From<FrameError> for LinkError {
    fn from(error: FrameError) -> Self {
        Self::Violation(error.to_string())
    }
}

/// A frame that came over a boot link.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) id: u64,
    pub(crate) body: Vec<u8>,
    /// The descriptor that came with it. More than one is a violation.
    pub(crate) descriptor: Option<OwnedFd>,
    /// A descriptor was sent, but this process may not open any more.
    pub(crate) exhausted: bool,
}

/// The host's end of a boot link.
#[derive(Debug)]
pub(crate) struct BootLink {
    fd: Polled,
    /// The frame being received.
    partial: Partial,
}

#[derive(Debug, Default)]
struct Partial {
    header: Vec<u8>,
    body: Vec<u8>,
    descriptor: Option<OwnedFd>,
    exhausted: bool,
}

impl BootLink {
    /// Takes the host's end.
    ///
    /// # Panics
    /// Panics outside a tokio runtime with I/O enabled.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let fd = polled(fd, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            fd,
            partial: Partial::default(),
        })
    }

    /// Receives the next frame.
    ///
    /// # Cancel safety
    /// Cancel safe: what has arrived of a frame is kept.
    pub(crate) async fn receive(&mut self) -> Result<Message, LinkError> {
        loop {
            let mut ready = self.fd.readable().await?;
            match self.partial.advance(self.fd.get_ref()) {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(Stop::Wait) => ready.clear_ready(),
                Err(Stop::Broken(error)) => return Err(error),
            }
        }
    }

    /// Sends a frame of any length, without descriptors.
    ///
    /// # Cancel safety
    /// Not cancel safe: half a frame may have left. Only for links that end with the future.
    pub(crate) async fn send(&self, kind: Kind, id: u64, body: &[u8]) -> Result<(), LinkError> {
        let frame = encode(kind, id, body);
        let mut rest = &frame[..];
        while !rest.is_empty() {
            let mut ready = self.fd.writable().await?;
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match retry_on_intr(|| send(self.fd.get_ref(), rest, flags)) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        Ok(())
    }

    /// Sends a short frame with descriptors, which stay open here until they are dropped.
    ///
    /// It never waits: so few short frames are under way that a link that is full is a link nobody reads.
    pub(crate) fn send_with(
        &self,
        kind: Kind,
        id: u64,
        body: &[u8],
        descriptors: &[OwnedFd],
    ) -> Result<(), LinkError> {
        let frame = encode(kind, id, body);
        let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space =
            vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
            return Err(LinkError::Violation(format!(
                "{} descriptors at once",
                borrowed.len()
            )));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let pieces = [IoSlice::new(&frame)];
        match retry_on_intr(|| sendmsg(self.fd.get_ref(), &pieces, &mut control, flags)) {
            Ok(count) if count == frame.len() => Ok(()),
            _ => Err(LinkError::Closed),
        }
    }
}

fn encode(kind: Kind, id: u64, body: &[u8]) -> Vec<u8> {
    // Bodies here are our own; one beyond 4 GiB is refused by the other side as nonsense.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut frame = Header::json(kind, id, length).encode().to_vec();
    frame.extend_from_slice(body);
    frame
}

enum Stop {
    Wait,
    Broken(LinkError),
}

impl<E: Into<LinkError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl Partial {
    /// Receives once, never beyond the frame: what follows may carry descriptors of its own.
    fn advance(&mut self, fd: &OwnedFd) -> Result<Option<Message>, Stop> {
        let Some(bytes) = self.header.first_chunk::<HEADER_LEN>() else {
            self.read_header(fd)?;
            return Ok(None);
        };
        let header = Header::decode(bytes, LIMIT)?;
        let (kind, length) = (header.kind, header.length as usize);
        if !kind.arrives_on(Link::Boot) {
            let (kind, link) = (kind.name(), Link::Boot.name());
            return Err(FrameError::Misplaced { kind, link }.into());
        }
        debug_assert_eq!(header.codec, Codec::Json);
        if self.body.len() < length {
            self.read_body(fd, length)?;
        }
        if self.body.len() < length {
            return Ok(None);
        }
        let Self {
            body,
            descriptor,
            exhausted,
            ..
        } = std::mem::take(self);
        Ok(Some(Message {
            kind,
            id: header.id,
            body,
            descriptor,
            exhausted,
        }))
    }

    fn read_header(&mut self, fd: &OwnedFd) -> Result<(), Stop> {
        let mut bytes = [0; HEADER_LEN];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let rest = HEADER_LEN - self.header.len();
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let mut pieces = [IoSliceMut::new(&mut bytes[..rest])];
        let received = retry_on_intr(|| recvmsg(fd, &mut pieces, &mut control, flags));
        let received = received.map_err(stop)?;
        self.exhausted |= received.flags.contains(ReturnFlags::CTRUNC);
        let received = received.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                for descriptor in descriptors {
                    if self.descriptor.replace(descriptor).is_some() {
                        return Err(violation("a frame with several descriptors"));
                    }
                }
            }
        }
        if received == 0 {
            return Err(LinkError::Closed.into());
        }
        self.header.extend_from_slice(&bytes[..received]);
        Ok(())
    }

    fn read_body(&mut self, fd: &OwnedFd, length: usize) -> Result<(), Stop> {
        let rest = length - self.body.len();
        let mut piece = vec![0; rest.min(64 * 1024)];
        let (count, _) =
            retry_on_intr(|| recv(fd, &mut piece[..], RecvFlags::DONTWAIT)).map_err(stop)?;
        if count == 0 {
            return Err(LinkError::Closed.into());
        }
        self.body.extend_from_slice(&piece[..count]);
        Ok(())
    }
}

fn stop(error: Errno) -> Stop {
    match error {
        Errno::AGAIN => Stop::Wait,
        error => Stop::Broken(io::Error::from(error).into()),
    }
}

fn violation(what: &str) -> Stop {
    Stop::Broken(LinkError::Violation(what.to_owned()))
}
