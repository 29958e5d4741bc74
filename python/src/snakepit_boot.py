"""Starts the bridge with the boot link as descriptor 0; must run on any Python, to say that it is too old."""

import json
import os
import struct
import sys

_FAILED = 23
_OLDEST = (3, 8)


def _fail(message, hint):
    body = json.dumps({"kind": "interpreter", "message": message, "hint": hint}).encode("ascii")
    frame = struct.pack("<IBBBBQ", len(body), _FAILED, 0, 1, 0x53, 0) + body
    while frame:
        frame = frame[os.write(0, frame) :]
    os._exit(0)


def _main():
    if sys.version_info < _OLDEST:
        _fail(
            "CPython %d.%d.%d is too old: Snakepit needs 3.8 or newer" % tuple(sys.version_info[:3]),
            "point the pool at a newer interpreter than " + str(sys.executable),
        )
    try:
        from snakepit_bridge._boot import main
    except BaseException:
        error = sys.exc_info()[1]
        _fail(
            "the bridge cannot run here: %s: %s" % (type(error).__name__, error),
            "the standard library of %s seems to be incomplete" % sys.executable,
        )
    main()


if __name__ == "__main__":
    _main()
