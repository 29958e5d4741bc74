"""How the main interpreter reaches a lane in another interpreter; must not know either side's work.

A page of memory that both map says everything; a byte on a socket wakes the thread that reads it there. So nothing gets
lost when that thread has no time, and what the lane does may be asked without its help.
"""

from __future__ import annotations

import mmap
import os
import socket
from typing import Any, NamedTuple

_WORD = 8
_RUNNING, _SERVED, _STOPPING, _REQUESTED, _CANCELLED, _RING = range(6)
_RING_SIZE = mmap.PAGESIZE // _WORD - _RING


class Address(NamedTuple):
    """What an interpreter needs to open its end. `sock` is its own from then on, `board` is not."""

    board: int
    number: int
    sock: int


class LaneState:
    """What one lane has on the board: a page. Each word is written by one side only."""

    def __init__(self, board: int, number: int) -> None:
        # Or each side would keep a descriptor of its own, for resizing: too many where there are many lanes.
        untracked: dict[str, Any] = {"trackfd": False}
        page = mmap.mmap(board, mmap.PAGESIZE, offset=number * mmap.PAGESIZE, **untracked)
        self._words = memoryview(page).cast("Q")
        self._taken = 0

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

    def take_cancelled(self) -> list[int]:
        """The calls cancelled since this was asked last, maybe some from before."""
        words = self._words
        count = words[_CANCELLED]
        first = max(self._taken, count - _RING_SIZE)
        self._taken = count
        found = [words[_RING + number % _RING_SIZE] for number in range(first, count)]
        requested = words[_REQUESTED]  # the call in progress cannot be overwritten by others
        if requested and requested not in found:
            found.append(requested)
        return found

    # The side of control.

    def get(self) -> tuple[int, int]:
        """The call being served or 0, and how many were."""
        return self._words[_RUNNING], self._words[_SERVED]

    def stop(self) -> None:
        """Ask the lane to stop."""
        self._words[_STOPPING] = 1

    def cancel(self, ident: int) -> None:
        """Cancel a call, of this lane or of another one: it may not have arrived yet. The oldest are overwritten."""
        words = self._words
        if words[_RUNNING] == ident:
            words[_REQUESTED] = ident
        count = words[_CANCELLED]
        words[_RING + count % _RING_SIZE] = ident
        words[_CANCELLED] = count + 1


def make_board(lanes: int) -> int:
    """The memory for so many lanes, as a descriptor."""
    board = os.memfd_create("snakepit-lanes")
    os.truncate(board, mmap.PAGESIZE * lanes)
    return board


class RemoteLane:
    """A lane of another interpreter, to the thread that listens to control; its gate as well."""

    def __init__(self, board: int, number: int) -> None:
        self._sock, theirs = socket.socketpair()
        self._state = LaneState(board, number)
        self.address = Address(board, number, theirs.detach())
        self.gate = self

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
        self._state.cancel(ident)
        self._wake()

    def insist(self) -> bool:
        """The other interpreter does that by itself."""
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
