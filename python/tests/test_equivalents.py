"""Objects that are sent as plain data, arrays or tables: of the standard library, and of libraries where they are."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime as dt
import enum
import fractions
import ipaddress
import re
import sys
import types
from typing import Any, Callable

import pytest

from snakepit_bridge import RawTable
from snakepit_bridge._tables import Columns
from snakepit_bridge._values import Unserialisable, Unusable, decode, encode
from snakepit_bridge._wire import FLAG_BUFFERS, ProtocolError
from test_values import body_of, round_trip, same


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass
class Slotted:
    __slots__ = ("x", "y")
    x: int
    y: Any


class Endless(collections.UserList):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise ValueError("no end")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Access.READ | Access.WRITE, 3),
        (Slotted(1, {2}), {"x": 1, "y": {2}}),
        (collections.deque([1, 2], maxlen=2), [1, 2]),
        (collections.ChainMap({"a": 1}, {"a": 2, "b": 3}), {"a": 1, "b": 3}),
        (types.MappingProxyType({1: 2}), {1: 2}),
        (collections.UserDict(a=1), {"a": 1}),
        (collections.UserList([1]), [1]),
        (collections.UserString("text"), "text"),
        (types.SimpleNamespace(a=[1]), {"a": [1]}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (range(2, 8, 2), [2, 4, 6]),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        ({"a": 1}.items(), [("a", 1)]),
        (fractions.Fraction(3, -4), "-3/4"),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
    ],
    ids=lambda value: ascii(value).split(" at 0x")[0][:40],
)
def test_plain_data_is_made_of_what_the_standard_library_has(value: Any, expected: Any) -> None:
    assert same(round_trip(value), expected)


@pytest.mark.parametrize(
    "value",
    [1j, re.compile("a"), object(), print, int, iter([]), range(1 << 40), Endless([1]), ValueError("x")],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_exact_equivalent_is_refused(value: Any) -> None:
    with pytest.raises(Unserialisable, match=r"^result\['x'\]: "):
        encode({"x": value})


def test_arrays_of_the_standard_library_are_arrays() -> None:
    text, buffers = encode([array.array("d", [1.5]), array.array("B", b"ab"), array.array("h")])
    order = "<" if sys.byteorder == "little" else ">"
    assert text.decode() == (
        '[{"$":["array","%sf8",[1],0]},{"$":["array","|u1",[2],1]},{"$":["array","%si2",[0],2]}]' % (order, order)
    )
    assert [bytes(each) for each in buffers] == [array.array("d", [1.5]).tobytes(), b"ab", b""]
    assert round_trip(array.array("w" if sys.version_info >= (3, 13) else "u", "text")) == "text"


def test_scalars_of_numpy_keep_their_kind() -> None:
    np = pytest.importorskip("numpy")
    for value, expected in [
        (np.int8(-1), -1), (np.uint64(2**64 - 1), 2**64 - 1), (np.float32(0.1), float(np.float32(0.1))),
        (np.float16(1.5), 1.5), (np.bool_(False), False), (np.str_("s"), "s"), (np.bytes_(b"b"), b"b"),
        (np.datetime64("2026-01-02"), dt.date(2026, 1, 2)),
        (np.datetime64("2026-01-02T03:04:05.000006"), dt.datetime(2026, 1, 2, 3, 4, 5, 6)),
        (np.timedelta64(5, "s"), dt.timedelta(seconds=5)),
    ]:  # fmt: skip
        assert same(round_trip(value), expected), value
    for value in (
        np.longdouble(1), np.complex128(1j), np.datetime64("NaT", "s"), np.datetime64(1, "ns"), np.timedelta64(1, "ns"),
        np.zeros(1, [("a", "i4")])[0], np.array([1, "a"], object), np.array([(1,)], [("a", "i4")]),
    ):  # fmt: skip
        with pytest.raises(Unserialisable, match=r"^result"):
            encode(value)


def test_arrays_of_any_order_and_type_arrive() -> None:
    np = pytest.importorskip("numpy")
    base = np.arange(24, dtype="i4").reshape(2, 3, 4)
    for value in (
        np.asfortranarray(base), base.transpose(2, 0, 1), base[::-1, ::2], np.broadcast_to(base[0, 0, 0], (3, 2)),
        base.astype(">f8"), base.astype("f2"), np.array([1, 2], "c8"), np.array(["2026-01-01"], "M8[D]"),
        np.array([1, 2], "m8[ns]"), np.array([b"ab", b"c"]), np.longdouble([1.5]),
    ):  # fmt: skip
        back = round_trip([value])[0]
        assert (back.dtype, back.shape) == (value.dtype, value.shape)
        assert (back == np.asarray(value)).all()
    if hasattr(np.dtypes if hasattr(np, "dtypes") else np, "StringDType"):
        texts = np.array(["a", "bcd"], np.dtypes.StringDType())
        assert round_trip(texts) == ["a", "bcd"]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretends that libraries are not there: not loaded, nor to be had."""

    def hide(*names: str) -> None:
        for name in names:
            monkeypatch.setitem(sys.modules, name, None)

    return hide


def test_data_frames_of_pandas_keep_types_and_labels(alone: Callable[..., None]) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "number": [1, 2, 3],
            "float": [1.5, float("nan"), 3.0],
            "text": ["a", None, "c"],
            "at": pd.to_datetime(["2026-01-01", "2026-01-02", None]),
        },
        index=pd.Index(["x", "y", "z"], name="label"),
    )
    for hidden in ((), ("pyarrow",)):
        alone(*hidden)
        back = round_trip({"table": frame})["table"]
        assert list(back.columns) == list(frame.columns)
        assert list(back.index) == ["x", "y", "z"]
        assert back.index.name == "label"
        assert back["number"].tolist() == [1, 2, 3]
        assert back["number"].dtype == frame["number"].dtype
        assert back["text"].isna().tolist() == [False, True, False]
        assert back["at"].dtype.kind == "M"
        assert back["at"].isna().tolist() == [False, False, True]


def test_a_data_frame_without_arrow_travels_in_columns(alone: Callable[..., None]) -> None:
    pd = pytest.importorskip("pandas")
    alone("pyarrow")
    frame = pd.DataFrame([[1, "a"], [2, None]], columns=["same", "same"])
    text = encode(frame)[0].decode()
    assert text.startswith('{"$":["table","columns",[["same",{"$":["array","')
    assert text.endswith('["same",["a",null]]],0]}')
    back = round_trip(frame)
    assert list(back.columns) == ["same", "same"]
    wide = frame.set_axis([0, (1, "b")], axis=1).set_index([pd.Index([5, 6]), pd.Index(["r", "s"])])
    back = round_trip(wide)
    assert back.index.tolist() == [(5, "r"), (6, "s")]
    assert back.columns.tolist() == [0, (1, "b")]
    alone("pandas")
    body, flags = body_of(Columns([("a", [1, 2])], 0))
    assert decode(memoryview(body), flags, False) == {"a": [1, 2]}


def test_columns_of_numbers_are_arrays_and_others_are_tables() -> None:
    pd = pytest.importorskip("pandas")
    np = pytest.importorskip("numpy")
    for value in (pd.Series([1.5, 2.5]), pd.Index([1, 2]), pd.Series([True, False]), pd.RangeIndex(3)):
        back = round_trip(value)
        assert type(back) is np.ndarray
        assert back.tolist() == value.tolist()
    has_arrow = "pyarrow" in sys.modules
    for value in (pd.Series(["a", None], name="s"), pd.Index(["a", "b"]), pd.Series([1, None], dtype="Int64")):
        text = encode(value)[0].decode()
        assert ('"table","arrow"' in text) == has_arrow, text
    assert round_trip(pd.Series([1, "a", None])) == [1, "a", None]


def test_moments_of_pandas_are_exact_or_refused() -> None:
    pd = pytest.importorskip("pandas")
    assert same(round_trip(pd.Timestamp("2026-01-02T03:04:05.000006")), dt.datetime(2026, 1, 2, 3, 4, 5, 6))
    assert same(round_trip(pd.Timedelta("1s")), dt.timedelta(seconds=1))
    for value in (pd.Timestamp("2026-01-02T03:04:05.000000001"), pd.Timedelta(1, "ns"), pd.NaT, pd.NA):
        with pytest.raises(Unserialisable, match=r"^result"):
            encode(value)


def test_tables_of_arrow_come_back_as_they_were(alone: Callable[..., None]) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, None], "b": [["x"], []], "c": [b"1", b"2"]})
    for value in (table, table.to_batches()[0]):
        back = round_trip([value])[0]
        assert back.equals(table)
    assert round_trip(pa.chunked_array([[1], [2]])).tolist() == [1, 2]
    assert round_trip(pa.array(["a", None])).to_pydict() == {"": ["a", None]}
    assert round_trip(table["a"][0]) == 1
    alone("pyarrow", "polars")
    body, flags = body_of(RawTable(bytes(_stream(pa, table))))
    raw = decode(memoryview(body), flags, False)
    assert type(raw) is RawTable
    assert pa.ipc.open_stream(raw.data).read_all().equals(table)


def _stream(pa: Any, table: Any) -> Any:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_tables_of_polars_arrive(alone: Callable[..., None]) -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert round_trip(pl.Series([1.5, 2.5])).tolist() == [1.5, 2.5]
    with pytest.raises(Unserialisable, match="collect it first"):
        encode(frame.lazy())
    back = round_trip(frame)
    assert back.to_pydict() == {"a": [1, 2], "b": ["x", None]}
    alone("pyarrow")
    assert round_trip(frame).equals(frame)
    assert round_trip(pl.Series("s", ["x", None])).equals(pl.DataFrame({"s": ["x", None]}))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('["table","arrow",0]', Unusable),
        ('["table","csv",0]', ProtocolError),
        ('["table","columns",[["a"]],0]', ProtocolError),
        ('["table","columns",[["a",[1]]]]', ProtocolError),
        ('["table","columns",5,0]', ProtocolError),
        ('["table"]', ProtocolError),
    ],
)
def test_what_is_no_table_is_refused(text: str, problem: type[Exception]) -> None:
    pytest.importorskip("pyarrow")
    body = b"\x01\0\0\0\x04" + bytes(7) + b'{"$":%s}' % text.encode() + b"junk"
    with pytest.raises(problem):
        decode(memoryview(body), FLAG_BUFFERS, False)


def test_models_of_libraries_are_maps() -> None:
    attr = pytest.importorskip("attr")

    point: Any = attr.make_class("Point", ["x", "y"], slots=True)
    assert same(round_trip(point(5, (1,))), {"x": 5, "y": (1,)})


def test_models_of_pydantic_are_maps() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Model", name=(str, ...), when=(dt.date, dt.date(2026, 1, 2)))
    assert same(round_trip(model(name="n")), {"name": "n", "when": dt.date(2026, 1, 2)})
    bad = pydantic.create_model("Bad", secret=(pydantic.SecretStr, ...))
    with pytest.raises(Unserialisable, match=r"result\['secret'\]: object of type pydantic"):
        encode(bad(secret="x"))
