"""The showcase adapters: each command computes what it answers."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Iterator

import pytest

from snakepit_bridge import RawArray, ToolError
from snakepit_bridge.testing import LoadedAdapter, Refused, load


@pytest.fixture
def it() -> Iterator[LoadedAdapter]:
    with load(
        "snakepit_bridge.adapters.showcase:ShowcaseAdapter",
        {"greeting": "hi"},
        tools={"double": lambda number: 2 * number},
    ) as adapter:
        yield adapter


@pytest.fixture
def threaded() -> Iterator[LoadedAdapter]:
    with load("snakepit_bridge.adapters.threaded_showcase:ThreadedShowcaseAdapter") as adapter:
        yield adapter


def test_values(it: LoadedAdapter) -> None:
    assert it.call("ping") == {"status": "ok"}
    assert it.call("echo", a=1, b=[2]) == {"echoed": {"a": 1, "b": [2]}}
    assert it.call("add", 1.5, 2) == 3.5
    assert it.call("adapter_info")["arguments"] == {"greeting": "hi"}
    first, second = it.call("get_worker_info"), it.call("get_worker_info")
    assert (first["process"], second["asked"]) == (os.getpid(), 2)


def test_errors(it: LoadedAdapter) -> None:
    with pytest.raises(KeyError, match="asked for") as caught:
        it.call("error_demo", "KeyError")
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(ValueError, match="kind is one of"):
        it.call("error_demo", "Nonsense")
    with pytest.raises(Refused):
        it.call("add", "one", 2)


def test_counters_belong_to_sessions(it: LoadedAdapter) -> None:
    ada, bob = it.given(session="ada"), it.given(session="bob")
    assert ada.call("set_counter", 7) == 7
    assert ada.call("increment_counter") == 8
    assert (ada.call("get_counter"), bob.call("get_counter")) == (8, 0)


def test_binary_data_and_text(it: LoadedAdapter) -> None:
    tensor: Any = it.call("create_tensor", [2, 3])
    assert isinstance(tensor, RawArray) or tensor.shape == (2, 3)
    assert it.call("process_binary", b"abc") == {"length": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    assert it.call("process_text", "To be, or not to be")["different_words"] == 4
    vector = it.call("create_embedding", "to be", 16)
    assert len(vector) == 16
    assert sum(number * number for number in vector) == pytest.approx(1.0)
    labels = {"fruit": "apple pear plum", "tool": "hammer saw drill"}
    assert it.call("predict_batch_with_embeddings", labels, ["a ripe plum", "the drill is loud"]) == ["fruit", "tool"]


def test_streams(it: LoadedAdapter) -> None:
    assert list(it.stream("stream_fibonacci", 8)) == [0, 1, 1, 2, 3, 5, 8, 13]
    progress = list(it.stream("stream_progress", 100, 4))
    assert [step["primes"] for step in progress] == [9, 15, 21, 25]
    assert [len(chunk) for chunk in it.stream("generate_dataset", 250, 100)] == [100, 100, 50]
    endless = it.stream("infinite_stream")
    assert [next(endless) for _ in range(3)] == [0, 1, 2]
    endless.close()  # type: ignore[attr-defined]
    assert it.call("ping") == {"status": "ok"}


def test_work_and_host_tools(it: LoadedAdapter) -> None:
    assert it.call("cpu_bound_task", 5000) == 669
    assert it.call("sleep_task", 0.001) == 0.001
    assert it.call("call_host", "double", {"number": 4}) == 8
    with pytest.raises(ToolError, match="there is no tool"):
        it.call("call_host", "treble", {})


def test_learning(it: LoadedAdapter) -> None:
    data = it.call("load_sample_data")
    assert (len(data["features"]), sum(data["labels"])) == (80, 40)
    columns = list(zip(*it.call("preprocess_data", data["features"])))
    assert all(abs(sum(column)) < 1e-9 for column in columns)
    products = it.call("generate_features", data["features"])
    assert len(products[0]) == 5
    assert it.call("select_features", products, data["labels"], 1) == [1]
    ada = it.given(session="ada")
    with pytest.raises(LookupError, match="has no model"):
        ada.call("predict_single", [0.0, 0.0])
    losses = [step["loss"] for step in ada.stream("train_model", 20)]
    assert losses == sorted(losses, reverse=True)
    right = [
        (ada.call("predict_single", point) > 0.5) == label for point, label in zip(data["features"], data["labels"])
    ]
    assert sum(right) >= 76
    assert min(it.call("cross_validate")) >= 0.9


def test_threaded(threaded: LoadedAdapter) -> None:
    assert threaded.call("compute_intensive", 2 * 2 * 3 * 997 * 1009) == [2, 2, 3, 997, 1009]
    assert threaded.call("compute_intensive", 1009 * 1013 * 1013) == [1009, 1013, 1013]
    assert [threaded.call("compute_intensive", number) for number in (1, 2, 4)] == [[], [2], [2, 2]]
    with pytest.raises(ValueError, match="1 or more"):
        threaded.call("compute_intensive", 0)
    assert threaded.call("matrix_multiply", [[1, 2], [3, 4]], [[5, 6], [7, 8]]) == [[19, 22], [43, 50]]
    threaded.call("clear_caches")
    digests = threaded.call("batch_process", ["a", "b", "a"])
    assert digests[0] == digests[2] == hashlib.sha256(b"a").hexdigest()
    assert threaded.call("get_history", 2) == ["a", "b"]
    stats = threaded.call("get_adapter_stats")
    assert (stats["shared_digests"], stats["texts_of_this_lane"]) == (2, 3)
    assert threaded.call("clear_caches") == 2
