"""The Python side of Snakepit: what an adapter may import; must not import the runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import telemetry
from ._api import (
    BaseAdapter,
    Cancelled,
    cancelled,
    check_cancelled,
    deadline,
    tool,
)
from ._arrays import RawArray
from ._context import CallContext, context, current_call
from ._refs import Kept, NotKept
from ._sessions import SessionState, SessionStateError
from ._tables import RawTable
from ._tools import ToolError
from .session_context import SessionContext

if TYPE_CHECKING:
    from ._overlap import ThreadSafetyError
    from ._shared import Shared, shared
    from .base_adapter_threaded import (
        RequestTracker,
        ThreadLocalStorage,
        ThreadSafeAdapter,
        read_only,
        require_thread_safe,
        thread_safe_method,
        validate_thread_safety,
    )
    from .thread_safety_checker import ThreadSafetyChecker, check_thread_safe

__version__ = "0.1.0"

__all__ = [
    "BaseAdapter",
    "CallContext",
    "Cancelled",
    "Kept",
    "NotKept",
    "RawArray",
    "RawTable",
    "RequestTracker",
    "SessionContext",
    "SessionState",
    "SessionStateError",
    "Shared",
    "ThreadLocalStorage",
    "ThreadSafeAdapter",
    "ThreadSafetyChecker",
    "ThreadSafetyError",
    "ToolError",
    "__version__",
    "cancelled",
    "check_cancelled",
    "check_thread_safe",
    "context",
    "current_call",
    "deadline",
    "read_only",
    "require_thread_safe",
    "shared",
    "telemetry",
    "thread_safe_method",
    "tool",
    "validate_thread_safety",
]

_ON_DEMAND = {
    "RequestTracker": "base_adapter_threaded",
    "Shared": "_shared",
    "ThreadLocalStorage": "base_adapter_threaded",
    "ThreadSafeAdapter": "base_adapter_threaded",
    "ThreadSafetyChecker": "thread_safety_checker",
    "ThreadSafetyError": "_overlap",
    "check_thread_safe": "thread_safety_checker",
    "read_only": "base_adapter_threaded",
    "require_thread_safe": "base_adapter_threaded",
    "shared": "_shared",
    "thread_safe_method": "base_adapter_threaded",
    "validate_thread_safety": "base_adapter_threaded",
}
"""Where the names are that only some adapters use: a boot process does not pay for the others."""


def __getattr__(name: str) -> Any:
    module = _ON_DEMAND.get(name)
    if module is None:
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    from importlib import import_module

    value = getattr(import_module("%s.%s" % (__name__, module)), name)
    globals()[name] = value
    return value
