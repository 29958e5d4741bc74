"""What a worker may use, as the host's HELLO limits it; must not know how that was decided."""

from __future__ import annotations

import os
import resource
from typing import Any

from ._errors import error_of
from ._order import AdapterError
from ._wire import ProtocolError

_RESOURCES = {
    "nofile": resource.RLIMIT_NOFILE,
    "core": resource.RLIMIT_CORE,
    "as": resource.RLIMIT_AS,
}


def apply(limits: Any) -> None:
    """Limit this process. Raises `ProtocolError`, or `AdapterError` where the system refuses."""
    if limits is None:
        return
    if type(limits) is not dict:
        raise ProtocolError("limits is not an object")
    # The group first: opening its file takes what the other limits may no longer grant.
    group = limits.get("cgroup")
    if group is not None:
        _join(group)
    for name, kind in _RESOURCES.items():
        value = limits.get(name)
        if value is not None:
            if type(value) is not int or value < 0:
                raise ProtocolError("the limit %s is not a number" % name)
            _lower(name, kind, value)


def lowered(value: int, hard: int) -> int:
    """What to limit to where no more than `hard` is allowed."""
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def _lower(name: str, kind: int, value: int) -> None:
    if name == "as":
        mapped = _mapped()
        if value < mapped:
            raise _refused(
                "the limit as=%d is less than the %d bytes that a worker maps before it runs any code"
                % (value, mapped),
                "raise `rlimits.as`: libraries reserve far more address space than they use",
            )
    try:
        most = lowered(value, resource.getrlimit(kind)[1])
        resource.setrlimit(kind, (most, most))
    except (OSError, ValueError, OverflowError) as error:
        raise _refused(
            "the limit %s=%d cannot be set: %s" % (name, value, error), "correct `rlimits.%s`" % name
        ) from None


def _join(group: Any) -> None:
    if type(group) is not str:
        raise ProtocolError("the limit cgroup is not a path")
    try:
        descriptor = os.open(os.path.join(group, "cgroup.procs"), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"0")
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise _refused(
            "the limit cgroup=%s cannot be joined: %s" % (group, error),
            "is that group delegated to this user, with the memory controller on?",
        ) from None


def _mapped() -> int:
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[0]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def _refused(message: str, hint: str) -> AdapterError:
    return AdapterError(error_of("setup", message, hint))
