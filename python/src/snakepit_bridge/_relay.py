"""How the main interpreter reaches a lane in another interpreter; must not know either side's work.

A sequenced-packet socket carries what has to wake somebody: the ids of cancelled calls. A page of memory that both map
holds what may be asked at any time, without the other side's help.
"""

from __future__ import annotations

import mmap
import os
import socket
from typing import NamedTuple

_WORDS = 8  # of 8 bytes for each lane: a cache line of its own
_RUNNING, _SERVED, _STOPPING = 0, 1, 2
_WAKE = 0  # no call has this id


class Address(NamedTuple):
    """What an interpreter needs to open its end. `sock` is its own from then on, `board` is not."""

    board: int
    number: int
    sock: int


class LaneState:
    """What one lane has on the board. Only the lane writes `running` and `served`, only the other side `stopping`."""

    def __init__(self, board: int, number: int) -> None:
        self._words = memoryview(mmap.mmap(board, mmap.PAGESIZE * _pages(number + 1))).cast("Q")
        self._first = number * _WORDS

    def get(self) -> tuple[int, int]:
        """The call being served or 0, and how many were."""
        return self._words[self._first + _RUNNING], self._words[self._first + _SERVED]

    def begin(self, ident: int) -> None:
        """The lane serves this call."""
        self._words[self._first] = ident

    def finish(self, served: int) -> None:
        """The lane is free, after so many calls."""
        self._words[self._first + _SERVED] = served
        self._words[self._first] = 0

    @property
    def stopping(self) -> bool:
        """Whether the lane is to stop."""
        return self._words[self._first + _STOPPING] != 0

    def stop(self) -> None:
        """Ask the lane to stop."""
        self._words[self._first + _STOPPING] = 1


def make_board(lanes: int) -> int:
    """The memory for so many lanes, as a descriptor."""
    board = os.memfd_create("snakepit-lanes")
    os.truncate(board, mmap.PAGESIZE * _pages(lanes))
    return board


def _pages(lanes: int) -> int:
    return (lanes * _WORDS * 8 + mmap.PAGESIZE - 1) // mmap.PAGESIZE


class RemoteLane:
    """A lane of another interpreter, to the thread that listens to control; its gate as well."""

    thread = 0

    def __init__(self, board: int, number: int) -> None:
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
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
        try:
            self._sock.send(ident.to_bytes(8, "little"), socket.MSG_DONTWAIT)
        except OSError:
            pass  # so many are waiting that nobody can listen; the host will ask again

    def insist(self) -> bool:
        """The other interpreter does that by itself."""
        return False

    def stop(self) -> None:
        """End after the call in progress."""
        self._state.stop()
        self.request(_WAKE)
