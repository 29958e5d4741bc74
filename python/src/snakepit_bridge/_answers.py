"""The answers of a lane: results, or why there is none; must not run user code but to convert its values."""

from __future__ import annotations

import difflib
import inspect
from typing import Any, Callable, Mapping, Sequence

from ._annotations import signature_of
from ._api import Cancelled
from ._cancel import Gate
from ._commands import shown_signature
from ._errors import describe, error_of, smaller
from ._exchange import Exchange
from ._frames import Connection
from ._mismatch import BadArguments
from ._refs import NotKept
from ._traces import is_own
from ._values import Unserialisable, body_parts, encode
from ._wire import CHUNK, CODEC_JSON, CODEC_RAW, END, ERROR, FLAG_BUFFERS, RESULT, dump_object

_EXIT_HINT = "the command called sys.exit(): the worker lives on; raise another exception to report a failure"


class _Impossible(Exception):
    """A value that cannot be sent, and what to answer instead."""

    def __init__(self, described: dict[str, Any]) -> None:
        super().__init__()
        self.described = described


class Answers:
    """How one lane answers the call that its gate says is running."""

    def __init__(self, link: Connection, gate: Gate, exchange: Exchange) -> None:
        self._link = link
        self._gate = gate
        self._exchange = exchange
        self.leave_copy: Callable[[BaseException], Any] | None = None
        """Set in a process that user code forked: how to end it when an exception reaches the lane."""

    def result(self, value: Any) -> None:
        """Answer with a value, or with the reason why that is impossible."""
        try:
            text, buffers = self._encoded(value)
        except _Impossible as reason:
            self.error(reason.described)
            return
        exchange = self._exchange
        exchange.ended = ident = self._gate.running
        if exchange.is_used:
            exchange.end(ident)
        if buffers:
            self._link.send(RESULT, FLAG_BUFFERS, CODEC_JSON, ident, body_parts(text, buffers))
        else:
            self._link.send_text(RESULT, ident, text)

    def chunk(self, value: Any) -> bool:
        """Add a value to the answer. False if that was impossible: then the answer is the reason why."""
        try:
            text, buffers = self._encoded(value)
        except _Impossible as reason:
            self.error(reason.described)
            return False
        with self._exchange.sending:  # other threads may be asking
            if buffers:
                parts = body_parts(text, buffers)
                self._link.send(CHUNK, FLAG_BUFFERS, CODEC_JSON, self._gate.running, parts)
            else:
                self._link.send_text(CHUNK, self._gate.running, text)
        return True

    def end(self) -> None:
        """The chunks are all there are."""
        ident = self._gate.running
        self._exchange.end(ident)
        self._link.send(END, 0, CODEC_RAW, ident)

    def _encoded(self, value: Any) -> tuple[bytes, list[memoryview]]:
        try:
            text, buffers = encode(value)
        except Unserialisable as error:
            raise _Impossible(error_of("unserialisable", str(error), _CARRYING_HINT)) from None
        except BaseException as error:  # out of memory, or a conversion of user code that exits
            raise _Impossible(describe(error, "exception")) from None
        size = len(text)
        if buffers:
            size += 4 + sum(8 + view.nbytes for view in buffers)
        if size > self._link.max_frame:
            raise _Impossible(too_large(size, self._link.max_frame))
        return text, buffers

    def failure(
        self,
        error: BaseException,
        command: str,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        """Answer with what user code raised."""
        if self.leave_copy is not None:
            self.leave_copy(error)
        ident = self._gate.running
        if self._gate.is_cancelled(ident) and is_cancellation(error):
            self.error(cancelled(error))
        elif isinstance(error, BadArguments):
            wrapped = getattr(function, "__wrapped__", None)  # behind its checks; execute_tool has no signature to tell
            hint = None if wrapped is None else _signature_hint(command, signature_of(wrapped))
            self.error(error_of("bad_arguments", str(error), hint))
        elif isinstance(error, TypeError) and at_boundary(error):
            self.error(bad_arguments(command, function, args, kwargs) or describe(error, "exception"))
        elif isinstance(error, NotKept):
            self.error(describe(error, "not_kept", error.hint))
        elif isinstance(error, SystemExit):
            self.error(describe(error, "exception", _EXIT_HINT))
        else:
            self.error(describe(error, "exception"))

    def error(self, described: dict[str, Any]) -> None:
        """Answer with an error."""
        self._exchange.end(self._gate.running)
        body = dump_object(described)
        if len(body) > self._link.max_frame:
            body = dump_object(smaller(described, self._link.max_frame))
        self._link.send_text(ERROR, self._gate.running, body)


_CARRYING_HINT = (
    "or keep it in its worker and return a handle on it (`context.keep`, `Request::keep`), "
    "or set `unserialisable: placeholder` in the pool's configuration"
)


def too_large(size: int, limit: int) -> dict[str, Any]:
    """The answer in place of a result that no frame can hold."""
    return error_of(
        "too_large",
        "the result is %d bytes, the limit is %d" % (size, limit),
        "return less, stream it in chunks (a generator), or raise max_payload",
    )


def expired(command: str, late: int) -> dict[str, Any]:
    """The answer to a call that came `late` nanoseconds after its deadline."""
    return error_of("expired", "the deadline had passed %.3f ms before %s() could start" % (late / 1e6, command))


def cancelled(error: BaseException) -> dict[str, Any]:
    """The answer of a call that was interrupted."""
    described = describe(error, "cancelled")
    described["message"] = described["message"] or "cancelled by the caller"
    return described


def is_cancellation(error: BaseException | None) -> bool:
    """Whether the exception is how a cancellation shows: itself, or what clean-up code raised because of it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # user code may have made a circle of them
        seen.add(id(error))
        # asyncio's own is matched by name: asyncio need not be loaded here.
        if isinstance(error, Cancelled) or type(error).__name__ == "CancelledError":
            return True
        # An explicit cause, or none, is a translation somebody meant.
        error = None if error.__suppress_context__ else error.__context__
    return False


def unknown(command: str, functions: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a command that does not exist."""
    names: list[str] = list(functions)
    # Of modules that a pool lists, functions are named together with their modules.
    near = difflib.get_close_matches(command, names, 1) or [name for name in names if name.endswith("." + command)]
    message = "there is no command %.200r" % command + ("; did you mean %r?" % near[0] if near else "")
    shown = ", ".join(names[:50]) + (", ..." if len(names) > 50 else "")
    return error_of("unknown_command", message, "the commands are: " + shown)


def at_boundary(error: BaseException) -> bool:
    """Whether the runtime's own code raised it, be it by the act of calling, so that perhaps no user code ran."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step is not None and is_own(step.tb_frame.f_code.co_filename)


def bad_arguments(
    command: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The answer to arguments that do not fit; None if they do, after all."""
    signature = signature_of(function)
    if signature is None:
        return None
    try:
        inspect.Signature.bind(signature, *args, **kwargs)
    except TypeError as error:
        message = "%s() %s" % (command, _unknown(signature, kwargs) or error)
        return error_of("bad_arguments", message, _signature_hint(command, signature))
    return None


def _signature_hint(command: str, signature: inspect.Signature | None) -> str | None:
    return None if signature is None else "its signature is %s%s" % (command, shown_signature(signature))


def _unknown(signature: inspect.Signature, kwargs: Mapping[str, Any]) -> str | None:
    """The first argument that does not exist, and which was meant: what is missing besides is missing for that."""
    parameters = signature.parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return None
    by_name = [each.name for each in parameters if each.kind not in (each.POSITIONAL_ONLY, each.VAR_POSITIONAL)]
    unknown = next((name for name in kwargs if name not in by_name), None)
    if unknown is None:
        return None
    near = difflib.get_close_matches(unknown, by_name, 1)
    return "got an unexpected keyword argument %r%s" % (unknown, "; did you mean %r?" % near[0] if near else "")
