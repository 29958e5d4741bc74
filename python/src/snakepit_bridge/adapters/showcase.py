"""One command for everything a worker can do. Nothing in here is simulated: what is printed was computed or measured."""

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

    @tool(description="answer at once")
    def ping(self) -> dict[str, str]:
        return {"status": "ok"}

    @tool(description="give the arguments back")
    def echo(self, **values: Any) -> dict[str, Any]:
        return {"echoed": values}

    @tool(description="add two numbers")
    def add(self, a: float, b: float) -> float:
        return a + b

    @tool(description="raise an exception of this kind, with a cause")
    def error_demo(self, kind: str = "ValueError") -> None:
        known = {"ValueError": ValueError, "KeyError": KeyError, "RuntimeError": RuntimeError}
        if kind not in known:
            raise ValueError("kind is one of %s" % ", ".join(sorted(known)))
        try:
            int("not a number")
        except ValueError as cause:
            raise known[kind]("asked for") from cause

    @tool(description="what this adapter and its interpreter are")
    def adapter_info(self) -> dict[str, Any]:
        return {
            "adapter": type(self).__name__,
            "python": "%d.%d.%d" % sys.version_info[:3],
            "arguments": dict(self.arguments),
        }

    @tool(description="the process and the thread that serve this lane")
    def get_worker_info(self) -> dict[str, Any]:
        self.calls += 1
        return {
            "process": os.getpid(),
            "thread": threading.get_ident(),
            "asked": self.calls,
            "up_for_seconds": time.monotonic() - self.started,
        }

    # Sessions.

    @tool(description="set the counter of this session")
    def set_counter(self, value: int) -> int:
        context.state["counter"] = value
        return value

    @tool(description="the counter of this session, 0 before it was set")
    def get_counter(self) -> int:
        return int(context.state.get("counter", 0))

    @tool(description="add to the counter of this session")
    def increment_counter(self, by: int = 1) -> int:
        return self.set_counter(self.get_counter() + by)

    # Binary data.

    @tool(description="an array of 64-bit floats that count up from 0")
    def create_tensor(self, shape: list[int]) -> RawArray:
        size = 1
        for length in shape:
            size *= length
        import array

        return RawArray("<f8", tuple(shape), array.array("d", range(size)).tobytes())

    @tool(description="a text as a vector of unit length, by hashing its words")
    def create_embedding(self, text: str, dimensions: int = 64) -> list[float]:
        return _text.embedding(text, dimensions)

    @tool(description="word and character counts of a text")
    def process_text(self, text: str) -> dict[str, Any]:
        return _text.statistics(text)

    @tool(description="length and digest of bytes")
    def process_binary(self, data: bytes) -> dict[str, Any]:
        import hashlib

        return {"length": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    # Streams.

    @tool(description="count the primes below a limit, telling how far it is", supports_streaming=True)
    def stream_progress(self, limit: int, steps: int = 10) -> Iterator[dict[str, Any]]:
        found = 0
        for step in range(steps):
            found += count_primes(limit * step // steps, limit * (step + 1) // steps)
            yield {"step": step + 1, "of": steps, "primes": found}

    @tool(description="the first Fibonacci numbers, one by one", supports_streaming=True)
    def stream_fibonacci(self, count: int) -> Iterator[int]:
        here, following = 0, 1
        for _ in range(count):
            yield here
            here, following = following, here + following

    @tool(description="rows of the sample data, repeated, in chunks", supports_streaming=True)
    def generate_dataset(self, rows: int, chunk_size: int = 100) -> Iterator[list[dict[str, Any]]]:
        features, labels = _learning.sample()
        for start in range(0, rows, chunk_size):
            places = [place % len(features) for place in range(start, min(start + chunk_size, rows))]
            yield [{"features": features[place], "label": labels[place]} for place in places]

    @tool(description="count for ever; drop the stream to end it", supports_streaming=True)
    def infinite_stream(self) -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    # Work.

    @tool(description="count the primes below a limit: processor time, and a chance to be cancelled")
    def cpu_bound_task(self, limit: int) -> int:
        found = 0
        for start in range(0, limit, 1000):
            check_cancelled()
            found += count_primes(start, min(start + 1000, limit))
        return found

    @tool(description="wait: a call that needs no processor time")
    def sleep_task(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    @tool(description="call a tool of the host by its name")
    def call_host(self, name: str, arguments: dict[str, Any]) -> Any:
        return context.call(name, **arguments)

    # Learning: a logistic regression in plain Python, kept in the session it was trained in.

    @tool(description="eighty points of two kinds, computed by a formula")
    def load_sample_data(self) -> dict[str, Any]:
        features, labels = _learning.sample()
        return {"features": features, "labels": labels}

    @tool(description="columns with a mean of 0 and a deviation of 1")
    def preprocess_data(self, features: list[list[float]]) -> list[list[float]]:
        return _learning.standardised(features)

    @tool(description="the features with their squares and products")
    def generate_features(self, features: list[list[float]]) -> list[list[float]]:
        return _learning.with_products(features)

    @tool(description="the columns that say most about the labels, best first")
    def select_features(self, features: list[list[float]], labels: list[int], count: int) -> list[int]:
        return _learning.best_columns(features, labels, count)

    @tool(description="train on the sample data, telling the loss", supports_streaming=True)
    def train_model(self, epochs: int = 20, rate: float = 0.5) -> Iterator[dict[str, Any]]:
        features, labels = _learning.sample()
        for epoch, loss, model in _learning.training(features, labels, epochs, rate):
            if context.session is not None:
                context.state["model"] = model
            yield {"epoch": epoch, "loss": loss}

    @tool(description="the share of right answers in each fold")
    def cross_validate(self, folds: int = 4, epochs: int = 20) -> list[float]:
        features, labels = _learning.sample()
        return _learning.cross_validated(features, labels, folds, epochs)

    @tool(description="what the session's model says of one point: a probability")
    def predict_single(self, features: list[float]) -> float:
        model = context.state.get("model")
        if model is None:
            raise LookupError("this session has no model: call train_model in it first")
        return _learning.probability(model, features)

    @tool(description="which of the labelled texts each text is most like")
    def predict_batch_with_embeddings(self, examples: dict[str, str], texts: list[str]) -> list[str]:
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
