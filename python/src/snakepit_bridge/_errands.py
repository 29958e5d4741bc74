"""Work that the thread which listens to control must not wait for; must not know what that work is."""

from __future__ import annotations

import _thread
import queue
from typing import Any, Callable

from . import _output
from ._errors import message_of, type_name
from ._wire import LinkClosed


class Errands:
    """One thread, begun with the first errand, which runs them one by one."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[int], Any], int]] = queue.SimpleQueue()
        self._is_begun = False

    def run(self, job: Callable[[int], Any], ident: int) -> None:
        """Have `job(ident)` run soon."""
        self._jobs.put((job, ident))
        if not self._is_begun:
            try:
                # Takes over the signal mask of this thread: signals are for others.
                _thread.start_new_thread(self._work, ())
                self._is_begun = True
            except RuntimeError:  # this process, or this user, may have no more threads
                self._next()

    def _work(self) -> None:
        while True:
            self._next()

    def _next(self) -> None:
        job, ident = self._jobs.get()
        try:
            job(ident)
        except LinkClosed:
            pass  # whoever listens to control sees that too
        except BaseException as error:
            _output.complain("the runtime failed: %s: %s" % (type_name(error), message_of(error)))
