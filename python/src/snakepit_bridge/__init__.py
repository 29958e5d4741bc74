"""The Python side of Snakepit: what an adapter may import; must not import the runtime."""

from ._api import (
    BaseAdapter,
    Cancelled,
    cancelled,
    check_cancelled,
    deadline,
    tool,
)
from ._context import CallContext, context, current_call
from ._duck import RawArray
from ._tools import ToolError

__version__ = "0.1.0"

__all__ = [
    "BaseAdapter",
    "CallContext",
    "Cancelled",
    "RawArray",
    "ToolError",
    "__version__",
    "cancelled",
    "check_cancelled",
    "context",
    "current_call",
    "deadline",
    "tool",
]
