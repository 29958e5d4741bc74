"""The host's side of the protocol, small and strict, for tests: real sockets, real interpreters, no mercy for leaks."""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterable

from snakepit_bridge import _wire as wire

SOURCE = Path(__file__).resolve().parents[1] / "src"
PATIENCE = 30.0
_HEADER = struct.Struct("<IBBBBQ")
_BODILESS = (wire.CREDIT, wire.ITEMS_END, wire.PING, wire.CANCEL, wire.STOP, wire.TELL, wire.WHERE, wire.TRIM)


class Frame:
    """One frame from the worker side."""

    def __init__(self, kind: int, flags: int, codec: int, ident: int, body: bytes, descriptors: list[int]) -> None:
        self.kind, self.flags, self.codec, self.ident = kind, flags, codec, ident
        self.body, self.descriptors = body, descriptors

    @property
    def json(self) -> Any:
        assert self.codec == 1
        return json.loads(self.body)

    def __repr__(self) -> str:
        return "Frame(kind=%d, id=%d, %r)" % (self.kind, self.ident, self.body[:300])


class Wire:
    """A socket that speaks frames."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE)

    def send(self, kind: int, body: Any = b"", ident: int = 0, flags: int = 0, fds: Iterable[int] = ()) -> None:
        codec = 0 if isinstance(body, bytes) and kind in _BODILESS and (kind != wire.ITEMS_END or not body) else 1
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        frame = _HEADER.pack(len(data), kind, flags, codec, 0x53, ident) + data
        rights = array.array("i", fds)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else []
        sent = self.sock.sendmsg([frame], ancillary)
        if sent < len(frame):
            self.sock.sendall(frame[sent:])

    def read(self) -> Frame | None:
        """The next frame; None at the end of the connection."""
        descriptors: list[int] = []
        header = b""
        while len(header) < 16:
            try:
                data, ancillary, _, _ = self.sock.recvmsg(16 - len(header), socket.CMSG_SPACE(64))
            except ConnectionResetError:
                return None
            for _, _, payload in ancillary:
                received = array.array("i")
                received.frombytes(payload)
                descriptors.extend(received)
            if not data:
                assert not header
                return None
            header += data
        length, kind, flags, codec, magic, ident = _HEADER.unpack(header)
        assert magic == 0x53
        body = b""
        while len(body) < length:
            piece = self.sock.recv(length - len(body))
            assert piece
            body += piece
        return Frame(kind, flags, codec, ident, body, descriptors)

    def expect(self, kind: int, ident: int | None = None) -> Frame:
        frame = self.read()
        assert frame is not None, "the connection ended"
        assert frame.kind == kind, frame
        assert ident is None or frame.ident == ident, frame
        return frame

    def close(self) -> None:
        self.sock.close()


class Worker:
    """One worker as its host sees it."""

    def __init__(self, lanes: int) -> None:
        self.pid = 0
        self.pidfd = -1
        pairs = [socket.socketpair() for _ in range(1 + lanes)]
        self.output, self._output_end = os.pipe()
        self.control = Wire(pairs[0][0])
        self.lanes = [Wire(pair[0]) for pair in pairs[1:]]
        self.theirs = [pair[1] for pair in pairs]
        self.logs: list[Frame] = []
        self.notices: list[Frame] = []
        self.events: list[Frame] = []
        self.states: list[Frame] = []
        self._next = 0

    @property
    def descriptors(self) -> list[int]:
        return [self.theirs[0].fileno(), self._output_end, *(sock.fileno() for sock in self.theirs[1:])]

    def hand_over(self) -> None:
        for sock in self.theirs:
            sock.close()
        os.close(self._output_end)

    def hello(self) -> Any:
        return self.answer(wire.HELLO).json

    def answer(self, kind: int) -> Frame:
        """The next frame of `kind` on control; LOG and NOTICE are kept aside."""
        while True:
            frame = self.control.read()
            assert frame is not None, "control ended"
            if frame.kind == kind or not self._kept(frame):
                assert frame.kind == kind, frame
                return frame

    def _kept(self, frame: Frame) -> bool:
        """Whether it is a frame that may come at any time."""
        kept = {wire.LOG: self.logs, wire.NOTICE: self.notices, wire.EVENT: self.events}.get(frame.kind)
        if kept is not None:
            kept.append(frame)
        return kept is not None

    def sync(self) -> dict[str, Any]:
        """PING and its PONG; every LOG sent before is in `logs` then."""
        self.control.send(wire.PING)
        pong: dict[str, Any] = self.answer(wire.PONG).json
        return pong

    def until(self, accept: Callable[[], bool]) -> None:
        """Ask again and again until the worker's state, seen through PONG and LOG, is as wanted."""
        while not accept():
            self.sync()

    def start(self, command: str, *args: Any, lane: int = 0, stream: bool = False, **context: Any) -> int:
        self._next += 1
        request = [command, list(args), context.pop("kwargs", {}), context.pop("deadline", None)]
        follows = b""
        if context.keys() & {"input", "keep"}:
            request.append(context)
        elif context:
            follows = json.dumps(context).encode()
        body = json.dumps(request).encode() + follows
        self.lanes[lane].send(wire.CALL, body, self._next, wire.FLAG_STREAM if stream else 0)
        return self._next

    def enter(self, session: str, state: Any, left: bytes, command: str, *args: Any) -> int:
        """A call of a session that left something elsewhere; `state` is its number and edition."""
        self._next += 1
        context = {"session": session, "state": [*state, {"$": ["bytes", 0]}]}
        text = json.dumps([command, list(args), {}, None, context]).encode()
        table = struct.pack("<IQ", 1, len(left))
        self.lanes[0].send(wire.CALL, table + text + left, self._next, wire.FLAG_BUFFERS)
        return self._next

    def finish(self, ident: int, lane: int = 0) -> Frame:
        poll = select.poll()
        for wire_ in (self.lanes[lane], self.control):
            poll.register(wire_.sock, select.POLLIN)
        while self.lanes[lane].sock.fileno() not in dict(poll.poll(PATIENCE * 1000)):
            # A host always reads control: a worker that prints would block for ever.
            frame = self.control.read()
            assert frame is not None
            assert self._kept(frame), frame
        frame = self.lanes[lane].read()
        assert frame is not None, "the lane ended"
        assert frame.ident == ident
        if frame.kind == wire.STATE:
            assert frame.codec == 0
            self.states.append(frame)
            return self.finish(ident, lane)
        assert frame.kind in (wire.RESULT, wire.ERROR), frame
        return frame

    def call(self, command: str, *args: Any, lane: int = 0, **context: Any) -> Any:
        frame = self.finish(self.start(command, *args, lane=lane, **context), lane)
        assert frame.kind == wire.RESULT, frame
        return frame.json

    def fail(self, command: str, *args: Any, lane: int = 0, **context: Any) -> dict[str, Any]:
        frame = self.finish(self.start(command, *args, lane=lane, **context), lane)
        assert frame.kind == wire.ERROR, frame
        error: dict[str, Any] = frame.json
        return error

    def cancel(self, ident: int) -> None:
        self.control.send(wire.CANCEL, ident=ident)

    def tell(self, ident: int) -> None:
        self.control.send(wire.TELL, ident=ident)

    def where(self, ident: int) -> list[dict[str, Any]]:
        """The frames of a call."""
        self.control.send(wire.WHERE, ident=ident)
        frame = self.answer(wire.STACK)
        assert frame.ident == ident
        frames: list[dict[str, Any]] = frame.json["frames"]
        return frames

    def trim(self, ident: int = 7) -> int:
        """Have the worker collect garbage, and how much it found."""
        self.control.send(wire.TRIM, ident=ident)
        frame = self.answer(wire.TRIMMED)
        assert frame.ident == ident
        collected: int = frame.json["collected"]
        return collected

    def stop(self) -> None:
        self.control.send(wire.STOP)

    def told(self, count: int) -> list[dict[str, Any]]:
        """The bodies of the events so far, once there are so many: they are sent by a thread of their own."""
        self.until(lambda: len(self.events) >= count)
        return [frame.json for frame in self.events]

    def texts(self, stream: str) -> list[str]:
        return [frame.json["text"] for frame in self.logs if frame.json["stream"] == stream]

    def read_output(self) -> bytes:
        """What the worker wrote to the output pipe until nobody held its end any more."""
        data = b""
        while True:
            piece = os.read(self.output, 65536)
            if not piece:
                return data
            data += piece

    def close(self) -> None:
        for wire_ in (self.control, *self.lanes):
            wire_.close()
        os.close(self.output)
        if self.pidfd >= 0:
            os.close(self.pidfd)


class Host:
    """A boot process and its workers; a context manager that leaves no process."""

    def __init__(
        self,
        adapter: Any,
        python: str = sys.executable,
        max_frame: int = 1 << 20,
        flags: Iterable[str] = (),
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        **order: Any,
    ) -> None:
        ours, theirs = socket.socketpair()
        self.link = Wire(ours)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        environment.update(env or {})
        self.process = subprocess.Popen(
            [python, *flags, str(SOURCE / "snakepit_boot.py")],
            stdin=theirs.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
        )
        theirs.close()
        self.workers: list[Worker] = []
        self.exits: dict[int, dict[str, Any]] = {}
        self._launches = 0
        boot = {"protocol": 1, "parent": os.getpid(), "adapter": adapter, "max_frame": max_frame, "log_level": "INFO"}
        boot.update(order)
        self.link.send(wire.BOOT, boot)

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        pids = [worker.pid for worker in self.workers if worker.pid]
        self.link.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            for worker in self.workers:
                worker.close()
            assert self.process.stdout is not None
            self.process.stdout.close()
        for pid in pids:
            wait_gone(pid)

    def ready(self) -> Any:
        return self.link.expect(wire.READY).json

    def failed(self) -> Any:
        return self.link.expect(wire.FAILED).json

    def launch(self, lanes: int = 1, kind: int = wire.FORK, **hello: Any) -> Worker:
        """Ask for a worker, without waiting for it. `hello` is added to what the host's HELLO says."""
        worker = Worker(lanes)
        self._launches += 1
        self.workers.append(worker)
        name = "test/%d" % self._launches
        request = {"protocol": 1, "features": [], "worker": name, "lanes": lanes, **hello}
        self.link.send(kind, request, self._launches, fds=worker.descriptors)
        worker.hand_over()
        return worker

    def fork(self, lanes: int = 1, **hello: Any) -> Worker:
        """A worker that said HELLO."""
        worker = self.launch(lanes, **hello)
        self.forked(worker)
        worker.info = worker.hello()  # type: ignore[attr-defined]
        return worker

    def forked(self, worker: Worker) -> None:
        frame = self.link.expect(wire.FORKED, self._launches)
        worker.pid = frame.json["pid"]
        if frame.descriptors:
            (worker.pidfd,) = frame.descriptors

    def exited(self) -> Any:
        return self.link.expect(wire.EXITED).json

    def output(self) -> str:
        """All the boot process wrote, after it ended."""
        assert self.process.stdout is not None
        return self.process.stdout.read().decode()


def wait_gone(pid: int) -> None:
    """Wait until no process of that id is running."""
    try:
        pidfd = os.pidfd_open(pid, 0) if sys.version_info >= (3, 9) else -1
    except OSError:
        return
    if pidfd < 0:
        while _running(pid):
            select.select([], [], [], 0.005)
        return
    try:
        assert select.select([pidfd], [], [], PATIENCE)[0], "process %d is still there" % pid
    finally:
        os.close(pidfd)


def _running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open("/proc/%d/stat" % pid) as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
