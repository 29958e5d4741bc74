"""The numbers of the worker protocol and its failure types; must not know sockets, values or user code."""

from __future__ import annotations

import json
import struct
from typing import Any

PROTOCOL = 1
FEATURES = ("stream", "cancel", "tools", "input")
DEFAULT_MAX_FRAME = 64 * 1024 * 1024

HEADER = struct.Struct("<IBBBBQ")
HEADER_SIZE = 16
MAGIC = 0x53

FLAG_BUFFERS = 0x01
FLAG_STREAM = 0x02
KNOWN_FLAGS = FLAG_BUFFERS | FLAG_STREAM

CODEC_RAW = 0
CODEC_JSON = 1

PLAIN = struct.Struct("<IIQ")
"""The header with kind, flags, codec and magic as one word: one comparison instead of four."""

PLAIN_WORD = CODEC_JSON << 16 | MAGIC << 24
"""That word for JSON without flags, kind yet to be added."""

CALL = 1
RESULT = 2
ERROR = 3
CHUNK = 4
END = 5
CREDIT = 6
ASK = 7
REPLY = 8
REFUSAL = 9
PULL = 10
ITEM = 11
ITEMS_END = 12
STATE = 13
HELLO = 16
CANCEL = 17
PING = 18
PONG = 19
LOG = 20
STOP = 21
NOTICE = 22
FAILED = 23
TELL = 24
WHERE = 25
STACK = 26
TRIM = 27
TRIMMED = 28
EVENT = 29
BOOT = 32
READY = 33
FORK = 34
FORKED = 35
REFUSED = 36
EXITED = 37
BECOME = 38

FREE_CHUNKS = 16
"""Chunks of a stream a worker may send before the first CREDIT."""

ITEMS_AHEAD = 16
"""Items of its input a worker asks for before user code takes them."""

EXIT_STOPPED = 0
EXIT_PROTOCOL = 70
EXIT_LINK = 71


class ProtocolError(Exception):
    """The peer broke the protocol; the connection cannot be used any more."""


class LinkClosed(Exception):
    """The connection ended or failed underneath us."""


def dump_object(value: dict[str, Any]) -> bytes:
    """Encode a JSON object of the runtime itself.

    Its strings may come from file names or user exceptions, so lone surrogates are replaced rather than refused.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "replace")


def load_object(body: bytes) -> dict[str, Any]:
    """Decode the body of a frame that carries one JSON object."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("body is not JSON: %s" % error) from None
    if type(value) is not dict:
        raise ProtocolError("body is not a JSON object")
    return value
