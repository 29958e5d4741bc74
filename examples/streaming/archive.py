"""Compresses files, piece by piece. A command that yields is a stream: its caller hears of every piece at once."""

import gzip
import os
from typing import Iterator


def compress(path: str, pieces: int = 100) -> Iterator[int]:
    """Write `path`.gz, and tell how many of the pieces are done. An attempt that ends early leaves nothing behind."""
    unfinished = path + ".part"
    size = -(-os.path.getsize(path) // pieces)
    try:
        with open(path, "rb") as source, gzip.open(unfinished, "wb") as target:
            for done in range(1, pieces + 1):
                target.write(source.read(size))
                yield done
        os.replace(unfinished, path + ".gz")
    finally:
        # Runs whatever happens: an error in here, and a caller who takes no more pieces.
        if os.path.exists(unfinished):
            os.remove(unfinished)


def is_packed(path: str) -> bool:
    """Whether `path`.gz holds what `path` holds."""
    with open(path, "rb") as source, gzip.open(path + ".gz") as packed:
        return source.read() == packed.read()


def files(folder: str) -> list:
    return sorted(os.listdir(folder))
