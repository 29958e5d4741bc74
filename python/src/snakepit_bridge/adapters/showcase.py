"""One command for everything a worker can do. Nothing is simulated: what they answer was computed or measured."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any, Iterator

from .. import BaseAdapter, RawArray, check_cancelled, context, tool
from . import _learning, _text


class ShowcaseAdapter(BaseAdapter):
    """Small commands of every kind. One instance serves one lane, so what it keeps in `self` is that lane's own."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.calls = 0
        self.started = time.monotonic()

    # Values.

    @tool
    def ping(self) -> dict[str, str]:
        """Answer at once."""
        return {"status": "ok"}

    @tool
    def echo(self, **values: Any) -> dict[str, Any]:
        """Give the arguments back."""
        return {"echoed": values}

    @tool
    def add(self, a: float, b: float) -> float:
        """Add two numbers."""
        return a + b

    @tool
    def error_demo(self, kind: str = "ValueError") -> None:
        """Raise an exception of this kind, with a cause."""
        known = {"ValueError": ValueError, "KeyError": KeyError, "RuntimeError": RuntimeError}
        if kind not in known:
            raise ValueError("kind is one of %s" % ", ".join(sorted(known)))
        try:
            int("not a number")
        except ValueError as cause:
            raise known[kind]("asked for") from cause

    @tool
    def adapter_info(self) -> dict[str, Any]:
        """What this adapter and its interpreter are."""
        return {
            "adapter": type(self).__name__,
            "python": "%d.%d.%d" % sys.version_info[:3],
            "arguments": dict(self.arguments),
        }

    @tool
    def get_worker_info(self) -> dict[str, Any]:
        """The process and the thread that serve this lane."""
        self.calls += 1
        return {
            "process": os.getpid(),
            "thread": threading.get_ident(),
            "asked": self.calls,
            "up_for_seconds": time.monotonic() - self.started,
        }

    # Sessions.

    @tool
    def set_counter(self, value: int) -> int:
        """Set the counter of this session."""
        context.state["counter"] = value
        return value

    @tool
    def get_counter(self) -> int:
        """The counter of this session, 0 before it was set."""
        return int(context.state.get("counter", 0))

    @tool
    def increment_counter(self, by: int = 1) -> int:
        """Add to the counter of this session."""
        return self.set_counter(self.get_counter() + by)

    # Binary data.

    @tool
    def create_tensor(self, shape: list[int]) -> RawArray:
        """An array of 64-bit floats that count up from 0."""
        size = 1
        for length in shape:
            size *= length
        import array

        return RawArray("<f8", tuple(shape), array.array("d", range(size)).tobytes())

    @tool
    def create_embedding(self, text: str, dimensions: int = 64) -> list[float]:
        """A text as a vector of unit length, by hashing its words."""
        return _text.embedding(text, dimensions)

    @tool
    def process_text(self, text: str) -> dict[str, Any]:
        """Word and character counts of a text."""
        return _text.statistics(text)

    @tool
    def process_binary(self, data: bytes) -> dict[str, Any]:
        """Length and digest of bytes."""
        import hashlib

        return {"length": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    # Streams.

    @tool
    def stream_progress(self, limit: int, steps: int = 10) -> Iterator[dict[str, Any]]:
        """Count the primes below a limit, telling how far it is."""
        found = 0
        for step in range(steps):
            found += count_primes(limit * step // steps, limit * (step + 1) // steps)
            yield {"step": step + 1, "of": steps, "primes": found}

    @tool
    def stream_fibonacci(self, count: int) -> Iterator[int]:
        """The first Fibonacci numbers, one by one."""
        here, following = 0, 1
        for _ in range(count):
            yield here
            here, following = following, here + following

    @tool
    def generate_dataset(self, rows: int, chunk_size: int = 100) -> Iterator[list[dict[str, Any]]]:
        """Rows of the sample data, repeated, in chunks."""
        features, labels = _learning.sample()
        for start in range(0, rows, chunk_size):
            places = [place % len(features) for place in range(start, min(start + chunk_size, rows))]
            yield [{"features": features[place], "label": labels[place]} for place in places]

    @tool
    def infinite_stream(self) -> Iterator[int]:
        """Count for ever; drop the stream to end it."""
        number = 0
        while True:
            yield number
            number += 1

    # Work.

    @tool
    def cpu_bound_task(self, limit: int) -> int:
        """Count the primes below a limit: processor time, and a chance to be cancelled."""
        found = 0
        for start in range(0, limit, 1000):
            check_cancelled()
            found += count_primes(start, min(start + 1000, limit))
        return found

    @tool
    def sleep_task(self, seconds: float) -> float:
        """Wait: a call that needs no processor time."""
        time.sleep(seconds)
        return seconds

    @tool
    def call_host(self, name: str, arguments: dict[str, Any]) -> Any:
        """Call a tool of the host by its name."""
        return context.call(name, **arguments)

    # Learning: a logistic regression in plain Python, kept in the session it was trained in.

    @tool
    def load_sample_data(self) -> dict[str, Any]:
        """Eighty points of two kinds, computed by a formula."""
        features, labels = _learning.sample()
        return {"features": features, "labels": labels}

    @tool
    def preprocess_data(self, features: list[list[float]]) -> list[list[float]]:
        """Columns with a mean of 0 and a deviation of 1."""
        return _learning.standardised(features)

    @tool
    def generate_features(self, features: list[list[float]]) -> list[list[float]]:
        """The features with their squares and products."""
        return _learning.with_products(features)

    @tool
    def select_features(self, features: list[list[float]], labels: list[int], count: int) -> list[int]:
        """The columns that say most about the labels, best first."""
        return _learning.best_columns(features, labels, count)

    @tool
    def train_model(self, epochs: int = 20, rate: float = 0.5) -> Iterator[dict[str, Any]]:
        """Train on the sample data, telling the loss."""
        features, labels = _learning.sample()
        for epoch, loss, model in _learning.training(features, labels, epochs, rate):
            if context.session is not None:
                context.state["model"] = model
            yield {"epoch": epoch, "loss": loss}

    @tool
    def cross_validate(self, folds: int = 4, epochs: int = 20) -> list[float]:
        """The share of right answers in each fold."""
        features, labels = _learning.sample()
        return _learning.cross_validated(features, labels, folds, epochs)

    @tool
    def predict_single(self, features: list[float]) -> float:
        """What the session's model says of one point: a probability."""
        model = context.state.get("model")
        if model is None:
            raise LookupError("this session has no model: call train_model in it first")
        return _learning.probability(model, features)

    @tool
    def predict_batch_with_embeddings(self, examples: dict[str, str], texts: list[str]) -> list[str]:
        """Which of the labelled texts each text is most like."""
        return _text.nearest(examples, texts)


def count_primes(start: int, end: int) -> int:
    """How many primes there are in [start, end)."""
    found = 0
    for number in range(max(start, 2), end):
        divisor = 2
        while divisor * divisor <= number and number % divisor:
            divisor += 1
        found += divisor * divisor > number
    return found
