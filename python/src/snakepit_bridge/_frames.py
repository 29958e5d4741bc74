"""Reading and writing frames on blocking sockets; must not know what a frame means."""

from __future__ import annotations

import array
import os
import socket
from typing import NamedTuple, Sequence, Union

from ._wire import (
    CODEC_JSON,
    DEFAULT_MAX_FRAME,
    HEADER,
    HEADER_SIZE,
    KNOWN_FLAGS,
    MAGIC,
    PLAIN,
    PLAIN_WORD,
    LinkClosed,
    ProtocolError,
)

Buffer = Union[bytes, bytearray, memoryview]

READ_AHEAD = 16 * 1024
"""Small enough to cost a forked worker few pages; a longer frame gets memory of its own."""

_MAX_DESCRIPTORS = 253  # SCM_MAX_FD of Linux
_MAX_GATHER = 512  # well under IOV_MAX (1024)
_JOIN_BELOW = 16 * 1024
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Frame(NamedTuple):
    """One received frame. `body` may be overwritten by the next read unless `owned` is true."""

    kind: int
    flags: int
    codec: int
    ident: int
    body: memoryview
    owned: bool


class Connection:
    """A connection that carries no descriptors: it reads ahead, so that a small frame costs one system call."""

    def __init__(self, sock: socket.socket, max_frame: int = DEFAULT_MAX_FRAME, read_ahead: int = READ_AHEAD) -> None:
        self.sock = sock
        self.max_frame = max_frame
        self._recv_into = sock.recv_into
        self._send = sock.send
        self._view = memoryview(bytearray(read_ahead))
        self._start = 0
        self._end = 0

    @property
    def read_ahead(self) -> bool:
        """Whether bytes of a further frame are here already, invisible to `poll`."""
        return self._start < self._end

    def read(self) -> tuple[int, int, int, int, memoryview, bool]:
        """Block for the next frame; the fields are those of `Frame`, in its order."""
        view = self._view
        start = self._start
        end = self._end
        if start == end:
            start = 0
            end = self._receive(view)
        if end - start < HEADER_SIZE:
            start, end = self._more(start, end, HEADER_SIZE)
        length, kind, flags, codec, magic, ident = HEADER.unpack_from(view, start)
        if magic != MAGIC or flags & ~KNOWN_FLAGS or codec > CODEC_JSON or length > self.max_frame:
            raise _malformed(length, flags, codec, magic, self.max_frame)
        start += HEADER_SIZE
        stop = start + length
        if stop > end:
            if length > len(view) - HEADER_SIZE:
                return kind, flags, codec, ident, self._large(start, end, length), True
            start, end = self._more(start, end, length)
            stop = start + length
        self._start = stop
        self._end = end
        return kind, flags, codec, ident, view[start:stop], False

    def read_plain(self, kind: int) -> tuple[int, str] | None:
        """The id and text of the next frame, if it is of this kind, plain JSON, and arrives whole.

        None if it has to be read with `read`, which finds what has arrived. Blocks.
        """
        if self._start != self._end:
            return None
        view = self._view
        end = self._receive(view)
        if end >= HEADER_SIZE:
            length, word, ident = PLAIN.unpack_from(view)
            if word == PLAIN_WORD | kind and length + HEADER_SIZE == end:
                try:
                    return ident, str(view[HEADER_SIZE:end], "utf-8")
                except UnicodeDecodeError:
                    pass
        self._start, self._end = 0, end
        return None

    def send_text(self, kind: int, ident: int, text: bytes) -> None:
        """Send one frame of plain JSON."""
        header = PLAIN.pack(len(text), PLAIN_WORD | kind, ident)
        if len(text) > _JOIN_BELOW:
            send_all(self.sock, [header, text])
            return
        # Copying a small body is cheaper than a gather.
        frame = header + text
        try:
            sent = self._send(frame)
        except OSError as error:
            raise LinkClosed(str(error)) from None
        if sent < len(frame):  # a signal arrived while the peer's buffer was full
            send_all(self.sock, [memoryview(frame)[sent:]])

    def send(self, kind: int, flags: int, codec: int, ident: int, parts: Sequence[Buffer] = ()) -> None:
        """Send one frame whose body is the concatenation of `parts`."""
        header = HEADER.pack(sum(map(len, parts)), kind, flags, codec, MAGIC, ident)
        send_all(self.sock, [header, *parts])

    def _receive(self, view: memoryview) -> int:
        try:
            count = self._recv_into(view)
        except OSError as error:
            raise LinkClosed(str(error)) from None
        if not count:
            raise LinkClosed("end of file")
        return count

    def _more(self, start: int, end: int, need: int) -> tuple[int, int]:
        """Receive until `need` bytes follow `start`, moving them to the front first."""
        view = self._view
        have = end - start
        view[:have] = bytes(view[start:end])
        while have < need:
            have += self._receive(view[have:])
        return 0, have

    def _large(self, start: int, end: int, length: int) -> memoryview:
        body = memoryview(bytearray(length))
        have = end - start
        body[:have] = self._view[start:end]
        self._start = self._end = 0
        while have < length:
            have += self._receive(body[have:])
        return body


class DescriptorLink:
    """The boot link: frames may carry descriptors, so a read never crosses a frame boundary."""

    def __init__(self, sock: socket.socket, max_frame: int = DEFAULT_MAX_FRAME) -> None:
        self.sock = sock
        self.max_frame = max_frame

    def read(self) -> tuple[int, int, bytes, list[int]] | None:
        """Return kind, id, body and descriptors of the next frame; None at the end of the connection."""
        descriptors: list[int] = []
        try:
            header = self._header(descriptors)
            if not header:
                return None
            length, kind, flags, codec, magic, ident = HEADER.unpack(header)
            if magic != MAGIC or flags or codec != CODEC_JSON or length > self.max_frame:
                raise _malformed(length, flags, codec, magic, self.max_frame)
            body = bytearray(length)
            have = 0
            while have < length:
                count = self.sock.recv_into(memoryview(body)[have:])
                if not count:
                    raise LinkClosed("end of file inside a frame")
                have += count
        except BaseException as error:
            close_all(descriptors)
            if isinstance(error, OSError):
                raise LinkClosed(str(error)) from None
            raise
        return kind, ident, bytes(body), descriptors

    def send(self, kind: int, ident: int, body: bytes, descriptor: int | None = None) -> None:
        """Send one frame, `descriptor` attached to its first byte."""
        frame = HEADER.pack(len(body), kind, 0, CODEC_JSON, MAGIC, ident) + body
        ancillary = []
        if descriptor is not None:
            ancillary.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor])))
        try:
            sent = self.sock.sendmsg([frame], ancillary)
        except OSError as error:
            raise LinkClosed(str(error)) from None
        if sent < len(frame):
            send_all(self.sock, [memoryview(frame)[sent:]])

    def _header(self, descriptors: list[int]) -> bytes:
        header = b""
        space = socket.CMSG_SPACE(_MAX_DESCRIPTORS * 4)
        while len(header) < HEADER_SIZE:
            try:
                data, ancillary, _flags, _address = self.sock.recvmsg(HEADER_SIZE - len(header), space, _CLOEXEC)
            except ConnectionResetError:  # the peer left without reading all we sent: gone all the same
                data, ancillary = b"", []
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    received = array.array("i")
                    received.frombytes(payload[: len(payload) - len(payload) % received.itemsize])
                    descriptors.extend(received)
                    for descriptor in received:
                        os.set_inheritable(descriptor, False)
            if not data:
                if header:
                    raise LinkClosed("end of file inside a header")
                return b""
            header += data
        return header


def send_all(sock: socket.socket, parts: Sequence[Buffer]) -> None:
    """Gather `parts` into a blocking socket, however often the kernel takes only some of them."""
    views = [memoryview(part) for part in parts if len(part)]
    first = 0
    try:
        while first < len(views):
            sent = sock.sendmsg(views[first : first + _MAX_GATHER])
            while first < len(views) and sent >= len(views[first]):
                sent -= len(views[first])
                first += 1
            if sent:
                views[first] = views[first][sent:]
    except OSError as error:
        raise LinkClosed(str(error)) from None


def close_all(descriptors: Sequence[int]) -> None:
    """Close descriptors, whatever state they are in."""
    for descriptor in descriptors:
        try:
            os.close(descriptor)
        except OSError:
            pass


def _malformed(length: int, flags: int, codec: int, magic: int, max_frame: int) -> ProtocolError:
    if magic != MAGIC:
        return ProtocolError("wrong magic 0x%02x" % magic)
    if length > max_frame:
        return ProtocolError("frame of %d bytes is over the limit of %d" % (length, max_frame))
    return ProtocolError("flags 0x%02x or codec %d not known here" % (flags, codec))
