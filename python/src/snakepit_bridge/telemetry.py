"""Telling the host what happens in a call: `telemetry.emit(...)`, `with telemetry.span(...)`; knows no transport.

Works in functions that are no commands, too: events belong to the call the thread works for. In threads of your own,
use the `telemetry` of the call they work for: `current_call().telemetry`, fetched on the call's own thread.
"""

from ._telemetry import Span, Telemetry

_OF_THIS_THREAD = Telemetry()

emit = _OF_THIS_THREAD.emit
span = _OF_THIS_THREAD.span

__all__ = ["Span", "emit", "span"]
