"""Stacks in the output pipe, of a crash or on SIGQUIT; must not know calls, nor who asks."""

from __future__ import annotations

import faulthandler
import fcntl
import os
import resource
import signal

# Code that closes "all" descriptors, or makes 1 and 2 its own, hardly ever looks as far. The kernel's table of
# descriptors grows with the number: to 8 KiB for this one.
_HIGHEST = 1000


class Faults:
    """The interpreter's fault handler, which works while the GIL is held by code that never lets go of it."""

    def __init__(self, output: int) -> None:
        self._descriptor = _high_copy(output)
        faulthandler.enable(self._descriptor)
        faulthandler.register(signal.SIGQUIT, self._descriptor, all_threads=True, chain=False)

    def leave(self) -> None:
        """In a copy that user code forked: it may live longer than the worker, whose output ends with the worker."""
        faulthandler.unregister(signal.SIGQUIT)
        faulthandler.enable(2)
        if self._descriptor != 2:
            try:
                os.close(self._descriptor)
            except OSError:
                pass  # user code did


def _high_copy(output: int) -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = _HIGHEST if limit == resource.RLIM_INFINITY else min(_HIGHEST, limit - 1)
    for least in (highest, 3):
        try:
            return fcntl.fcntl(output, fcntl.F_DUPFD_CLOEXEC, max(least, 3))
        except (OSError, OverflowError):  # none left
            pass
    return 2
