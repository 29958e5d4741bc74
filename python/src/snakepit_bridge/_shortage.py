"""Running out of file descriptors: how that shows, and what can be done; must not know what needed them."""

from __future__ import annotations

import errno
import os
import resource
from typing import Any

from ._errors import error_of, message_of

_CODES = (errno.EMFILE, errno.ENFILE)
_FEW = 16
"""More than is open at any moment while an interpreter starts, beyond what it keeps."""


def is_shortage(error: BaseException) -> bool:
    """Whether it came about for lack of descriptors, however it was wrapped since."""
    texts = [os.strerror(code) for code in _CODES]
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        if isinstance(step, OSError) and step.errno in _CODES:
            return True
        # From the loader of shared libraries, or out of another interpreter, there is nothing but the text.
        message = message_of(step)
        if any(text in message for text in texts):
            return True
        step = step.__cause__ or step.__context__
    return False


def are_few_left() -> bool:
    """Whether so few are left that this explains any failure."""
    made: list[int] = []
    try:
        for _ in range(_FEW):
            made.append(os.dup(0))  # noqa: PERF401 - those before the one that fails are to be closed
    except OSError as error:
        return error.errno in _CODES
    finally:
        for descriptor in made:
            os.close(descriptor)
    return False


def shortage(described: dict[str, Any], lanes: int) -> dict[str, Any]:
    """The body of FAILED, of kind `setup`, for such a failure while `lanes` lanes were made."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    plural = "lane" if lanes == 1 else "lanes"
    message = "setting up %d %s needs more file descriptors than the limit of %d leaves: %s"
    return {
        **described,
        **error_of(
            "setup",
            message % (lanes, plural, limit, described["message"].partition("\n")[0]),
            "raise the limit (`ulimit -n`), or lower `threads_per_worker`",
        ),
    }
