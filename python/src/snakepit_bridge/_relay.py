"""How the main interpreter reaches a lane in another interpreter; must not know either side's work.

Two pages of memory that both map say everything; a byte on a socket wakes the thread that reads it there. So nothing
gets lost when that thread has no time, and what the lane does may be asked without its help.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import time
from typing import Any, NamedTuple

_WORD = 8
_RUNNING, _SERVED, _STOPPING, _TRIMS_WANTED, _TRIMS_DONE, _COLLECTED = range(6)
_RINGS = 8
_SIZE = 2 * mmap.PAGESIZE
_RING_WORDS = (_SIZE // _WORD - _RINGS) // 2
_CURRENT, _COUNT, _ENTRIES = range(3)
_RING_SIZE = _RING_WORDS - _ENTRIES

_TRIM_PATIENCE = 10.0
"""Seconds for the collection of one interpreter, whose finalisers are user code and may never end."""


class Address(NamedTuple):
    """What an interpreter needs to open its end. `sock` is its own from then on, `board` is not."""

    board: int
    number: int
    sock: int


class LaneState:
    """What one lane has on the board: two pages. Each word is written by one side only."""

    def __init__(self, board: int, number: int) -> None:
        # Or each side would keep a descriptor of its own, for resizing: too many where there are many lanes.
        untracked: dict[str, Any] = {"trackfd": False}
        page = mmap.mmap(board, _SIZE, offset=number * _SIZE, **untracked)
        self._words = words = memoryview(page).cast("Q")
        self.cancelled = _Ring(words[_RINGS : _RINGS + _RING_WORDS])
        """Calls to interrupt."""
        self.told = _Ring(words[_RINGS + _RING_WORDS : _RINGS + 2 * _RING_WORDS])
        """Calls to tell that they are cancelled."""

    # The lane's side.

    def begin(self, ident: int) -> None:
        """The lane serves this call."""
        self._words[_RUNNING] = ident

    def finish(self, served: int) -> None:
        """The lane is free, after so many calls."""
        self._words[_SERVED] = served
        self._words[_RUNNING] = 0

    def is_stopping(self) -> bool:
        """Whether the lane is to stop."""
        return self._words[_STOPPING] != 0

    def wants_trim(self) -> bool:
        """Whether a collection was asked for that is not done."""
        return self._words[_TRIMS_WANTED] != self._words[_TRIMS_DONE]

    def trimmed(self, collected: int) -> None:
        """A collection is done, which found so many objects."""
        self._words[_COLLECTED] = collected
        self._words[_TRIMS_DONE] = self._words[_TRIMS_WANTED]

    # The side of control.

    def get(self) -> tuple[int, int]:
        """The call being served or 0, and how many were."""
        return self._words[_RUNNING], self._words[_SERVED]

    def stop(self) -> None:
        """Ask the lane to stop."""
        self._words[_STOPPING] = 1

    def put(self, ring: _Ring, ident: int) -> None:
        """Say something of a call, of this lane or of another one: it may not have arrived yet."""
        ring.put(ident, self._words[_RUNNING] == ident)

    def ask_for_trim(self) -> None:
        """Ask for a collection."""
        self._words[_TRIMS_WANTED] += 1

    def collected(self) -> int:
        """How many objects the last collection found."""
        return self._words[_COLLECTED]


class _Ring:
    """Calls that something was said of. The oldest are overwritten, but for the one that was in progress."""

    def __init__(self, words: memoryview) -> None:
        self._words = words
        self._taken = 0

    def take(self) -> list[int]:
        """Those put since this was asked last, maybe some from before."""
        words = self._words
        count = words[_COUNT]
        first = max(self._taken, count - _RING_SIZE)
        self._taken = count
        found = [words[_ENTRIES + number % _RING_SIZE] for number in range(first, count)]
        current = words[_CURRENT]
        if current and current not in found:
            found.append(current)
        return found

    def put(self, ident: int, is_current: bool) -> None:
        """Add one; whether it is the call in progress."""
        words = self._words
        if is_current:
            words[_CURRENT] = ident
        count = words[_COUNT]
        words[_ENTRIES + count % _RING_SIZE] = ident
        words[_COUNT] = count + 1


def make_board(lanes: int) -> int:
    """The memory for so many lanes, as a descriptor."""
    board = os.memfd_create("snakepit-lanes")
    os.truncate(board, _SIZE * lanes)
    return board


class RemoteLane:
    """A lane of another interpreter, to the thread that listens to control; its gate as well."""

    def __init__(self, board: int, number: int) -> None:
        self._sock, theirs = socket.socketpair()
        self._state = LaneState(board, number)
        self.address = Address(board, number, theirs.detach())
        self.gate = self
        self.thread = 0
        """The thread the lane is on, which the lane's own interpreter calls by the same number."""

    @property
    def running(self) -> int:
        """The call being served, 0 between calls."""
        return self._state.get()[0]

    @property
    def served(self) -> int:
        """How many calls were."""
        return self._state.get()[1]

    def request(self, ident: int) -> None:
        """Ask the call to stop, if it runs there or will."""
        self._state.put(self._state.cancelled, ident)
        self._wake()

    def tell(self, ident: int) -> None:
        """Tell the call, if it runs there or will, that it is cancelled."""
        self._state.put(self._state.told, ident)
        self._wake()

    def insist(self) -> bool:
        """The other interpreter does that by itself."""
        return False

    def trim(self) -> int:
        """Have the other interpreter collect garbage. How much it found; blocks until then, or for so long."""
        self._state.ask_for_trim()
        self._wake()
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        deadline = time.monotonic() + _TRIM_PATIENCE
        while self._state.wants_trim():
            left = deadline - time.monotonic()
            if left <= 0 or (poll.poll(left * 1000) and not self._answer()):
                return 0
        return self._state.collected()

    def _answer(self) -> bool:
        """Take the byte that says to look at the board; False if the lane has ended."""
        try:
            return bool(self._sock.recv(64, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def stop(self) -> None:
        """End after the call in progress."""
        self._state.stop()
        self._wake()

    def _wake(self) -> None:
        try:
            self._sock.send(b"!", socket.MSG_DONTWAIT)
        except OSError:
            pass  # full, hence readable already; or the lane has ended
