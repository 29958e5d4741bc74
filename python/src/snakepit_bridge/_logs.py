"""A logger that says of each record which call it is for; must not know where records go."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, MutableMapping

if TYPE_CHECKING:
    from ._context import CallContext

    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter

MARK = "snakepit_call"
"""The attribute of a record that names its call."""


class CallLogger(_Adapter):
    """The logger `adapter.<command>` for one call. Formatters find `command` and `session` in its records."""

    def __init__(self, call: CallContext) -> None:
        extra = {MARK: call.id, "command": call.command, "session": call.session}
        super().__init__(logging.getLogger("adapter." + call.command), extra)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add what names the call to what the record has of its own."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs
