"""Output of user code as LOG frames, or plain lines where there is no host to send to; must not know calls."""

from __future__ import annotations

import codecs
import io
import logging
import os
import sys
import threading
from typing import Any, Callable, Dict

from ._logs import MARK
from ._traces import cut

_MAX_TEXT = 16 * 1024
_MAX_HELD = 256 * 1024  # of a line that does not end

Sink = Callable[[Dict[str, Any]], bool]
"""Sends one LOG body and says whether that worked. Must not raise, nor print."""


class _Route:
    """Where output goes: to the sink in a worker; else straight to descriptors 1 and 2."""

    def __init__(self) -> None:
        self.sink: Sink | None = None

    def emit(self, descriptor: int, record: dict[str, Any]) -> None:
        sink = self.sink
        if sink is not None and sink(record):
            return
        text = record["text"]
        if record["stream"] == "log":
            text = "%s %s: %s" % (record["level"], record["logger"], text)
        _write_raw(descriptor, text + "\n")


ROUTE = _Route()


class LineWriter(io.TextIOBase):
    """A text stream that hands over whole lines, each thread's on its own."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = True
    mode = "w"

    def __init__(self, stream: str, descriptor: int) -> None:
        super().__init__()
        self.name = "<%s>" % stream
        self._stream = stream
        self._descriptor = descriptor
        self.partial: dict[int, str] = {}
        self.buffer = _ByteWriter(self)

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError("write() argument must be str, not %s" % type(text).__name__)
        here = threading.get_ident()
        held = self.partial.pop(here, "") + text
        if "\n" in held:
            lines = held.split("\n")
            held = lines.pop()
            for line in lines:
                self._emit(line)
        if len(held) > _MAX_HELD:
            self._emit(held)
        elif held:
            self.partial[here] = held
        return len(text)

    def flush(self) -> None:
        """Hand over what this thread has left of a line."""
        if self.partial:
            held = self.partial.pop(threading.get_ident(), "")
            if held:
                self._emit(held)

    @property
    def pending(self) -> bool:
        """Whether any thread has part of a line here."""
        return bool(self.partial)

    def close(self) -> None:
        """Standard streams outlive whoever closes them: a worker must not fall silent."""
        self.flush()

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def reconfigure(self, **_settings: Any) -> None:
        """Accepted for programs that set an encoding or buffering; there is nothing to change."""

    def _emit(self, text: str) -> None:
        ROUTE.emit(self._descriptor, {"stream": self._stream, "text": cut(text, _MAX_TEXT)})


class _ByteWriter(io.RawIOBase):
    """`sys.stdout.buffer`: bytes that become text of the same stream."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._writer.write(self._decoder.decode(view.tobytes()))
        return view.nbytes

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self.flush()

    def fileno(self) -> int:
        return self._writer.fileno()

    def writable(self) -> bool:
        return True


class LogHandler(logging.Handler):
    """Log records as LOG frames, with level and logger."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        line = {"stream": "log", "text": cut(text, _MAX_TEXT), "level": record.levelname, "logger": record.name}
        call = getattr(record, MARK, None)
        ROUTE.emit(2, line if type(call) is not int else {**line, "call": call})


STDOUT = LineWriter("stdout", 1)
STDERR = LineWriter("stderr", 2)


def install(log_level: str) -> None:
    """Take over the standard streams and the root logger, before any user code can hold on to the old ones."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    sys.stdout = STDOUT
    sys.stderr = STDERR
    root = logging.getLogger()
    root.addHandler(LogHandler())
    level = logging.getLevelName(log_level.upper())
    root.setLevel(level if isinstance(level, int) else logging.INFO)


def flush() -> None:
    """Send incomplete lines, so that a fork does not duplicate and an exit does not lose them."""
    STDOUT.flush()
    STDERR.flush()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()  # user code may have put its own in place
        except Exception:
            pass


def complain(text: str) -> None:
    """A last word of the runtime itself, where no frame can carry it."""
    _write_raw(2, "snakepit worker %d: %s\n" % (os.getpid(), text))


def _write_raw(descriptor: int, text: str) -> None:
    data = text.encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        pass  # nobody listens
