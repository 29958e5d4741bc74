"""Where a thread is at this moment, without disturbing it; must not know calls or connections.

Usually its frames are looked at. Where threads do not exclude each other that would stop all of them until the last one
lets go, native code included, and it is unsound where several interpreters run at the same time. There the thread is
asked instead, by a signal: the interpreter's fault handler writes down the frames of the thread it interrupts.
"""

from __future__ import annotations

import faulthandler
import os
import re
import select
import signal
import stat
import sys
import threading
import time
from typing import Iterable, NamedTuple

from . import _gil
from ._traces import INNER_FRAMES, MAX_TEXT, OUTER_FRAMES, cut, is_own

_MAX_DEPTH = 10_000
_MAX_SOURCE = 1 << 20
_TIME_FOR_SOURCES = 0.03
_PATIENCE = 0.05
"""Seconds. A thread may block the signal, or sleep where none reaches it."""

_SIGNAL = signal.SIGRTMAX
_HEADER = b"Stack (most recent call first):\n"
_LINE = re.compile(r'  File "(.*)", line (\d+) in (.*)')
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")


class Step(NamedTuple):
    """One frame."""

    file: str
    line: int
    function: str


def frames_of(thread: int) -> list[dict[str, object]]:
    """The frames of user code on a thread, outermost first, as the protocol wants them. Empty if it cannot be seen."""
    steps = chosen(_looked_at(thread) if _may_look() else _BELL.ask(thread))
    sources = _Sources()
    frames = [_described(step, sources) for step in reversed(steps)]  # the innermost matter most
    return frames[::-1]


def chosen(steps: Iterable[Step]) -> list[Step]:
    """Of steps innermost first: those of user code, outermost first, without the middle if they are many."""
    found = list(steps)
    while found and (is_own(found[-1].file) or found[-1].file == threading.__file__):
        found.pop()  # how the thread began
    shown = [step for step in reversed(found) if not is_own(step.file)]
    return shown if len(shown) <= OUTER_FRAMES + INNER_FRAMES else shown[:OUTER_FRAMES] + shown[-INNER_FRAMES:]


def parsed(dump: str) -> list[Step]:
    """What the fault handler wrote of one thread, innermost first."""
    matches = filter(None, map(_LINE.fullmatch, dump.split("\n")))
    return [Step(_unescaped(match[1]), int(match[2]), _unescaped(match[3])) for match in matches]


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1] or match[2] or match[3], 16)), text)


def _may_look() -> bool:
    return _gil.enabled() and "_interpreters" not in sys.modules and "_xxsubinterpreters" not in sys.modules


def _looked_at(thread: int) -> list[Step]:
    steps: list[Step] = []
    frame = sys._current_frames().get(thread)
    while frame is not None and len(steps) < _MAX_DEPTH:
        code = frame.f_code
        steps.append(Step(code.co_filename, frame.f_lineno or 0, code.co_name))
        frame = frame.f_back
    return steps


class _Bell:
    """Asks a thread by a signal."""

    def __init__(self) -> None:
        self._reader = self._writer = -1
        self._is_unusable = False
        self._owed = 0
        """Dumps asked for that have not begun: a thread that blocks the signal writes them when it unblocks it."""

    def ask(self, thread: int) -> list[Step]:
        """The thread's steps, innermost first; empty if it does not answer."""
        if self._reader < 0 and not self._install():
            return []
        self._drain()
        if self._owed:
            return []  # no dump says of which thread it is: one that comes late would be taken for this thread's
        # The dump has no end mark. The signal is queued, so that the beginning of a second one marks the end.
        for _ in (1, 2):
            signal.pthread_kill(thread, _SIGNAL)
            self._owed += 1
        data = self._read()
        return [] if self._owed else parsed(data.partition(_HEADER)[2].partition(_HEADER)[0].decode("ascii", "replace"))

    def _install(self) -> bool:
        if self._is_unusable or signal.getsignal(_SIGNAL) is not signal.SIG_DFL:
            return False  # user code has a use for it
        self._is_unusable = True  # unless the following works
        reader, writer = os.pipe()
        for descriptor in (reader, writer):
            os.set_blocking(descriptor, False)  # a thread must never wait here
        faulthandler.register(_SIGNAL, writer, all_threads=False, chain=False)
        self._reader, self._writer = reader, writer
        self._is_unusable = False
        return True

    def _drain(self) -> None:
        data = b""
        try:
            while True:
                data += os.read(self._reader, 65536)
        except BlockingIOError:
            pass
        self._owed -= data.count(_HEADER)

    def _read(self) -> bytes:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        deadline = time.monotonic() + _PATIENCE
        data = b""
        while data.count(_HEADER) < 2:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                break
            data += os.read(self._reader, 65536)
        self._owed -= data.count(_HEADER)
        return data


_BELL = _Bell()


def _described(step: Step, sources: _Sources) -> dict[str, object]:
    return {
        "file": cut(step.file, MAX_TEXT),
        "line": step.line,
        "function": cut(step.function, MAX_TEXT),
        "text": cut(sources.line(step.file, step.line).strip(), MAX_TEXT),
    }


class _Sources:
    """Source files, for as long as there is time: each step of reading one may wait for a turn with the GIL."""

    def __init__(self) -> None:
        self._until = time.monotonic() + _TIME_FOR_SOURCES
        self._files: dict[str, list[str]] = {}

    def line(self, file: str, number: int) -> str:
        """A line, counted from 1; empty if it cannot be had."""
        lines = self._files.get(file)
        if lines is None:
            lines = self._files[file] = _source(file) if time.monotonic() < self._until else []
        return lines[number - 1] if 0 < number <= len(lines) else ""


def _source(file: str) -> list[str]:
    """The lines of a source file. Not by `linecache`: that asks the loaders of modules, which may be user code."""
    try:
        # Whatever that name stands for by now: it must not block.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        with open(descriptor, "rb") as source:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_SOURCE:
                return []
            return source.read(_MAX_SOURCE).decode("utf-8", "replace").split("\n")
    except (OSError, ValueError):
        return []
