//! Cuts a stream of bytes into frames, however it arrives; must not know where the bytes come from.

use bytes::Bytes;

use super::error::FrameError;
use super::header::{HEADER_LEN, Header};
use super::kind::Link;

/// Room offered to a read when nothing is known about what comes: one read for almost every frame.
const ROOM: usize = 16 * 1024;

/// A body this long leaves the buffer by changing hands instead of being copied.
const HAND_OVER: usize = 32 * 1024;

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its header.
    pub header: Header,
    /// Its body.
    pub body: Bytes,
}

/// Cuts a stream of bytes into frames.
///
/// Put bytes at the end of [`room`](Self::room), then take frames with [`next`](Self::next) until there are no more. After an
/// error the decoder is of no further use: it reports the same error for ever.
#[derive(Debug)]
pub struct Decoder {
    link: Link,
    limit: u32,
    buffer: Vec<u8>,
    /// Where the first frame not yet taken begins.
    start: usize,
}

impl Decoder {
    /// A decoder for what arrives on `link`, with bodies of at most `limit` bytes.
    pub fn new(link: Link, limit: u32) -> Self {
        Self {
            link,
            limit,
            buffer: Vec::new(),
            start: 0,
        }
    }

    /// The buffer to append to. It has spare capacity for the rest of the frame that has begun, if one has.
    pub fn room(&mut self) -> &mut Vec<u8> {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        match self.header() {
            // Exactly the rest, so that a long body is alone in its buffer and can change hands.
            Ok(Some(header)) if header.length as usize + HEADER_LEN > self.buffer.capacity() => {
                let whole = HEADER_LEN + header.length as usize;
                self.buffer.reserve_exact(whole - self.buffer.len());
            }
            _ if self.buffer.len() == self.buffer.capacity() => self.buffer.reserve(ROOM),
            _ => {}
        }
        &mut self.buffer
    }

    /// The next whole frame, or `None` until more bytes arrive.
    #[allow(clippy::should_implement_trait)] // an iterator that ends and goes on again would mislead
    pub fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(header) = self.header()? else {
            return Ok(None);
        };
        let length = header.length as usize;
        let body = self.start + HEADER_LEN;
        let end = body + length;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let body = if length >= HAND_OVER && self.start == 0 && self.buffer.len() == end {
            Bytes::from(std::mem::take(&mut self.buffer)).slice(HEADER_LEN..)
        } else {
            self.start = end;
            Bytes::copy_from_slice(&self.buffer[body..end])
        };
        Ok(Some(Frame { header, body }))
    }

    /// Whether no byte is left over: the stream stands at the end of a frame.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    fn header(&self) -> Result<Option<Header>, FrameError> {
        let Some(bytes) = self.buffer[self.start..].first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let header = Header::decode(bytes, self.limit)?;
        if !header.kind.arrives_on(self.link) {
            let (kind, link) = (header.kind.name(), self.link.name());
            return Err(FrameError::Misplaced { kind, link });
        }
        Ok(Some(header))
    }
}
