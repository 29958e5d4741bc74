"""Frames on sockets: partial reads and writes, limits, descriptors."""

from __future__ import annotations

import array
import os
import socket
import struct
import threading
from typing import Any, Iterator

import pytest

from snakepit_bridge._frames import Connection, DescriptorLink
from snakepit_bridge._wire import CALL, CODEC_JSON, FORK, RESULT, LinkClosed, ProtocolError

HEADER = struct.Struct("<IBBBBQ")


@pytest.fixture
def pair() -> Iterator[Any]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def frame(body: bytes, kind: int = CALL, flags: int = 0, codec: int = 1, magic: int = 0x53, ident: int = 7) -> bytes:
    return HEADER.pack(len(body), kind, flags, codec, magic, ident) + body


def test_a_frame_has_the_bytes_the_protocol_shows(pair: Any) -> None:
    ours, theirs = pair
    Connection(theirs).send(RESULT, 0, CODEC_JSON, 1, (b'"pong"',))
    assert ours.recv(100) == bytes.fromhex("06 00 00 00 02 00 01 53 01 00 00 00 00 00 00 00 22 70 6f 6e 67 22")


def test_frames_that_arrive_together_are_read_one_by_one(pair: Any) -> None:
    ours, theirs = pair
    ours.sendall(frame(b"[1]", ident=1) + frame(b"", ident=2) + frame(b"[3]", ident=3))
    link = Connection(theirs)
    seen = []
    for _ in range(3):
        kind, _flags, _codec, ident, body, _owned = link.read()
        seen.append((kind, ident, bytes(body)))
    assert seen == [(CALL, 1, b"[1]"), (CALL, 2, b""), (CALL, 3, b"[3]")]
    assert not link.read_ahead


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 200, 16 * 1024 - 17, 16 * 1024 - 16, 16 * 1024, 100_000])
def test_a_frame_is_read_however_it_is_cut(pair: Any, size: int) -> None:
    ours, theirs = pair
    body = os.urandom(size)
    data = frame(body) * 2

    def feed() -> None:
        step = max(1, len(data) // 50)
        for at in range(0, len(data), step):
            ours.sendall(data[at : at + step])

    feeder = threading.Thread(target=feed)
    feeder.start()
    link = Connection(theirs)
    assert bytes(link.read()[4]) == body
    assert bytes(link.read()[4]) == body
    feeder.join()


def test_a_gather_larger_than_the_socket_arrives_whole(pair: Any) -> None:
    ours, theirs = pair
    parts = [os.urandom(size) for size in [5, 0, 300_000, 1] + [700] * 1500]
    sender = threading.Thread(target=Connection(theirs).send, args=(RESULT, 0, 1, 9, parts))
    sender.start()
    _kind, _flags, _codec, _ident, body, owned = Connection(ours).read()
    sender.join()
    assert bytes(body) == b"".join(parts)
    assert owned


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (frame(b"", magic=0x54), "magic"),
        (frame(b"", flags=4), "flags"),
        (frame(b"", codec=2), "codec"),
        (HEADER.pack(1 << 20, CALL, 0, 1, 0x53, 1), "limit"),
    ],
)
def test_a_malformed_header_is_a_protocol_error(pair: Any, data: bytes, reason: str) -> None:
    ours, theirs = pair
    ours.sendall(data)
    with pytest.raises(ProtocolError, match=reason):
        Connection(theirs, max_frame=1000).read()


def test_the_end_of_a_connection_is_told_apart_from_errors(pair: Any) -> None:
    ours, theirs = pair
    ours.sendall(frame(b"[1]")[:10])
    ours.close()
    with pytest.raises(LinkClosed):
        Connection(theirs).read()


def test_descriptors_stay_with_their_frame(pair: Any) -> None:
    ours, theirs = pair
    pipes = [os.pipe() for _ in range(2)]
    for number, (reader, _writer) in enumerate(pipes):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [reader]))]
        ours.sendmsg([frame(b"{}", kind=FORK, ident=number)], rights)
    link = DescriptorLink(theirs)
    for number, (reader, writer) in enumerate(pipes):
        received = link.read()
        assert received is not None
        kind, ident, body, descriptors = received
        assert (kind, ident, body, len(descriptors)) == (FORK, number, b"{}", 1)
        assert not os.get_inheritable(descriptors[0])
        os.write(writer, b"x")
        assert os.read(descriptors[0], 1) == b"x"
        for descriptor in (reader, writer, descriptors[0]):
            os.close(descriptor)
    ours.close()
    assert link.read() is None


def test_a_peer_that_left_without_reading_is_simply_gone(pair: Any) -> None:
    ours, theirs = pair
    theirs.sendall(b"unread")
    ours.close()
    assert DescriptorLink(theirs).read() is None
