"""What HELLO says of commands: parameters, schema, options."""

from __future__ import annotations

import sys
from typing import Any, Callable

import pytest

Start = Callable[..., Any]

ADAPTER = """
    import dataclasses, datetime, enum, math
    from datetime import timedelta
    from typing import Dict, List, Literal, Optional, Tuple
    from snakepit_bridge import tool

    class Color(enum.Enum):
        RED = "red"
        GREEN = "green"

    class Bound(enum.Enum):
        NONE = math.inf

    @dataclasses.dataclass
    class Node:
        name: str
        parts: "List[Node]" = dataclasses.field(default_factory=list)

    class Shy:
        def __repr__(self):
            raise RuntimeError("not me")

    def google(rows: List[Node], color: Color = Color.RED, limit: Optional[int] = None, *rest: float, mode: str = "a",
               **more: bool) -> str:
        '''Say it.

        At length.

        Args:
            rows (list of Node): What to say,
                and how.
            limit: At most this many.
            **more: Whatever else.

        Returns:
            str: nothing: really
        '''

    def numpy_style(x, y: int = 1):
        '''Say it.

        Parameters
        ----------
        x : array_like
            The first.

            With a second paragraph.
        y : int, optional
            The second.

        Returns
        -------
        z : int
            Not a parameter.
        '''

    def sphinx(a, b=(1, 2)):
        '''Say it.

        :param a: The first,
            continued.
        :param int b: The second.
        :returns: nothing
        '''

    def defaults(exact=0.1, huge=2**70, moment=datetime.date(2026, 1, 2), opaque=object, shy=Shy(), data=b"x",
                 nan=math.nan, dollar={"$": 1}):
        pass

    @tool(timeout=2.5, idempotent=True, supports_streaming=True)
    def options(): pass

    @tool(timeout=timedelta(minutes=1))
    def patient(): pass

    def odd(first: "Nowhere", second: Dict[str, "Nowhere"], third: Literal["x", 1], fourth: Tuple[int, str],
            fifth: Bound): pass
"""


@pytest.fixture
def commands(worker: Start) -> dict[str, Any]:
    return {command["name"]: command for command in worker(ADAPTER).info["commands"]}


def params(command: Any) -> dict[str, Any]:
    return {each.pop("name"): each for each in command["params"]}


def test_parameters_are_told_as_written(commands: dict[str, Any]) -> None:
    told = params(commands["google"])
    assert list(told) == ["rows", "color", "limit", "rest", "mode", "more"]
    assert told["rows"] == {
        "kind": "positional_or_keyword",
        "type": told["rows"]["type"],
        "doc": "What to say, and how.",
        "required": True,
    }
    assert "Node" in told["rows"]["type"]
    assert (told["color"]["default"], told["color"]["required"]) == ("red", False)
    assert told["limit"]["default"] is None
    assert [told[name]["kind"] for name in ("rest", "mode", "more")] == [
        "var_positional",
        "keyword_only",
        "var_keyword",
    ]
    assert told["more"]["doc"] == "Whatever else."
    assert not told["rest"]["required"]
    assert commands["google"]["doc"] == "Say it."


def test_the_schema_describes_the_arguments_by_name(commands: dict[str, Any]) -> None:
    limit = {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "At most this many.", "default": None}
    assert commands["google"]["schema"] == {
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": {"$ref": "#/$defs/Node"}, "description": "What to say, and how."},
            "color": {"enum": ["red", "green"], "default": "red"},
            "limit": limit,
            "mode": {"type": "string", "default": "a"},
        },
        "required": ["rows"],
        "additionalProperties": {"type": "boolean"},
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "parts": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                },
                "required": ["name"],
                "additionalProperties": False,
            }
        },
    }
    assert commands["options"]["schema"] == {"type": "object", "properties": {}, "additionalProperties": False}


def test_docstrings_of_every_style_are_read(commands: dict[str, Any]) -> None:
    told = params(commands["numpy_style"])
    assert {name: each["doc"] for name, each in told.items()} == {
        "x": "The first. With a second paragraph.",
        "y": "The second.",
    }
    told = params(commands["sphinx"])
    assert {name: each["doc"] for name, each in told.items()} == {"a": "The first, continued.", "b": "The second."}


def test_defaults_are_values_where_they_can_be_carried(commands: dict[str, Any]) -> None:
    told = params(commands["defaults"])
    assert told["exact"]["default"] == 0.1
    assert told["huge"]["default"] == {"$": ["int", str(2**70)]}
    assert told["moment"]["default"] == {"$": ["date", "2026-01-02"]}
    assert told["opaque"]["default_repr"] == "<class 'object'>"
    assert told["shy"]["default_repr"] == "..."
    assert told["data"]["default_repr"] == "b'x'"
    assert told["nan"]["default"] == {"$": ["float", "nan"]}
    assert told["dollar"]["default"] == {"$": ["map", [["$", 1]]]}
    properties = commands["defaults"]["schema"]["properties"]
    assert [name for name, each in properties.items() if "default" in each] == ["exact"]


def test_a_section_of_a_docstring_may_be_empty(worker: Start) -> None:
    it = worker(
        """
        def f(x: int):
            '''Do it.

            Args:

            Returns:
                int: it
            '''
        """
    )
    assert "doc" not in params(it.info["commands"][0])["x"]


def test_options_of_tool_are_told(commands: dict[str, Any]) -> None:
    told = commands["options"]
    assert (told["timeout"], told["idempotent"], told["stream"]) == (2.5, True, True)
    assert commands["patient"]["timeout"] == 60.0
    told = commands["google"]
    assert (told["timeout"], told["idempotent"], told["stream"]) == (None, False, False)


def test_annotations_that_lead_nowhere_say_nothing(commands: dict[str, Any]) -> None:
    assert commands["odd"]["schema"]["properties"] == {
        "first": {},
        "second": {"type": "object"},
        "third": {"enum": ["x", 1]},
        "fourth": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": False,
            "minItems": 2,
        },
        "fifth": {},
    }
    assert params(commands["odd"])["first"]["type"] == "Nowhere"


@pytest.mark.parametrize("timeout", ["0", "-1", "float('inf')", "float('nan')", "'soon'"])
def test_a_timeout_that_is_none_fails_the_import(boot: Start, timeout: str) -> None:
    host = boot("from snakepit_bridge import tool\n@tool(timeout=%s)\ndef f(): pass" % timeout)
    failure = host.failed()
    assert failure["kind"] == "adapter_import"
    assert failure["type"] in ("ValueError", "TypeError")


def test_commands_of_c_functions_are_told_as_far_as_they_go(worker: Start) -> None:
    it = worker(
        """
        from math import hypot, sqrt
        __all__ = ["hypot", "sqrt", "print"]
        print = print
        """
    )
    told = {command["name"]: command for command in it.info["commands"]}
    assert params(told["sqrt"])["x"] == {"kind": "positional_only", "required": True}
    if sys.version_info < (3, 10):
        assert told["hypot"]["schema"] is None or told["hypot"]["params"]
    assert it.call("sqrt", 4) == 2.0
