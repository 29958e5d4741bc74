"""Arguments are checked against annotations before any code of the command runs."""

from __future__ import annotations

import sys
from typing import Any, Callable

import pytest

Start = Callable[..., Any]

ADAPTER = """
    import dataclasses, datetime, decimal, enum, pathlib, uuid
    from typing import (Any, Callable, Dict, Generic, Iterable, List, Literal, Mapping, NamedTuple, NewType, Optional,
                        Sequence, Set, Tuple, TypedDict, TypeVar, Union)
    from snakepit_bridge import tool

    RAN = []

    def ran():
        return list(RAN)

    class Color(enum.Enum):
        RED = "red"
        GREEN = "green"

    class Level(enum.IntEnum):
        LOW = 1

    @dataclasses.dataclass
    class Row:
        name: str
        size: int = 0
        children: "List[Row]" = dataclasses.field(default_factory=list)

    @dataclasses.dataclass
    class Positive:
        number: int
        scale: dataclasses.InitVar[int] = 1

        def __post_init__(self, scale):
            if self.number <= 0:
                raise ValueError("%d is not positive" % self.number)
            self.number *= scale

    class Options(TypedDict, total=False):
        depth: int
        label: str

    class Point(NamedTuple):
        x: int
        y: float = 0.5

    @dataclasses.dataclass
    class Node:
        next: "Node" = None

    T = TypeVar("T")
    UserId = NewType("UserId", int)

    class Own:
        pass

    @dataclasses.dataclass(init=False)
    class Loose:
        name: str

        def __init__(self, **fields): pass

    def take(count: int, label: str, ratio: float = 1.0, flag: bool = False, data: bytes = b""):
        RAN.append("take")
        return [count, label, ratio, flag]

    def nothing(value: None): return value
    def implicit(value: int = None, rows: List[Node] = None): return [value, [row.next for row in rows or []]]
    def maybe(value: Optional[int] = None): return value
    def either(value: Union[int, str, List[int]]): return value
    def first_fits(value: Union[datetime.date, str]): return [type(value).__name__, str(value)]
    def numbers(values: List[int]): return values
    def pairs(values: List[Tuple[str, int]]): return [type(value).__name__ for value in values]
    def many(values: Tuple[int, ...]): return [type(values).__name__, *values]
    def unique(values: Set[str]): return [type(values).__name__, *sorted(values)]
    def table(values: Dict[str, List[int]]): return values
    def by_number(values: Mapping[int, str]): return [values[key] for key in values]
    def sequence(values: Sequence[str]): return list(values)
    def iterable(values: Iterable[int]): return sum(values)
    def mode(value: Literal["fast", 2, None]): return value
    def paint(color: Color, level: Level = Level.LOW): return [color.name, level.name]
    def rows(rows: List[Row]): return [type(row).__name__ for row in rows]
    def tree(root: Optional[Row] = None): return root and root.children[0].name
    def positive(value: Positive): return value.number
    def options(options: Options): return options
    def point(point: Point): return [point.x, point.y]
    def when(at: datetime.datetime, day: datetime.date, span: datetime.timedelta = datetime.timedelta(0)):
        return [at.year, day.day, span.total_seconds()]
    def amount(value: decimal.Decimal, ident: uuid.UUID, path: pathlib.Path = pathlib.Path("/")):
        return [str(value), str(ident), str(path / "x")]
    def user(ident: UserId): return ident
    def rest(*values: int, **named: str): return [list(values), named]
    def positional(value: int, *, name: str = ""): return [value, name]
    def unchecked(own: Own, anything: Any, generic: T, function: Callable[[int], str], missing: "NotThere", plain,
                  loose: Optional[Loose] = None):
        return [own, anything, generic, function, missing, plain, loose]

    @tool(validate=False)
    def trusting(count: int): return count

    async def asynchronous(count: int): return count

    def counting(to: int):
        RAN.append("counting")
        yield from range(to)
"""


@pytest.fixture(params=["", "from __future__ import annotations"], ids=["objects", "text"])
def it(worker: Start, request: Any) -> Any:
    return worker(request.param + "\n" + ADAPTER.replace("\n    ", "\n"))


def refused(it: Any, command: str, *args: Any, **kwargs: Any) -> str:
    error = it.fail(command, *args, kwargs=kwargs)
    assert error["kind"] == "bad_arguments", error
    message: str = error["message"]
    return message


def test_a_wrong_type_is_refused_before_the_command_runs(it: Any) -> None:
    error = it.fail("take", "three", "x")
    assert error["kind"] == "bad_arguments"
    assert error["message"] == "`count` has to be an int, not a str ('three')"
    assert error["hint"].startswith("its signature is take(count: int, label: str, ratio: float = 1.0")
    assert refused(it, "take", 1, 2) == "`label` has to be a str, not an int (2)"
    assert refused(it, "take", count=1, label=None) == "`label` has to be a str, not None"
    assert refused(it, "take", 1, "x", flag=1) == "`flag` has to be a bool, not an int (1)"
    assert refused(it, "take", True, "x") == "`count` has to be an int, not True"
    assert refused(it, "take", 1.0, "x") == "`count` has to be an int, not a float (1.0)"
    assert refused(it, "take", 1, "x", ratio="1") == "`ratio` has to be a float, not a str ('1')"
    assert refused(it, "take", 1, "x", data="text") == "`data` has to be bytes, not a str ('text')"
    assert it.call("ran") == []
    assert it.call("take", 1, "x", kwargs={"ratio": 2}) == [1, "x", 2, False]
    assert it.call("ran") == ["take"]


def test_unknown_parameters_name_the_nearest(it: Any) -> None:
    message = refused(it, "take", 1, "x", ration=2.0)
    assert message == "take() got an unexpected keyword argument 'ration'; did you mean 'ratio'?"
    assert "zzz" in refused(it, "take", 1, "x", zzz=2.0)
    message = refused(it, "take", 1, lable="x")
    assert message == "take() got an unexpected keyword argument 'lable'; did you mean 'label'?"
    assert refused(it, "take", 1) == "take() missing a required argument: 'label'"
    assert "too many" in refused(it, "positional", 1, 2)
    assert it.call("ran") == []


def test_every_way_of_running_a_command_is_checked(it: Any) -> None:
    from snakepit_bridge import _wire as wire

    assert it.call("asynchronous", 1) == 1
    assert refused(it, "asynchronous", "1") == "`count` has to be an int, not a str ('1')"
    assert it.call("counting", 2) == [0, 1]
    frame = it.finish(it.start("counting", "2", stream=True))
    assert (frame.kind, frame.json["kind"]) == (wire.ERROR, "bad_arguments")
    assert it.call("ran") == ["counting"]


def test_unions_take_what_fits_one_of_them(it: Any) -> None:
    assert [it.call("maybe"), it.call("maybe", None), it.call("maybe", 3)] == [None, None, 3]
    assert refused(it, "maybe", "3") == "`value` has to be an int or None, not a str ('3')"
    assert [it.call("either", value) for value in (1, "a", [1])] == [1, "a", [1]]
    assert refused(it, "either", 1.5) == "`value` has to be an int, a str or a list of int, not a float (1.5)"
    assert it.call("first_fits", "2026-01-02") == ["str", "2026-01-02"]
    assert it.call("nothing", None) is None
    assert it.call("implicit", None, [{"next": None}, {}]) == [None, [None, None]]
    assert refused(it, "implicit", "1") == "`value` has to be an int or None, not a str ('1')"
    assert refused(it, "implicit", 1, [{"next": {"next": 5}}]) == (
        "`rows[0].next.next` has to be a Node or None, not an int (5)"
    )
    assert refused(it, "nothing", 0) == "`value` has to be None, not an int (0)"


def test_places_in_containers_are_named(it: Any) -> None:
    assert it.call("numbers", [1, 2]) == [1, 2]
    assert refused(it, "numbers", [1, "2"]) == "`values[1]` has to be an int, not a str ('2')"
    assert refused(it, "numbers", {"a": 1}) == "`values` has to be a list of int, not a dict with the keys 'a'"
    assert it.call("pairs", [["a", 1], {"$": ["tuple", ["b", 2]]}]) == ["tuple", "tuple"]
    assert refused(it, "pairs", [["a", 1], ["b"]]) == "`values[1]` has to be a tuple of 2 items, not a list of 1 item"
    assert refused(it, "pairs", [["a", "b"]]) == "`values[0][1]` has to be an int, not a str ('b')"
    assert it.call("many", [1, 2, 3]) == ["tuple", 1, 2, 3]
    assert it.call("unique", ["b", "a", "b"]) == ["set", "a", "b"]
    assert it.call("table", {"a": [1]}) == {"a": [1]}
    assert refused(it, "table", {"a": [1, None]}) == "`values['a'][1]` has to be an int, not None"
    assert it.call("by_number", {"$": ["map", [[1, "one"]]]}) == ["one"]
    assert refused(it, "by_number", {"1": "one"}) == "`values` has the key '1', which has to be an int, not a str ('1')"
    assert it.call("sequence", ["a"]) == ["a"]
    assert refused(it, "sequence", "abc") == "`values` has to be a sequence of str, not a str ('abc')"
    assert it.call("iterable", [1, 2]) == 3
    assert refused(it, "iterable", 5) == "`values` has to be an iterable of int, not an int (5)"
    assert it.call("rest", 1, 2, kwargs={"a": "b"}) == [[1, 2], {"a": "b"}]
    assert refused(it, "rest", 1, "x") == "`values[1]` has to be an int, not a str ('x')"
    assert refused(it, "rest", a=1) == "`a` has to be a str, not an int (1)"


def test_choices_are_listed(it: Any) -> None:
    assert [it.call("mode", value) for value in ("fast", 2, None)] == ["fast", 2, None]
    assert refused(it, "mode", "slow") == "`value` has to be 'fast', 2 or None, not a str ('slow')"
    assert it.call("paint", "green", 1) == ["GREEN", "LOW"]
    assert refused(it, "paint", "blue") == "`color` has to be a Color ('red' or 'green'), not a str ('blue')"
    assert "`level`" in refused(it, "paint", "red", True)
    assert "`color`" in refused(it, "paint", [])


def test_records_are_built_from_maps(it: Any) -> None:
    rows: list[Any] = [{"name": "a"}, {"name": "b", "children": [{"name": "c"}]}]
    assert it.call("rows", rows) == ["Row", "Row"]
    rows[1]["children"] = [{"name": "c"}, {"name": 5}]
    assert refused(it, "rows", rows) == "`rows[1].children[1].name` has to be a str, not an int (5)"
    assert refused(it, "rows", [{}]) == "`rows[0]` lacks the field `name`"
    assert refused(it, "rows", [{"nmae": "a"}]) == "`rows[0]` has no field 'nmae'; did you mean `name`?"
    assert refused(it, "rows", [7]) == "`rows[0]` has to be a Row (name, size, children), not an int (7)"
    assert it.call("tree", {"name": "a", "children": [{"name": "b"}]}) == "b"
    assert refused(it, "tree", {"name": 1}) == "`root.name` has to be a str, not an int (1)"
    assert it.call("positive", {"number": 2, "scale": 3}) == 6
    assert refused(it, "positive", {"number": -1}) == (
        "`value` cannot be made a Positive: ValueError: -1 is not positive"
    )
    assert it.call("options", {"depth": 1, "more": 2}) == {"depth": 1, "more": 2}
    assert refused(it, "options", {"depth": "1"}) == "`options.depth` has to be an int, not a str ('1')"
    assert [it.call("point", [1]), it.call("point", {"x": 1, "y": 2.0})] == [[1, 0.5], [1, 2.0]]
    assert refused(it, "point", {"y": 1.0}) == "`point` lacks the field `x`"


def test_what_json_lacks_is_taken_as_text(it: Any) -> None:
    day = {"$": ["date", "2026-01-02"]}
    assert it.call("when", "2026-01-02T03:04:05Z", day, 1.5) == [2026, 2, 1.5]
    assert it.call("when", {"$": ["datetime", "2026-01-02T03:04:05+00:00"]}, "2026-01-02") == [2026, 2, 0.0]
    assert refused(it, "when", "tomorrow", day) == (
        "`at` has to be a datetime (or ISO 8601 text), not a str ('tomorrow')"
    )
    ident = "12345678-1234-5678-1234-567812345678"
    assert it.call("amount", "1.10", ident, "/data") == ["1.10", ident, "/data/x"]
    assert it.call("amount", {"$": ["decimal", "2.5"]}, {"$": ["uuid", ident]}) == ["2.5", ident, "/x"]
    assert "`value` has to be a Decimal" in refused(it, "amount", 1.5, ident)
    assert "`value` has to be a Decimal" in refused(it, "amount", "one", ident)
    assert "`ident` has to be a" in refused(it, "amount", 1, "short")


def test_what_is_not_understood_is_not_checked(it: Any) -> None:
    assert it.call("unchecked", 1, "a", None, [1], 2.5, True, 7) == [1, "a", None, [1], 2.5, True, 7]
    assert it.call("trusting", "many") == "many"
    assert it.call("user", 7) == 7
    assert "`ident`" in refused(it, "user", "7")


def test_what_came_is_shown_within_bounds(worker: Start) -> None:
    it = worker(ADAPTER, max_frame=32 << 20)
    assert len(refused(it, "numbers", "x" * 10_000_000)) < 200
    assert len(refused(it, "take", {"$": ["int", "9" * 100_000]}, 5)) < 200
    assert len(refused(it, "table", {"k" * 100_000: 5})) < 300
    assert len(refused(it, "numbers", [list(range(100_000))])) < 200


@pytest.mark.parametrize("place", ["class", "module"])
def test_an_adapter_can_turn_checks_off(worker: Start, place: str) -> None:
    it = worker(
        """
        from snakepit_bridge import tool
        %s
        class Adapter:
            %s
            @tool
            def f(self, count: int): return count
        """
        % (("", "__snakepit_validate__ = False") if place == "class" else ("__snakepit_validate__ = False", "pass"))
    )
    assert it.call("f", "many") == "many"


def test_newer_syntax_is_understood_where_there_is_any(worker: Start) -> None:
    source = """
        from __future__ import annotations
        def union(value: int | None = None): return value
        def nested(values: dict[str, list[int] | None]): return values
        """
    if sys.version_info >= (3, 12):
        source += """
        type Ids = list[int]
        type Tree = dict[str, Tree] | None
        def alias(ids: Ids): return ids
        def tree(tree: Tree): return tree
        def generic[T](value: T, count: int): return value
        """
    it = worker(source)
    assert it.call("union") is None
    assert it.call("nested", {"a": None, "b": [1]}) == {"a": None, "b": [1]}
    if sys.version_info >= (3, 10):
        assert refused(it, "union", "x") == "`value` has to be an int or None, not a str ('x')"
        assert refused(it, "nested", {"b": ["x"]}) == "`values['b'][0]` has to be an int, not a str ('x')"
    else:
        assert it.call("union", "x") == "x"
    if sys.version_info >= (3, 12):
        assert refused(it, "alias", ["x"]) == "`ids[0]` has to be an int, not a str ('x')"
        assert it.call("tree", {"a": None}) == {"a": None}
        assert refused(it, "generic", [], "x") == "`count` has to be an int, not a str ('x')"


TYPED_DICTS = """
    from typing import Any, NamedTuple, TypedDict
    from typing import Annotated, NotRequired, Required

    class Opts(TypedDict):
        name: str
        verbose: NotRequired[bool]
        level: Annotated[NotRequired[int], "how far"]
        missing: NotRequired["NotThere"]

    class Loose(TypedDict, total=False):
        id: Required[int]
        label: str

    class More(Loose):
        size: int

    def opts(value: Opts): return value
    def loose(value: Loose): return value
    def more(value: More): return value
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="NotRequired is of Python 3.11")
@pytest.mark.parametrize("first", ["", "from __future__ import annotations"], ids=["objects", "text"])
def test_keys_are_required_where_their_annotation_says_so(worker: Start, first: str) -> None:
    it = worker(first + "\n" + TYPED_DICTS.replace("\n    ", "\n"))
    assert it.call("opts", {"name": "x"}) == {"name": "x"}
    assert refused(it, "opts", {"verbose": True}) == "`value` lacks the field `name`"
    assert refused(it, "opts", {"name": "x", "level": "3"}) == "`value.level` has to be an int, not a str ('3')"
    assert it.call("loose", {"id": 1}) == {"id": 1}
    assert refused(it, "loose", {"label": "x"}) == "`value` lacks the field `id`"
    assert it.call("more", {"id": 1, "size": 2}) == {"id": 1, "size": 2}
    assert refused(it, "more", {"id": 1}) == "`value` lacks the field `size`"
    schemas = {command["name"]: command["schema"]["$defs"] for command in it.info["commands"]}
    assert schemas["opts"]["Opts"]["required"] == ["name"]


def test_keys_of_a_base_stay_optional(worker: Start) -> None:
    it = worker(
        """
        from typing import TypedDict

        class Base(TypedDict, total=False):
            label: str

        class Derived(Base):
            size: int

        def f(value: Derived): return value
        """
    )
    assert it.call("f", {"size": 1}) == {"size": 1}
    if sys.version_info >= (3, 9):
        assert refused(it, "f", {}) == "`value` lacks the field `size`"
    else:
        assert it.call("f", {}) == {}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="unpacking in annotations is of Python 3.11")
def test_tuples_may_be_open_in_the_middle(worker: Start) -> None:
    it = worker(
        """
        from typing import Tuple, TypeVarTuple, Unpack
        Ts = TypeVarTuple("Ts")
        def after(value: tuple[int, *tuple[str, ...]]): return value
        def around(value: Tuple[int, Unpack[Tuple[str, ...]], bool]): return value
        def fixed(value: tuple[int, *tuple[str, bool]]): return value
        def anything(value: tuple[int, *Ts]): return value
        def rest(*args: *tuple[int, ...]): return args
        """
    )
    assert [list(it.call("after", value)["$"][1]) for value in ([1], [1, "a", "b"])] == [[1], [1, "a", "b"]]
    assert refused(it, "after", []) == "`value` has to be a tuple of 1 or more items, not a list of 0 items"
    assert refused(it, "after", [1, "a", 2]) == "`value[2]` has to be a str, not an int (2)"
    assert it.call("around", [1, "a", "b", True])["$"][1] == [1, "a", "b", True]
    assert refused(it, "around", [1, "a", "b"]) == "`value[2]` has to be a bool, not a str ('b')"
    assert refused(it, "fixed", [1, "a", 2]) == "`value[2]` has to be a bool, not an int (2)"
    assert it.call("anything", [1, "a", None])["$"][1] == [1, "a", None]
    assert it.call("rest", 1, 2)["$"][1] == [1, 2]
    assert refused(it, "rest", 1, "2") == "`args[1]` has to be an int, not a str ('2')"
    schemas = {command["name"]: command["schema"]["properties"].get("value") for command in it.info["commands"]}
    integer, text = {"type": "integer"}, {"type": "string"}
    assert schemas["after"] == {"type": "array", "prefixItems": [integer], "items": text, "minItems": 1}
    assert schemas["around"] == {"type": "array", "prefixItems": [integer], "minItems": 2}


def test_text_of_moments_is_read_alike_by_every_python(worker: Start) -> None:
    it = worker(
        """
        import datetime
        def moment(at: datetime.datetime): return [at.microsecond, at.tzinfo is not None]
        def clock(at: datetime.time): return [at.hour, at.microsecond, at.tzinfo is not None]
        """
    )
    assert it.call("moment", "2026-01-02T03:04:05.5Z") == [500_000, True]
    assert it.call("moment", "2026-01-02T03:04:05.123456789+01:00") == [123_456, True]
    assert it.call("clock", "12:30:00Z") == [12, 0, True]
    assert it.call("clock", "12:30:00.25") == [12, 250_000, False]
    assert "`at` has to be a time" in refused(it, "clock", "12:30:00.x")


def test_what_a_decorator_says_is_believed(worker: Start) -> None:
    it = worker(
        """
        import functools, inspect
        from typing import NamedTuple

        def from_text(function):
            @functools.wraps(function)
            def wrapper(value): return function(int(value))
            parameter = inspect.Parameter("value", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str)
            wrapper.__signature__ = inspect.Signature([parameter])
            return wrapper

        @from_text
        def double(value: int): return 2 * value

        class Scale:
            factor: str
            def __call__(self, factor: int): return 2 * factor

        scale = Scale()

        class Page(NamedTuple):
            limit: int = None

        def page(page: Page): return page.limit
        __all__ = ["double", "scale", "page"]
        """
    )
    assert it.call("double", "4") == 8
    assert refused(it, "double", 4) == "`value` has to be a str, not an int (4)"
    assert it.call("scale", 4) == 8
    assert refused(it, "scale", "4") == "`factor` has to be an int, not a str ('4')"
    assert it.call("page", {"limit": None}) is None
    assert "`page.limit`" in refused(it, "page", {"limit": "x"})


def test_arguments_of_a_cached_method_are_its_own(worker: Start) -> None:
    it = worker(
        """
        import functools
        from snakepit_bridge import tool

        class Adapter:
            @tool
            @functools.lru_cache(maxsize=None)
            def cached(self, a: int, b: str): return [a, b]

            @tool
            @staticmethod
            def static(a: int): return a

            @tool
            @classmethod
            def of_class(cls, a: int): return a

            def base(self, a: int, b: str): return [a, b]
            partial = tool(functools.partialmethod(base, 1))
        """
    )
    signatures = {command["name"]: command["signature"] for command in it.info["commands"]}
    assert signatures["cached"] == "(a: int, b: str)"
    assert signatures["partial"] == "(b: str)"
    assert it.call("cached", 1, "x") == [1, "x"]
    assert refused(it, "cached", "x", 1) == "`a` has to be an int, not a str ('x')"
    if sys.version_info >= (3, 10):
        assert it.call("static", 1) == it.call("of_class", 1) == 1
    assert it.call("partial", "x") == [1, "x"]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated late from Python 3.14 on")
def test_names_for_type_checkers_cost_only_their_own_check(worker: Start) -> None:
    it = worker(
        """
        import dataclasses
        from typing import TYPE_CHECKING
        from snakepit_bridge import tool
        if TYPE_CHECKING:
            from nowhere import Context

        @dataclasses.dataclass
        class Row:
            name: str
            context: Context = None

        class Adapter:
            def __init__(self, context: Context = None): pass

            @tool
            def f(self, row: Row): return row.name
        """
    )
    assert it.call("f", {"name": "a"}) == "a"
    assert refused(it, "f", {"name": 5}) == "`row.name` has to be a str, not an int (5)"


def test_arrays_are_checked_where_numpy_is(worker: Start) -> None:
    pytest.importorskip("numpy")
    it = worker(
        """
        import numpy as np
        import numpy.typing as npt
        def total(values: np.ndarray): return float(values.sum())
        def half(values: npt.NDArray[np.float64]): return (values / 2).tolist()
        def kind(values: npt.NDArray[np.integer]): return values.dtype.kind
        """,
        env={"OPENBLAS_NUM_THREADS": "1"},
    )
    assert it.call("total", [[1, 2], [3, 4]]) == 10.0
    assert it.call("half", [1, 2]) == [0.5, 1.0]
    assert it.call("kind", [1, 2]) == "i"
    assert "`values` has to be an ndarray" in refused(it, "kind", [1.5])
    assert "`values` has to be an ndarray" in refused(it, "total", "text")
    assert "`values` has to be an ndarray" in refused(it, "total", [["a"], [1]])
    assert "`values` has to be an ndarray" in refused(it, "half", [[1], [2, 3]])


def test_pydantic_models_validate_themselves_where_pydantic_is(worker: Start) -> None:
    pytest.importorskip("pydantic")
    it = worker(
        """
        from typing import List
        from pydantic import BaseModel, Field

        class Item(BaseModel):
            name: str
            price: float = Field(gt=0)

        class Order(BaseModel):
            items: List[Item]

        def total(order: Order, others: List[Item] = []):
            return sum(item.price for item in order.items)
        """
    )
    schema = it.info["commands"][0]["schema"]
    assert set(schema["$defs"]) == {"Order", "Item"}
    assert schema["properties"]["order"] == {"$ref": "#/$defs/Order"}
    assert it.call("total", {"items": [{"name": "a", "price": 2}]}) == 2.0
    message = refused(it, "total", {"items": [{"name": "a", "price": -1}]})
    assert message.startswith("`order.items[0].price` does not fit Order: ")
    assert refused(it, "total", 5) == "`order` has to be an Order, not an int (5)"
    assert refused(it, "total", {"items": []}, [{"name": "a"}]).startswith("`others[0].price` does not fit Item: ")


def test_a_cancelled_call_is_cancelled_while_it_is_checked(worker: Start) -> None:
    it = worker(
        """
        import dataclasses, time
        @dataclasses.dataclass
        class Slow:
            name: str
            def __post_init__(self):
                print("made")
                while True:
                    time.sleep(0.01)
        def f(slow: Slow): return 1
        """
    )
    ident = it.start("f", {"name": "a"})
    it.until(lambda: "made" in it.texts("stdout"))
    it.cancel(ident)
    assert it.finish(ident).json["kind"] == "cancelled"
