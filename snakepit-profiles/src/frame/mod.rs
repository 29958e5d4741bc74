//! Frames, the envelopes of the worker protocol: pure bytes in, pure bytes out; must not know sockets, values or calls.
//!
//! A frame is a 16-byte [`Header`] and a body. [`Decoder`] cuts a stream of bytes into frames and refuses everything
//! that `docs/protocol.md` does not allow on the connection it reads.

mod decoder;
mod error;
mod header;
mod kind;
#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Frame};
pub use error::FrameError;
pub use header::{Codec, Flags, HEADER_LEN, Header, MAGIC};
pub use kind::{Kind, Link};

/// The version of the protocol this crate speaks.
pub const PROTOCOL: u32 = 1;

/// The largest body a worker may send unless configured otherwise.
pub const DEFAULT_MAX_FRAME: u32 = 64 * 1024 * 1024;

/// Chunks of a stream a worker may send before the first `CREDIT`.
pub const FREE_CHUNKS: u32 = 16;
