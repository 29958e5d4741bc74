"""Values: exact both ways, and refused with the place of what cannot be carried."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import random
import uuid
from typing import Any, NamedTuple

import pytest

from snakepit_bridge import RawArray
from snakepit_bridge._values import MAX_DEPTH, Unserialisable, Unusable, body_parts, decode, encode
from snakepit_bridge._wire import FLAG_BUFFERS, ProtocolError


def shown(value: Any) -> str:
    """A name for a test, the same in every process: without addresses, and the order of sets."""
    if isinstance(value, (set, frozenset)):
        return "%s of %d" % (type(value).__name__, len(value))
    return ascii(value).split(" at 0x")[0][:40]


def body_of(value: Any) -> tuple[bytes, int]:
    text, buffers = encode(value)
    if not buffers:
        return text, 0
    return b"".join(bytes(part) for part in body_parts(text, buffers)), FLAG_BUFFERS


def round_trip(value: Any) -> Any:
    body, flags = body_of(value)
    return decode(memoryview(body), flags, False)


def read(text: str) -> Any:
    return decode(memoryview(text.encode("utf-8", "surrogatepass")), 0, False)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None


class Pair(NamedTuple):
    left: int
    right: str


class Model:
    """As pydantic's BaseModel looks from outside."""

    def model_dump(self) -> dict[str, Any]:
        return {"name": "m", "when": dt.date(2026, 1, 2)}


class MyStr(str):
    __slots__ = ()


class MyInt(int):
    def __int__(self) -> int:
        return 99


PARIS = dt.timezone(dt.timedelta(hours=1))

EXACT: list[Any] = [
    None, True, False, 0, -1, 2**63, 2**64 - 1, -(2**63), 2**64, -(2**63) - 1, 10**400,
    0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, math.inf, -math.inf,
    "", "text", "äöü \U0001f40d \x00 \" \\ \u2028", '"$"', "\\u0041",
    b"", b"\x00\xff" * 10,
    [], [[]], [1, "a", None, 1.5], [1] * 10, [1.0] * 10, [2**70] * 6, [math.inf] * 6, [None, 1, 2, 3, 4, 5, 1.5],
    (), (1,), ((), [()]), set(), {1, "a"}, frozenset(), frozenset([(1, 2)]),
    {}, {"a": 1}, {"$": 1}, {"$": ["int", "1"]}, {"$": 1, "b": 2}, {"a": {"$": {"$": []}}},
    {1: 2}, {(1, 2): [3], None: 4, "x": b"y"}, {1.5: {True: "z"}},
    dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.time(12, 30, 0, 1), dt.time(1, 2, tzinfo=dt.timezone.utc),
    dt.datetime(2026, 11, 22, 12, 30), dt.datetime(2026, 11, 22, 12, 30, 0, 1, PARIS),
    dt.datetime(1900, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-1, minutes=-2, seconds=-3))),
    dt.timedelta(), dt.timedelta(-1, 5, 7), dt.timedelta.max, dt.timedelta.min,
    decimal.Decimal("1.10"), decimal.Decimal("-0"), decimal.Decimal("1E+500"), decimal.Decimal("Infinity"),
    uuid.UUID(int=5),
    [b"a", {"k": [b"b", (b"c", {b"d"})]}],
]  # fmt: skip


def same(left: Any, right: Any) -> bool:
    """Equality that also sees types, the sign of zero and the order of keys."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return math.copysign(1, left) == math.copysign(1, right) and (
            left == right or (left != left and right != right)
        )
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    return bool(left == right)


@pytest.mark.parametrize("value", EXACT, ids=shown)
def test_what_is_sent_is_what_arrives(value: Any) -> None:
    assert same(round_trip(value), value)
    assert same(round_trip([value, {"k": value}]), [value, {"k": value}])


def test_integers_longer_than_str_allows_arrive() -> None:
    assert round_trip(-(10**5000)) == -(10**5000)


def test_nan_arrives_as_nan() -> None:
    assert math.isnan(round_trip(math.nan))
    assert math.isnan(round_trip([1.0] * 5 + [math.nan])[5])


def test_random_values_survive() -> None:
    source = random.Random(20261122)

    def make(depth: int) -> Any:
        pick = source.randrange(20 if depth else 13)
        if pick < 13:
            return source.choice(
                [
                    None,
                    source.random() < 0.5,
                    source.randint(-(2**70), 2**70),
                    source.randint(-9, 9),
                    source.uniform(-1e9, 1e9),
                    source.uniform(-1, 1) * 10 ** source.randint(-300, 300),
                    "".join(chr(source.choice([0x24, 0x22, 0x5C, 0x41, 0xE4, 0x1F40D, 0x0])) for _ in range(5)),
                    bytes(source.randrange(256) for _ in range(source.randrange(6))),
                    dt.datetime(2000, 1, 1) + dt.timedelta(source.randint(-9999, 9999), 1, source.randrange(10**6)),
                    dt.timedelta(source.randint(-99, 99), source.randrange(86400), source.randrange(10**6)),
                    decimal.Decimal(source.randint(-(10**20), 10**20)).scaleb(source.randint(-20, 20)),
                    uuid.UUID(int=source.getrandbits(128)),
                    source.choice(["$", "", "key"]),
                ]
            )
        items = [make(depth - 1) for _ in range(source.randrange(5))]
        if pick < 15:
            return items
        if pick == 15:
            return tuple(items)
        if pick == 16:
            return {source.choice(["$", "a", "b", "\u00e4"]): item for item in items}
        if pick == 17:
            return {key: make(depth - 1) for key in (1, (2, "x"), None, b"k")[: source.randrange(5)]}
        if pick == 18:
            return {repr(item)[:5] for item in items}
        return items * 3

    for _ in range(2000):
        value = make(4)
        assert same(round_trip(value), value), value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Point(1, [Point(2)]), {"x": 1, "y": [{"x": 2, "y": None}]}),
        (Pair(1, "b"), {"left": 1, "right": "b"}),
        (Model(), {"name": "m", "when": dt.date(2026, 1, 2)}),
        (MyStr("s"), "s"),
        (MyInt(5), 5),
        ([MyInt(5), {MyStr("k"): MyStr("v")}], [5, {"k": "v"}]),
        ({MyStr("$"): 1}, {"$": 1}),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.Counter("aa"), {"a": 2}),
        (bytearray(b"x"), b"x"),
        (memoryview(b"abcd")[::2], b"ac"),
        (memoryview(bytes(8)).cast("I"), bytes(8)),
    ],
    ids=shown,
)
def test_plain_data_is_made_of_what_has_an_equivalent(value: Any, expected: Any) -> None:
    assert same(round_trip(value), expected)


def test_a_time_zone_keeps_its_key_and_the_hour_that_comes_twice() -> None:
    zoneinfo = pytest.importorskip("zoneinfo")
    try:
        paris = zoneinfo.ZoneInfo("Europe/Paris")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("no time zone database")
    for fold in (0, 1):
        value = dt.datetime(2026, 10, 25, 2, 30, tzinfo=paris, fold=fold)
        back = round_trip(value)
        assert back.tzinfo.key == "Europe/Paris"
        assert (back, back.fold, back.utcoffset()) == (value, fold, value.utcoffset())
    assert encode(dt.datetime(2026, 11, 22, 12, 30, 0, 1, paris))[0] == (
        b'{"$":["datetime","2026-11-22T12:30:00.000001+01:00[Europe/Paris]"]}'
    )


def test_the_text_is_exactly_that_of_the_protocol() -> None:
    assert encode({"a": [1, 1.0, "ä"]})[0] == '{"a":[1,1.0,"ä"]}'.encode()
    assert encode(2**64)[0] == b'{"$":["int","18446744073709551616"]}'
    assert encode({"$": 1})[0] == b'{"$":["map",[["$",1]]]}'
    assert encode(dt.timedelta(1, 2, 3))[0] == b'{"$":["duration",1,2,3]}'
    text, buffers = encode([b"ab", (b"c",)])
    assert text == b'[{"$":["bytes",0]},{"$":["tuple",[{"$":["bytes",1]}]]}]'
    assert [bytes(each) for each in buffers] == [b"ab", b"c"]
    table = b"\x02\0\0\0" + b"\x02" + bytes(7) + b"\x01" + bytes(7)
    assert body_of([b"ab", (b"c",)])[0] == table + text + b"abc"


class Foo:
    pass


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (Foo(), "result: object of type"),
        ({"rows": [1, 2, 3, Foo()]}, "result['rows'][3]: object of type"),
        ([(1, {Foo()})], "result[0][1].{item}: object of type"),
        ({(1, 2): {"a": 1j}}, "result[(1, 2)]['a']: object of type complex"),
        ("\ud800", "result: the text"),
        ({"a": ["\udc80"]}, "result['a'][0]: the text"),
        ({"\ud800": 1}, "the text"),
        (Point(1, print), "result['y']: object of type"),
    ],
)
def test_what_cannot_be_carried_is_named(value: Any, place: str) -> None:
    with pytest.raises(Unserialisable) as caught:
        encode(value)
    assert place in str(caught.value)
    str(caught.value).encode()


def test_cycles_and_bottomless_values_are_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    table: dict[str, Any] = {}
    table["self"] = (table,)
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    for value in (cycle, table, deep):
        with pytest.raises(Unserialisable, match="nests deeper"):
            encode(value)
    while deep != 1:  # lest the destructor recurse
        (deep,) = deep
    fine: Any = 1
    for _ in range(MAX_DEPTH):
        fine = [fine]
    assert round_trip(fine) == fine


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "nul", "[1", "NaN", "-Infinity", "[1] x", "\ufeff1", '{"$":1}', '{"$":[]}', '{"$":["nope"]}',
        '{"$":[1]}', '{"$":["int",5]}', '{"$":["int","5x"]}', '{"$":["int","1e5"]}', '{"$":["float","1"]}',
        '{"$":["bytes",0]}', '{"$":["bytes",true]}', '{"$":["map",[[1]]]}', '{"$":["map",5]}', '{"$":["tuple"]}',
        '{"$":["tuple","ab"]}', '{"$":["tuple",[],[]]}', '{"$":["set",1]}', '{"$":["date",5]}',
        '{"$":["duration",1,2]}', '{"$":["duration",1,2,"x"]}', '{"$":["decimal","x"]}', '{"$":["decimal",1]}',
        '{"$":["uuid","x"]}', '{"$":["array","<f8",[1],0]}', '"\\ud800"', '["\\ud800\\u0041"]', '"\udc80"',
        "[" * 100_000,
    ],
    ids=lambda text: ascii(text)[:30],
)  # fmt: skip
def test_malformed_text_is_a_protocol_error(text: str) -> None:
    with pytest.raises(ProtocolError):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"$":["map",[[[1],2]]]}', '{"$":["set",[[1]]]}', '{"$":["frozenset",[{}]]}', '{"$":["date","10000-01-01"]}',
        '{"$":["datetime","2026-12-31T23:59:60+00:00"]}', '{"$":["duration",99999999999,0,0]}',
    ],
)  # fmt: skip
def test_what_means_nothing_in_python_is_not_the_protocols_fault(text: str) -> None:
    with pytest.raises(Unusable):
        read(text)


def test_escapes_cannot_hide_a_tag() -> None:
    assert read('{"\\u0024":["int","12"]}') == 12
    assert read('"\\ud83d\\udc0d"') == "\U0001f40d"


def test_buffers_must_be_referred_to_exactly_once() -> None:
    text = b'{"$":["bytes",0]}'
    for body in (
        body_parts(b"1", [memoryview(b"x")]),
        body_parts(text, [memoryview(b"x"), memoryview(b"y")]),
        body_parts(b"[" + text + b"," + text + b"]", [memoryview(b"x")]),
        [b"\0\0\0\0", b"1"],
        [b"\xff\xff\xff\xff", b"1"],
        [b"\x01\0\0\0" + b"\xff" * 8, b"1"],
        [b"\x01"],
    ):
        with pytest.raises(ProtocolError):
            decode(memoryview(b"".join(bytes(part) for part in body)), FLAG_BUFFERS, False)


def test_arrays_without_numpy_keep_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    import snakepit_bridge._raise as module

    monkeypatch.setattr(module, "_numpy", lambda: None)
    back = round_trip(RawArray("<f8", (1, 2), bytes(16)))
    assert (back.dtype, back.shape, back.data) == ("<f8", (1, 2), bytes(16))


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [("<f8", (-1,), 8), ("<f8", (2,), 8), ("<f8", (1.0,), 8), ("f", (1,), 4), (None, (1,), 8), ("<U2", (2,), 4)],
)
def test_an_array_that_contradicts_itself_is_refused(dtype: Any, shape: Any, size: int) -> None:
    with pytest.raises(Unserialisable, match=r"result\[0\]"):
        encode([RawArray(dtype, shape, bytes(size))])


def test_arrays_of_numpy() -> None:
    np = pytest.importorskip("numpy")
    for array in (
        np.arange(6, dtype="<f8").reshape(2, 3),
        np.arange(6).reshape(2, 3).T,
        np.arange(10)[::3],
        np.array(5, dtype="u1"),
        np.zeros((0, 3), "f4"),
        np.array(["a", "bcd"]),
        np.array(["2026-01-01"], "M8[ns]"),
        np.array([True, False]),
        np.array([1 + 2j]),
        np.arange(3, dtype=">i2"),
    ):
        for value in (array, [b"odd", array]):
            body, flags = body_of(value)
            for owned in (False, True):
                back = decode(memoryview(bytearray(body)), flags, owned)
                back = back if (owned and back is array) or isinstance(value, np.ndarray) else back[1]
                assert back.dtype == array.dtype
                assert back.shape == array.shape
                assert (back == array).all()
                assert back.flags.c_contiguous
                assert back.flags.writeable
    assert round_trip([np.float64(1.5), np.int32(4), np.bool_(True), np.str_("s")]) == [1.5, 4, True, "s"]
    assert type(round_trip(np.float64(0.1))) is float
    for bad in (np.array([object()]), np.zeros(1, [("a", "i4")]), np.ma.masked_array([1], [True])):
        with pytest.raises(Unserialisable):
            encode({"x": bad})
    for text in ('["array","O",[1],0]', '["array","<f8",[2],0]', '["array","<f8",[-1],0]', '["array","zz",[1],0]'):
        body = b"".join(map(bytes, body_parts(b'{"$":' + text.encode() + b"}", [memoryview(bytes(8))])))
        with pytest.raises(ProtocolError):
            decode(memoryview(body), FLAG_BUFFERS, False)


def test_numbers_are_written_so_that_a_float_stays_one() -> None:
    for value in (1.0, 1e16, 1e22, -0.0, 123456789.0):
        text = encode(value)[0].decode()
        assert "." in text or "e" in text
        assert type(json.loads(text)) is float
