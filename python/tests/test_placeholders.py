"""Placeholders for what no value can carry, and what they do not give away."""

from __future__ import annotations

import json
import sys
from typing import Any, Callable, Iterator

import pytest

from host import Host
from snakepit_bridge import _placeholders
from snakepit_bridge._placeholders import redacted, shown
from snakepit_bridge._values import encode
from snakepit_bridge._wire import ProtocolError

ADAPTER = """
class Client:
    def __init__(self):
        self.password = "hunter2"

    def __repr__(self):
        return "Client(url='http://me:hunter2@host', password=%r, retries=3)" % self.password

def clients():
    return {"first": Client(), "count": 2, 5: [Client]}

def chunks():
    yield Client()
    yield 1
"""


@pytest.fixture(autouse=True)
def placeholders() -> Iterator[None]:
    _placeholders.choose("placeholder")
    yield
    _placeholders.choose("error")


def sent(value: Any) -> Any:
    return json.loads(encode(value)[0])


class Rude:
    def __repr__(self) -> str:
        raise ValueError("no")


class Foo:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def test_only_what_cannot_be_carried_is_replaced() -> None:
    name = "%s.Foo" % __name__
    placeholder = {"$": ["opaque", name, "Foo(1)"]}
    assert sent([1, {"a": Foo("Foo(1)")}, (b"x",)]) == [1, {"a": placeholder}, {"$": ["tuple", [{"$": ["bytes", 0]}]]}]
    assert sent({Foo("Foo(1)"): 1}) == {"$": ["map", [[placeholder, 1]]]}
    assert sent(1j) == {"$": ["opaque", "complex", "1j"]}
    assert sent(Rude())["$"][2] == "<its repr raised ValueError>"
    assert sent(["a", "\\ud800"]) == ["a", "\\ud800"]
    assert sent(["\ud800"]) == [{"$": ["opaque", "str", r"'\ud800'"]}]
    assert sent({"\ud800": 1}) == {"$": ["map", [[{"$": ["opaque", "str", r"'\ud800'"]}, 1]]]}


def test_cycles_end_where_they_close_and_depth_where_it_is_too_much() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    assert sent(cycle) == [1, {"$": ["opaque", "list", "[1, [1, [1, [...]]]]"]}]
    table: dict[str, Any] = {}
    table["self"] = [table, table]
    (mark, again) = sent(table)["self"]
    assert mark == again
    assert mark["$"][:2] == ["opaque", "dict"]
    twice = [1]
    assert sent([twice, twice]) == [[1], [1]]
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert b"opaque" in encode(deep)[0]


def test_what_could_not_be_carried_leaves_no_buffer_behind() -> None:
    class Broken(list):  # type: ignore[type-arg]
        def __iter__(self) -> Iterator[Any]:
            yield b"half"
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        encode([Broken([1, 2])])  # not a conversion, but user code that raises
    np = pytest.importorskip("numpy")
    text, buffers = encode([np.zeros(1, [("a", "i4")]), b"x"])
    assert json.loads(text)[1] == {"$": ["bytes", 0]}
    assert len(buffers) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Client(password='hunter2', port=1)", "Client(password=***, port=1)"),
        ("{'api_key': 'abc', 'n': 1}", "{'api_key': ***, 'n': 1}"),
        ('{"accessToken": "a\\"b, c"}', '{"accessToken": ***}'),
        ("Authorization: Bearer abc.def\nHost: x", "Authorization: ***\nHost: x"),
        ("<S secret=T(a, [b]) c>", "<S secret=***>"),
        ("key=b'x', private_key_id = 5)", "key=***, private_key_id = ***)"),
        ("postgres://me:pw@host/db", "postgres://***@host/db"),
        ("Point(x=1, y=2)", "Point(x=1, y=2)"),
        ("password='never closed", "password=***"),
        ("", ""),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, expected: str) -> None:
    assert redacted(text) == expected


def test_a_repr_is_bounded_and_cut_after_it_was_masked() -> None:
    for value in (Foo("x" * 10**7), ["x" * 10**7] * 1000, {n: n for n in range(10**5)}, b"x" * 10**7):
        assert len(shown(value)) <= 200
    assert "hunter" not in shown(Foo("Foo(%s, password='%s')" % ("x" * 120, "hunter" * 50)))
    assert "hunter" not in shown([{"token": Foo("hunter2")}, Foo("Foo(key='hunter2')")])
    assert redacted("k" * 10**6) == "k" * 10**6


def test_no_other_setting_is_known() -> None:
    with pytest.raises(ProtocolError):
        _placeholders.choose("pickle")


@pytest.mark.parametrize("kind", ["main", "thread", "interpreter"])
def test_a_pool_chooses(boot: Callable[..., Host], kind: str) -> None:
    if kind == "interpreter" and sys.version_info < (3, 14):
        pytest.skip("no lanes in interpreters of their own")
    host = boot(ADAPTER)
    host.ready()
    it = host.fork(lane_kind=kind, unserialisable="placeholder")
    answer: Any = it.call("clients")
    text = "Client(url='http://***@host', password=***, retries=3)"
    assert answer["$"][1][0] == ["first", {"$": ["opaque", "adapter_under_test.Client", text]}]
    assert it.call("chunks")[1] == 1


def test_a_pool_that_chose_nothing_gets_an_error(worker: Callable[..., Any]) -> None:
    it = worker(ADAPTER)
    error = it.fail("clients")
    assert error["kind"] == "unserialisable"
    assert "hunter" not in str(error)
