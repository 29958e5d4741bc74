"""Interrupting again when once did not help; must not know what the messages mean that end the wait."""

from __future__ import annotations

import select
import socket
from typing import Any, Sequence

_TRIES = 30


class Insistence:
    """Repeats the interruption of cancelled calls while its thread has nothing else to do."""

    def __init__(self, sock: socket.socket) -> None:
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._tries = 0

    def begin(self) -> None:
        """A cancellation was asked for."""
        self._tries = _TRIES

    def wait(self, lanes: Sequence[Any]) -> None:
        """Interrupt again and again until the socket can be read, or until that helped or is known to be no use."""
        while self._tries and not self._poll.poll(min(2 ** (_TRIES - self._tries), 100)):
            self._tries -= 1
            useful = [lane.gate.insist() for lane in lanes]
            if not any(useful):
                self._tries = 0
