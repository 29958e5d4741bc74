//! What can be wrong with a frame; must not know what is done about it.

use thiserror::Error;

use super::header::HEADER_LEN;

/// Bytes that are no frame, or a frame that does not belong where it was read.
///
/// The connection cannot be used any more: nothing says where the next frame would begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The magic byte is another: this is somebody else's text.
    #[error("no frame begins with \"{}\"", .0.escape_ascii())]
    Magic([u8; HEADER_LEN]),
    /// No kind has this number.
    #[error("unknown kind {0}")]
    Kind(u8),
    /// Flags that are unknown, or mean nothing on this kind.
    #[error("flags 0b{flags:08b} on {kind}")]
    Flags {
        /// The kind.
        kind: &'static str,
        /// All flags of the frame.
        flags: u8,
    },
    /// No codec has this number.
    #[error("unknown codec {0}")]
    Codec(u8),
    /// The body is over the limit.
    #[error("{kind} of {length} bytes is over the limit of {limit}")]
    TooLong {
        /// The kind.
        kind: &'static str,
        /// The body's length.
        length: u32,
        /// The limit, `max_payload`.
        limit: u32,
    },
    /// The kind never has a body of this length and codec.
    #[error("{kind} with a body of {length} bytes in codec {codec}")]
    Shape {
        /// The kind.
        kind: &'static str,
        /// The body's length.
        length: u32,
        /// The codec.
        codec: u8,
    },
    /// The kind does not belong on this connection.
    #[error("{kind} on the {link}")]
    Misplaced {
        /// The kind.
        kind: &'static str,
        /// The connection.
        link: &'static str,
    },
}
