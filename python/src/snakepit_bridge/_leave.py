"""How a worker process ends; must not know what it did."""

from __future__ import annotations

import os
from typing import NoReturn

from . import _output
from ._errors import message_of, type_name
from ._wire import EXIT_LINK, EXIT_PROTOCOL, LinkClosed, ProtocolError


def leave(status: int) -> NoReturn:
    """End the process without finalising the interpreter, which is the boot process's as well."""
    try:
        _output.flush()
    finally:
        os._exit(status & 0xFF)


def leave_because(error: BaseException) -> NoReturn:
    """End the process after a failure of the runtime, with the exit status that section 8 of the protocol gives it."""
    if isinstance(error, ProtocolError):
        _output.complain("protocol error on a lane: %s" % error)
        leave(EXIT_PROTOCOL)
    if isinstance(error, LinkClosed):
        _output.complain("a connection failed: %s" % error)
    else:
        _output.complain("the runtime failed: %s: %s" % (type_name(error), message_of(error)))
    leave(EXIT_LINK)
