//! From calls to frames on their way out, and from frames to values and errors; must not know sockets.

use std::time::Instant;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use snakepit_core::error::RemoteError;
use snakepit_core::value::ValueError;
use snakepit_core::{Call, Exchange, SessionId, Value};

use crate::codec::{self, CallContext, CodecError, Failure};
use crate::frame::{Codec, Flags, Frame, HEADER_LEN, Header, Kind};
use crate::lane::Outgoing;

/// Writes the frame of a call.
///
/// # Errors
/// Arguments that cannot be carried, or are over `limit` in all.
pub(crate) fn call(call: &Call, limit: u32, out: &mut Outgoing) -> Result<(), ValueError> {
    let context = CallContext {
        deadline: call.deadline.map(monotonic),
        session: call.session.as_ref().map(SessionId::as_str),
        state: (call.session_call.as_ref()).map(|session| (session.number, session.left.as_ref())),
        traceparent: call.traceparent.as_deref(),
        depth: call.depth,
        input: call.exchange.as_deref().and_then(Exchange::input),
        keep: call.keep,
    };
    let Outgoing { head, buffers, .. } = out;
    head.extend_from_slice(&[0; HEADER_LEN]);
    codec::encode_call(&call.command, &call.args, &context, head, buffers)?;
    let length = head.len() - HEADER_LEN + buffers.iter().map(Bytes::len).sum::<usize>();
    let fits = u32::try_from(length).ok().filter(|length| *length <= limit);
    let length = fits.ok_or_else(|| {
        ValueError::new(format!(
            "{length} bytes are over `max_payload`, {limit} bytes"
        ))
    })?;
    let mut flags = Flags::NONE;
    if !buffers.is_empty() {
        flags = flags.with(Flags::BUFFERS);
    }
    if call.stream {
        flags = flags.with(Flags::STREAM);
    }
    let header = Header {
        length,
        kind: Kind::Call,
        flags,
        codec: Codec::Json,
        id: call.id.get(),
    };
    head[..HEADER_LEN].copy_from_slice(&header.encode());
    Ok(())
}

/// The value of a `RESULT` or `CHUNK`.
pub(crate) fn value(frame: &Frame) -> Result<Value, CodecError> {
    codec::decode(&frame.body, frame.header.flags.has(Flags::BUFFERS))
}

/// The error of an `ERROR`.
pub(crate) fn error(frame: &Frame) -> Result<RemoteError, CodecError> {
    Failure::decode(&frame.body)?.into_remote()
}

/// Set in the version of a `STATE` when the session cannot be handed over.
const CANNOT: u64 = 1 << 63;

/// The version in a `STATE`, and what the session leaves, if it can be handed over; `None` if it is too short for that.
pub(crate) fn state(frame: &Frame) -> Option<(u64, Option<Bytes>)> {
    let bytes = frame.body.first_chunk()?;
    let version = u64::from_le_bytes(*bytes);
    let left = frame.body.slice(bytes.len()..);
    Some((version & !CANNOT, (version & CANNOT == 0).then_some(left)))
}

/// A point in time as a worker sees it: nanoseconds of `CLOCK_MONOTONIC`. What has passed is the present.
fn monotonic(at: Instant) -> u64 {
    let left = at.saturating_duration_since(Instant::now());
    let now = clock_gettime(ClockId::Monotonic);
    // The clock starts at 0 with the machine and has no year in which it leaves its range.
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
    let left = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanos)
        .saturating_add(left)
}
