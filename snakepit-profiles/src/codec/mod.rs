//! The bodies of frames: values and calls as JSON text and raw buffers, and back; must not know frames, sockets or calls.
//!
//! `docs/protocol.md`, sections 3 and 4. What arrives is never trusted: every way it can be wrong is a [`CodecError`],
//! recursion is bounded, and nothing is allocated on the word of a length alone. Buffers are not copied, neither on the
//! way out nor on the way in, where they are slices of the body that was received.

mod decode;
mod encode;
mod failure;
mod table;
#[cfg(test)]
mod tests;

use snakepit_core::value::json::Malformed;
use thiserror::Error;

pub use decode::decode;
pub use encode::{CallContext, encode, encode_call};
pub use failure::Failure;

/// How deep values may be nested in each other, both ways. A map with keys that are no strings counts twice.
pub const MAX_DEPTH: usize = 128;

/// A body that is not what the protocol allows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The table in front of the text does not fit the body.
    #[error("the table of buffers {0}")]
    Table(&'static str),
    /// The text is not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8,
    /// The text is not JSON, or too deep.
    #[error("{0}")]
    Text(#[from] Malformed),
    /// A tagged array that stands for no value.
    #[error("`{tag}` at byte {at}: {problem}")]
    Tagged {
        /// The tag.
        tag: String,
        /// Where its array begins, in bytes from the start of the text.
        at: usize,
        /// What is wrong.
        problem: String,
    },
    /// A buffer to which nothing refers.
    #[error("buffer {0} is not used")]
    UnusedBuffer(usize),
    /// An error object that lacks what it must have.
    #[error("error object: {0}")]
    Failure(String),
}
