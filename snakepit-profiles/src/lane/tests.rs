//! Lanes against a scripted peer: what comes in which order, in which pieces, and who gets it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Weak;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use snakepit_core::WorkerId;
use snakepit_core::session::{Origin, SessionKeeper};
use tokio::time::timeout;

use super::*;
use crate::frame::{Codec, Flags, HEADER_LEN, Header};

/// A lane and the worker's end of its socket.
fn lane() -> (Arc<Lane>, UnixStream) {
    let (ours, theirs) = crate::wires::pair().unwrap();
    (
        Arc::new(Lane::new(ours, 1_000_000).unwrap()),
        UnixStream::from(theirs),
    )
}

fn lease(lane: &Arc<Lane>) -> Lease<Arc<Lane>> {
    Lease::take(Arc::clone(lane)).expect("nobody has it")
}

fn frame(kind: Kind, id: u64, body: &[u8]) -> Vec<u8> {
    let header = Header::json(kind, id, u32::try_from(body.len()).unwrap());
    [&header.encode()[..], body].concat()
}

/// Puts a call in the lease; gives its bytes.
fn fill(lease: &mut Lease<Arc<Lane>>, id: u64, stream: bool, buffers: &[Bytes]) -> Vec<u8> {
    let length = 8 + buffers.iter().map(Bytes::len).sum::<usize>();
    let flags = if stream { Flags::STREAM } else { Flags::NONE };
    let length = u32::try_from(length).unwrap();
    let header = Header {
        length,
        kind: Kind::Call,
        flags,
        codec: Codec::Json,
        id,
    };
    let out = lease.outgoing();
    out.head.extend_from_slice(&header.encode());
    out.head.extend_from_slice(br#"["ping"]"#);
    out.buffers.extend_from_slice(buffers);
    std::iter::once(&out.head[..])
        .chain(buffers.iter().map(|buffer| &buffer[..]))
        .flatten()
        .copied()
        .collect()
}

async fn call(lane: &Arc<Lane>, id: u64, stream: bool) -> Lease<Arc<Lane>> {
    let mut lease = lease(lane);
    fill(&mut lease, id, stream, &[]);
    lease.begin(id, stream).await.unwrap();
    lease
}

/// Reads what the host has sent, which is known to be there.
fn hear(peer: &mut UnixStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    peer.read_exact(&mut bytes).unwrap();
    bytes
}

/// Polls once, and drops the future.
async fn poll_and_drop<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn violation(bytes: &[u8], stream: bool) -> String {
    let (lane, mut peer) = lane();
    let mut lease = call(&lane, 5, stream).await;
    peer.write_all(bytes).unwrap();
    loop {
        match lease.answer().await {
            Ok(frame) if frame.header.kind == Kind::Chunk => {}
            Ok(frame) => panic!("{frame:?}"),
            Err(Fault::Violation(detail)) => {
                assert!(lease.is_broken() && !lease.is_free());
                return detail;
            }
            Err(Fault::Closed) => panic!("closed"),
        }
    }
}

#[tokio::test]
async fn a_call_is_one_frame_and_one_answer() {
    let (lane, mut peer) = lane();
    for id in 1..4 {
        let mut held = lease(&lane);
        assert!(held.is_free() && Lease::take(Arc::clone(&lane)).is_none());
        let sent = fill(
            &mut held,
            id,
            false,
            &[Bytes::from_static(b"abc"), Bytes::from_static(b"d")],
        );
        held.begin(id, false).await.unwrap();
        assert!(held.is_sent());
        assert_eq!(lane.current(), id);
        assert_eq!(hear(&mut peer, sent.len()), sent);
        peer.write_all(&frame(Kind::Result, id, b"1")).unwrap();
        assert_eq!(held.answer().await.unwrap().body, &b"1"[..]);
        assert!(held.is_free());
        assert_eq!(lane.current(), 0);
    }
}

#[tokio::test]
async fn an_answer_may_arrive_byte_by_byte_for_futures_that_are_dropped() {
    let (lane, mut peer) = lane();
    drop(call(&lane, 1, false).await);
    for byte in frame(Kind::Result, 1, b"[1,2]") {
        let mut held = lease(&lane);
        assert_eq!(held.abandoned(), Some(1));
        assert!(poll_and_drop(held.quiesce()).await.is_none());
        drop(held);
        peer.write_all(&[byte]).unwrap();
        tokio::task::yield_now().await;
    }
    let mut held = lease(&lane);
    held.quiesce().await.unwrap();
    assert!(held.is_free());
}

#[tokio::test]
async fn a_call_written_in_part_is_completed_before_the_lane_is_quiet() {
    let (lane, mut peer) = lane();
    let mut held = lease(&lane);
    let sent = fill(&mut held, 1, false, &vec![Bytes::from(vec![7; 30_000]); 50]);
    assert!(poll_and_drop(held.begin(1, false)).await.is_none());
    assert!(!held.is_sent());
    drop(held);
    let reader = std::thread::spawn(move || {
        let heard = hear(&mut peer, sent.len());
        assert!(heard == sent, "one frame, whole and in order");
        peer.write_all(&frame(Kind::Error, 1, b"{}")).unwrap();
        peer
    });
    let mut held = lease(&lane);
    assert_eq!(held.abandoned(), Some(1));
    held.quiesce().await.unwrap();
    assert!(held.is_free() && held.is_sent());
    reader.join().unwrap();
}

#[tokio::test]
async fn a_call_of_which_nothing_was_written_never_was() {
    let (lane, mut peer) = lane();
    // The socket is full, with what does not matter here.
    let mut full = Outgoing::default();
    full.buffers.push(Bytes::from(vec![0; 4_000_000]));
    assert!(poll_and_drop(lane.socket.flush(&mut full)).await.is_none());
    let mut held = lease(&lane);
    fill(&mut held, 1, false, &[]);
    assert!(poll_and_drop(held.begin(1, false)).await.is_none());
    drop(held);
    let held = lease(&lane);
    assert!(held.is_free() && held.abandoned().is_none());
    assert_eq!(lane.current(), 0);
    peer.set_nonblocking(true).unwrap();
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap_err();
    assert!(rest.iter().all(|&byte| byte == 0));
}

#[tokio::test]
async fn a_stream_ends_with_its_end_and_is_granted_more_on_request() {
    let (lane, mut peer) = lane();
    let mut held = call(&lane, 3, true).await;
    hear(&mut peer, HEADER_LEN + 8);
    let chunks: Vec<u8> = (0..9).flat_map(|_| frame(Kind::Chunk, 3, b"0")).collect();
    peer.write_all(&chunks).unwrap();
    for _ in 0..9 {
        assert_eq!(held.answer().await.unwrap().header.kind, Kind::Chunk);
        assert!(!held.is_free());
    }
    crate::questions::credit(3, 8, held.outgoing());
    assert!(held.turn().await.unwrap().is_none() && !held.is_writing());
    let credit = hear(&mut peer, HEADER_LEN + 4);
    assert_eq!(credit[4..8], [6, 0, 0, 0x53]);
    assert_eq!(credit[8], 3);
    assert_eq!(credit[16..], [8, 0, 0, 0]);
    // Dropped in the middle, with chunks under way.
    drop(held);
    peer.write_all(&frame(Kind::Chunk, 3, b"9")).unwrap();
    peer.write_all(&Header::bare(Kind::End, 3).encode())
        .unwrap();
    let mut held = lease(&lane);
    held.quiesce().await.unwrap();
    assert!(held.is_free());
}

#[tokio::test]
async fn an_answer_out_of_place_breaks_the_lane() {
    for (bytes, stream, expected) in [
        (
            frame(Kind::Result, 4, b"1"),
            false,
            "RESULT for call 4 during call 5",
        ),
        (
            frame(Kind::Chunk, 5, b"1"),
            false,
            "CHUNK where one value was asked for",
        ),
        (
            frame(Kind::Result, 5, b"1"),
            true,
            "RESULT where a stream was asked for",
        ),
        (
            Header::bare(Kind::End, 5).encode().to_vec(),
            false,
            "END where one value was asked for",
        ),
        (
            frame(Kind::Result, 5, b"1").repeat(2),
            false,
            "more bytes after the final RESULT",
        ),
        (
            frame(Kind::Error, 5, b"{}").repeat(2),
            true,
            "more bytes after the final ERROR",
        ),
        (frame(Kind::Pong, 5, b"{}"), false, "PONG on the lane"),
        (
            b"Traceback (most recent call last)".to_vec(),
            false,
            r#"no frame begins with "Traceback (most ""#,
        ),
        (
            frame(Kind::Result, 5, &vec![b' '; 1_000_001]),
            false,
            "RESULT of 1000001 bytes is over the limit of 1000000",
        ),
    ] {
        // Only so much as the socket takes: nobody reads on after a violation.
        let shown = &bytes[..bytes.len().min(10_000)];
        assert_eq!(violation(shown, stream).await, expected);
    }
}

#[tokio::test]
async fn what_arrives_between_calls_breaks_the_next_one() {
    let (lane, mut peer) = lane();
    peer.write_all(&frame(Kind::Result, 0, b"1")).unwrap();
    let mut held = call(&lane, 1, false).await;
    assert!(matches!(held.answer().await, Err(Fault::Violation(_))));
}

#[tokio::test]
async fn the_end_of_the_connection_is_the_end_of_the_lane() {
    for bytes in [&b""[..], &frame(Kind::Result, 1, b"[1]")[..17]] {
        let (lane, mut peer) = lane();
        let mut held = call(&lane, 1, false).await;
        peer.write_all(bytes).unwrap();
        drop(peer);
        assert!(matches!(held.answer().await, Err(Fault::Closed)));
        drop(held);
        let mut held = lease(&lane);
        assert!(held.is_broken() && held.abandoned().is_none());
        held.quiesce()
            .await
            .unwrap_or_else(|fault| assert!(matches!(fault, Fault::Closed)));
    }
}

#[tokio::test]
async fn an_answer_sent_before_the_end_still_counts() {
    let (lane, mut peer) = lane();
    let mut held = call(&lane, 1, false).await;
    peer.write_all(&frame(Kind::Result, 1, b"7")).unwrap();
    drop(peer);
    assert_eq!(held.answer().await.unwrap().body, &b"7"[..]);
}

/// A copy of the worker's end lives on elsewhere, so there is no end-of-file.
#[tokio::test]
async fn shutting_down_wakes_who_waits() {
    let (lane, peer) = lane();
    let mut held = call(&lane, 1, false).await;
    let waiting = tokio::spawn(async move { held.answer().await.map(|_| ()) });
    tokio::task::yield_now().await;
    lane.shut_down();
    let result = timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(result, Err(Fault::Closed)));
    drop(peer);
}

/// A `STATE` with its version.
fn state(id: u64, version: u64, left: &[u8]) -> Vec<u8> {
    let header = Header {
        length: u32::try_from(8 + left.len()).unwrap(),
        kind: Kind::State,
        flags: Flags::NONE,
        codec: Codec::Raw,
        id,
    };
    [&header.encode()[..], &version.to_le_bytes(), left].concat()
}

/// Versions and states of one session.
#[derive(Default)]
struct Keeper(Mutex<Vec<(u64, Option<Bytes>)>>);

impl SessionKeeper for Keeper {
    fn keep(&self, _number: u64, _origin: Origin, version: u64, state: Option<Bytes>) {
        self.0.lock().push((version, state));
    }
}

#[tokio::test]
async fn what_a_session_leaves_is_kept_whoever_reads_the_lane() {
    let (lane, mut peer) = lane();
    let kept = Arc::new(Keeper::default());
    let origin = Origin {
        worker: WorkerId::new(1),
        since: 0,
    };
    let cannot = 7 | 1 << 63;
    for (abandoned, version) in [(false, 7), (true, 7), (false, cannot)] {
        let keeper: Weak<Keeper> = Arc::downgrade(&kept);
        let session = SessionCall::new(1).kept_by(keeper, origin);
        let mut held = lease(&lane);
        fill(&mut held, 1, false, &[]);
        held.keep_for(Some(session));
        held.begin(1, false).await.unwrap();
        // In one piece: the answer is here already when the state was read.
        let answer = [state(1, version, b"left"), frame(Kind::Result, 1, b"null")].concat();
        peer.write_all(&answer).unwrap();
        if abandoned {
            held.quiesce().await.unwrap();
        } else {
            assert_eq!(held.answer().await.unwrap().header.kind, Kind::Result);
        }
        assert!(held.is_free());
    }
    let left = Some(Bytes::from_static(b"left"));
    assert_eq!(*kept.0.lock(), [(7, left.clone()), (7, left), (7, None)]);
}

#[tokio::test]
async fn a_state_nobody_keeps_is_a_violation() {
    let detail = violation(&state(5, 1, b""), false).await;
    assert_eq!(detail, "STATE without a call of a session");
}

#[tokio::test]
async fn an_answer_overtakes_what_is_still_being_sent() {
    let (lane, mut peer) = lane();
    let mut held = call(&lane, 1, false).await;
    hear(&mut peer, HEADER_LEN + 8);
    // A reply larger than the socket, to a question that was given up.
    let reply = frame(Kind::Reply, 1, &vec![b' '; 4_000_000]);
    held.outgoing().head.extend_from_slice(&reply);
    assert!(poll_and_drop(held.turn()).await.is_none());
    assert!(held.is_writing());
    peer.write_all(&frame(Kind::Result, 1, b"1")).unwrap();
    // Dropped before the rest has left: the lane is not free.
    assert!(poll_and_drop(held.answer()).await.is_none());
    drop(held);
    let reader = std::thread::spawn(move || {
        let heard = hear(&mut peer, reply.len());
        assert!(heard == reply, "one frame, whole");
        peer
    });
    let mut held = lease(&lane);
    assert_eq!(held.abandoned(), Some(1));
    held.quiesce().await.unwrap();
    assert!(held.is_free());
    drop(reader.join().unwrap());
}

#[tokio::test]
async fn questions_of_an_abandoned_call_are_passed_over() {
    let (lane, mut peer) = lane();
    drop(call(&lane, 1, false).await);
    peer.write_all(&frame(Kind::Ask, 1, b"[1,null,[],{},null]"))
        .unwrap();
    peer.write_all(&frame(Kind::Error, 1, b"{}")).unwrap();
    let mut held = lease(&lane);
    held.quiesce().await.unwrap();
    assert!(held.is_free());
}
