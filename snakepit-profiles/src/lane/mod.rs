//! A lane: one socket, one call at a time, answers that can only reach the call they belong to; must not know processes.
//!
//! Whoever uses the lane holds a [`Lease`]. What must outlive a dropped future (bytes half written, bytes half read, the
//! call that is still running) is the lane's [`State`], which the lease puts back when it is dropped. A state that comes
//! back busy is an abandoned call: only [`cancel`](Lease::quiesce) makes the lane free again.

mod socket;
#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fmt, io};

use parking_lot::Mutex;
use snakepit_core::session::SessionCall;

use crate::bodies;
use crate::frame::{Decoder, Frame, Kind, Link};

pub(crate) use socket::{Outgoing, Socket};

/// One lane of a worker.
#[derive(Debug)]
pub(crate) struct Lane {
    socket: Socket,
    /// `None` while somebody holds the lease.
    state: Mutex<Option<Box<State>>>,
    /// The call in progress or 0, for whoever wants to name it. Says nothing about who may use the lane.
    current: AtomicU64,
}

#[derive(Debug)]
struct State {
    decoder: Decoder,
    out: Outgoing,
    phase: Phase,
    /// Whether `out` is a call of which some bytes have yet to leave.
    sending: bool,
    /// Takes what the session of the call in progress leaves, whoever reads the lane.
    session: Option<SessionCall>,
}

impl State {
    /// Keeps what the session of the call in progress leaves.
    fn keep(&self, frame: &Frame) -> Result<(), Fault> {
        let is_own = matches!(self.phase, Phase::Busy { id, .. } if id == frame.header.id);
        match (&self.session, bodies::state(frame)) {
            (Some(session), Some((version, left))) if is_own => {
                session.keep(version, left);
                Ok(())
            }
            _ => Err(Fault::Violation("STATE without a call of a session".into())),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No call: nothing may arrive.
    Idle,
    /// The worker has (or is being sent) a call and owes its final answer.
    Busy { id: u64, stream: bool },
    /// The final answer is here, and the rest of a frame for the call has yet to leave.
    Ending { id: u64 },
    /// Closed or out of step. For ever.
    Broken,
}

/// Why a lane is of no further use.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection ended or failed: the worker is gone, or as good as gone.
    Closed,
    /// The worker broke the protocol.
    Violation(String),
}

impl From<io::Error> for Fault {
    // No error of a connected local socket says more than that the other side is gone. (The runtime being shut down is
    // an error here too, and ends the worker.)
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl Lane {
    /// A lane over the host's end of its socket, for answers of at most `limit` bytes.
    ///
    /// # Panics
    /// Panics outside a tokio runtime with I/O enabled.
    pub(crate) fn new(fd: OwnedFd, limit: u32) -> io::Result<Self> {
        let state = State {
            decoder: Decoder::new(Link::Lane, limit),
            out: Outgoing::default(),
            phase: Phase::Idle,
            sending: false,
            session: None,
        };
        Ok(Self {
            socket: Socket::new(Arc::new(fd))?,
            state: Mutex::new(Some(Box::new(state))),
            current: AtomicU64::new(0),
        })
    }

    /// The call in progress, or 0.
    pub(crate) fn current(&self) -> u64 {
        self.current.load(Ordering::Relaxed)
    }

    /// Ends the connection from this side, waking whoever waits on it. What has arrived can still be read.
    ///
    /// For the death of a worker whose descriptors live on in a process it left behind: there is no end-of-file then.
    pub(crate) fn shut_down(&self) {
        let _ = rustix::net::shutdown(self.socket.descriptor(), rustix::net::Shutdown::Both);
    }
}

/// The right to use a lane. Dropping it gives the lane back in the state it is in.
#[derive(Debug)]
pub(crate) struct Lease<L: Deref<Target = Lane>> {
    lane: L,
    /// Always there, except while dropping.
    state: Option<Box<State>>,
}

impl<L: Deref<Target = Lane>> Lease<L> {
    /// Takes the lane, unless somebody has it.
    pub(crate) fn take(lane: L) -> Option<Self> {
        let state = lane.state.lock().take()?;
        Some(Self {
            lane,
            state: Some(state),
        })
    }

    /// Whether a call may begin.
    pub(crate) fn is_free(&self) -> bool {
        self.state().phase == Phase::Idle
    }

    /// Whether the lane can never be used again.
    pub(crate) fn is_broken(&self) -> bool {
        self.state().phase == Phase::Broken
    }

    /// An empty frame to fill with a call, then to be sent by [`begin`](Self::begin).
    pub(crate) fn outgoing(&mut self) -> &mut Outgoing {
        let out = &mut self.state_mut().out;
        out.clear();
        out
    }

    /// Has what the session of the call that is sent next leaves be kept.
    pub(crate) fn keep_for(&mut self, session: Option<SessionCall>) {
        self.state_mut().session = session;
    }

    /// Sends the call in [`outgoing`](Self::outgoing), whose header says the same `id` and `stream`.
    ///
    /// # Cancel safety
    /// If dropped, the lane is busy with this call, unless no byte of it has left.
    pub(crate) async fn begin(&mut self, id: u64, stream: bool) -> Result<(), Fault> {
        debug_assert!(self.is_free());
        self.lane.current.store(id, Ordering::Relaxed);
        let state = self.state_mut();
        state.phase = Phase::Busy { id, stream };
        state.sending = true;
        self.flush().await
    }

    /// Whether the call has left completely, so that it may be running.
    pub(crate) fn is_sent(&self) -> bool {
        !self.state().sending
    }

    /// The next frame of the call in progress: a part of its answer, or a question. After a final one the lane is free.
    ///
    /// # Cancel safety
    /// If dropped, the lane is busy with the call; bytes that have arrived are kept.
    pub(crate) async fn answer(&mut self) -> Result<Frame, Fault> {
        loop {
            if let Some(frame) = self.turn().await? {
                return Ok(frame);
            }
        }
    }

    /// As [`answer`](Self::answer), but `None` once what is in [`outgoing`](Self::outgoing) has left, if that is first.
    /// Neither side can keep the other waiting by not reading.
    ///
    /// # Cancel safety
    /// If dropped, the lane is busy with the call; bytes that have arrived are kept.
    pub(crate) async fn turn(&mut self) -> Result<Option<Frame>, Fault> {
        let result = match self.next_frame().await {
            Ok(Some(frame)) => self.accept(frame).map(Some),
            Ok(None) => Ok(None),
            Err(fault) => Err(fault),
        };
        if result.is_err() {
            self.state_mut().phase = Phase::Broken;
        }
        self.end().await;
        result
    }

    /// Whether something has yet to leave.
    pub(crate) fn is_writing(&self) -> bool {
        !self.state().out.is_empty()
    }

    /// Reads and forgets what is left of the call in progress, until its final answer, questions too. What is left of
    /// frames for the worker is sent meanwhile: it could not know otherwise where the next one begins.
    ///
    /// # Cancel safety
    /// If dropped, the lane is busy with the call.
    pub(crate) async fn quiesce(&mut self) -> Result<(), Fault> {
        self.end().await;
        while self.abandoned().is_some() {
            self.turn().await?;
        }
        Ok(())
    }

    /// The abandoned call, if there is one.
    pub(crate) fn abandoned(&self) -> Option<u64> {
        match self.state().phase {
            Phase::Busy { id, .. } | Phase::Ending { id } => Some(id),
            Phase::Idle | Phase::Broken => None,
        }
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let state = self.state.as_mut().expect("a lease has its state");
        let result = self.lane.socket.flush(&mut state.out).await;
        match result {
            Ok(()) => state.sending = false,
            Err(_) => state.phase = Phase::Broken,
        }
        Ok(result?)
    }

    async fn next_frame(&mut self) -> Result<Option<Frame>, Fault> {
        let state = self.state.as_mut().expect("a lease has its state");
        let socket = &self.lane.socket;
        loop {
            if !state.out.is_empty() && socket.try_flush(&mut state.out) {
                state.sending = false;
                return Ok(None);
            }
            match state.decoder.next() {
                Ok(Some(frame)) if frame.header.kind == Kind::State => {
                    state.keep(&frame)?;
                    continue; // the next frame may be here already
                }
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(error) => return Err(Fault::Violation(error.to_string())),
            }
            let count = if state.out.is_empty() {
                socket.read(&mut state.decoder).await?
            } else {
                tokio::select! {
                    biased;
                    // Only for the wake-up: what failed to leave, to a worker that is gone, shows when reading.
                    _ = socket.flush(&mut state.out) => {
                        state.out.clear();
                        state.sending = false;
                        return Ok(None);
                    }
                    count = socket.read(&mut state.decoder) => count?,
                }
            };
            if count == 0 {
                return Err(Fault::Closed);
            }
        }
    }

    /// After the final answer: sends the rest of a frame that has begun to leave, then the lane is free.
    async fn end(&mut self) {
        if matches!(self.state().phase, Phase::Ending { .. }) && self.flush().await.is_ok() {
            self.settle();
        }
    }

    /// Checks that a frame answers the call in progress, and frees the lane if it ends it.
    fn accept(&mut self, frame: Frame) -> Result<Frame, Fault> {
        let violation = |detail: String| Err(Fault::Violation(detail));
        let kind = frame.header.kind;
        let Phase::Busy { id, stream } = self.state().phase else {
            return violation(format!("{} without a call", kind.name()));
        };
        if frame.header.id != id {
            return violation(format!(
                "{} for call {} during call {id}",
                kind.name(),
                frame.header.id
            ));
        }
        let last = match (kind, stream) {
            (Kind::Chunk, true) | (Kind::Ask | Kind::Pull, _) => false,
            (Kind::Result, false) | (Kind::End, true) | (Kind::Error, _) => true,
            _ => {
                let asked = if stream { "a stream" } else { "one value" };
                return violation(format!("{} where {asked} was asked for", kind.name()));
            }
        };
        if last {
            if !self.state().decoder.is_empty() {
                return violation(format!("more bytes after the final {}", kind.name()));
            }
            self.state_mut().phase = Phase::Ending { id };
            if !self.state().out.has_begun() {
                self.state_mut().out.clear();
                self.settle();
            }
        }
        Ok(frame)
    }

    fn settle(&mut self) {
        let state = self.state_mut();
        state.phase = Phase::Idle;
        state.session = None;
        self.lane.current.store(0, Ordering::Relaxed);
    }

    fn state(&self) -> &State {
        self.state.as_ref().expect("a lease has its state")
    }

    fn state_mut(&mut self) -> &mut State {
        self.state.as_mut().expect("a lease has its state")
    }
}

impl<L: Deref<Target = Lane>> Drop for Lease<L> {
    fn drop(&mut self) {
        let state = self.state_mut();
        if state.sending && !state.out.has_begun() && state.phase != Phase::Broken {
            // The worker has not seen a byte of this call: there is nothing to cancel.
            state.sending = false;
            state.out.clear();
            self.settle();
        }
        *self.lane.state.lock() = self.state.take();
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection ended"),
            Self::Violation(detail) => f.write_str(detail),
        }
    }
}
