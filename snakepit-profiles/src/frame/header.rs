//! The 16-byte frame header, both ways; must not know where it came from.

use super::error::FrameError;
use super::kind::Kind;

/// The length of a header.
pub const HEADER_LEN: usize = 16;

/// The byte that tells our frames from stray output.
pub const MAGIC: u8 = 0x53;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// Bytes whose meaning the kind gives.
    Raw = 0,
    /// JSON text, and buffers if [`Flags::BUFFERS`] is set.
    Json = 1,
}

/// The flags of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Flags(u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Buffers follow the JSON text.
    pub const BUFFERS: Self = Self(1);
    /// The answer is wanted as a stream.
    pub const STREAM: Self = Self(2);

    /// These flags and those.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// As they stand in the header.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// A frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Bytes of body that follow.
    pub length: u32,
    /// What the frame is for.
    pub kind: Kind,
    /// Its flags.
    pub flags: Flags,
    /// How its body is written.
    pub codec: Codec,
    /// The call on a lane, the launch on a boot link, else 0.
    pub id: u64,
}

impl Header {
    /// A header for a JSON body without flags.
    pub const fn json(kind: Kind, id: u64, length: u32) -> Self {
        Self {
            length,
            kind,
            flags: Flags::NONE,
            codec: Codec::Json,
            id,
        }
    }

    /// A header for a kind that has no body.
    pub const fn bare(kind: Kind, id: u64) -> Self {
        Self {
            length: 0,
            kind,
            flags: Flags::NONE,
            codec: Codec::Raw,
            id,
        }
    }

    /// The bytes of the header.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4] = self.kind.number();
        bytes[5] = self.flags.bits();
        bytes[6] = self.codec as u8;
        bytes[7] = MAGIC;
        bytes[8..].copy_from_slice(&self.id.to_le_bytes());
        bytes
    }

    /// Reads a header, accepting only what the protocol allows for its kind and bodies of at most `limit` bytes.
    pub fn decode(bytes: &[u8; HEADER_LEN], limit: u32) -> Result<Self, FrameError> {
        let [l0, l1, l2, l3, kind, flags, codec, magic, id @ ..] = *bytes;
        // The magic comes first: when it is wrong, the other fields are somebody else's text.
        if magic != MAGIC {
            return Err(FrameError::Magic(*bytes));
        }
        let kind = Kind::from_number(kind).ok_or(FrameError::Kind(kind))?;
        if !kind.flags().has(Flags(flags)) {
            return Err(FrameError::Flags {
                kind: kind.name(),
                flags,
            });
        }
        let codec = match codec {
            0 => Codec::Raw,
            1 => Codec::Json,
            other => return Err(FrameError::Codec(other)),
        };
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if length > limit {
            return Err(FrameError::TooLong {
                kind: kind.name(),
                length,
                limit,
            });
        }
        if !kind.fits(length, codec) {
            return Err(FrameError::Shape {
                kind: kind.name(),
                length,
                codec: codec as u8,
            });
        }
        Ok(Self {
            length,
            kind,
            flags: Flags(flags),
            codec,
            id: u64::from_le_bytes(id),
        })
    }
}
