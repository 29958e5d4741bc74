"""Texts as numbers, without a model: counts, and vectors of hashed words; must not know calls."""

from __future__ import annotations

import hashlib
import math
from typing import Any, Mapping, Sequence


def statistics(text: str) -> dict[str, Any]:
    """Counts of a text; words are lower-case and bare of punctuation."""
    found = words(text)
    return {
        "characters": len(text),
        "words": len(found),
        "different_words": len(set(found)),
        "longest_word": max(found, key=len, default=""),
    }


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    bare = "".join(letter if letter.isalnum() else " " for letter in text.lower())
    return bare.split()


def embedding(text: str, dimensions: int) -> list[float]:
    """A vector of unit length; each word adds 1 or -1 to the place its digest names. All 0 without words.

    Raises `ValueError` unless `dimensions` is positive.
    """
    if dimensions < 1:
        raise ValueError("dimensions has to be positive, not %d" % dimensions)
    vector = [0.0] * dimensions
    for word in words(text):
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        vector[int.from_bytes(digest[:7], "little") % dimensions] += 1.0 if digest[7] & 1 else -1.0
    length = math.sqrt(sum(number * number for number in vector))
    return [number / length for number in vector] if length else vector


def nearest(examples: Mapping[str, str], texts: Sequence[str]) -> list[str]:
    """The label whose example is most similar to each text, by the angle between their vectors.

    Raises `ValueError` without examples.
    """
    if not examples:
        raise ValueError("there are no examples to compare with")
    known = {label: embedding(example, 256) for label, example in examples.items()}

    def best(text: str) -> str:
        vector = embedding(text, 256)
        return max(known, key=lambda label: sum(map(float.__mul__, vector, known[label])))

    return [best(text) for text in texts]
