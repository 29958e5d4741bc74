"""Adapters written for the original Snakepit load and run as they are."""

from __future__ import annotations

from typing import Any, Callable

import pytest

Start = Callable[..., Any]

TOOLS = """
    from typing import Any, Dict, List, Optional
    from snakepit_bridge import SessionContext
    from snakepit_bridge.base_adapter import BaseAdapter, tool

    class MyAdapter(BaseAdapter):
        def __init__(self):
            super().__init__()
            self.session_context = None
            self.contexts = 0

        def set_session_context(self, context: SessionContext):
            self.session_context = context
            self.contexts += 1

        @tool(description="Echo it", required_variables=["key"])
        def echo(self, message: str, **kwargs) -> Dict[str, Any]:
            return {"echo": message, "session": self.session_context.session_id, "extra": kwargs}

        @tool(description="How often it was given a context")
        def count(self) -> int:
            return self.contexts

        @tool(description="Stream it", supports_streaming=True)
        def progress(self, steps: int = 2):
            for step in range(steps):
                yield {"data": {"step": step, "session": self.session_context.session_id}}

        @tool(description="What came along")
        def about(self) -> Dict[str, Any]:
            with self.session_context as context:
                return {"metadata": context.request_metadata, "command": context.command, "text": repr(context)}
"""


def test_tools_with_a_session_context(worker: Start) -> None:
    it = worker(TOOLS)
    assert it.call("echo", kwargs={"message": "hi"}, session="s-1") == {"echo": "hi", "session": "s-1", "extra": {}}
    answer = it.call("echo", "hi", kwargs={"more": 1})
    assert answer == {"echo": "hi", "session": "default_session", "extra": {"more": 1}}
    assert it.call("count") == 3
    assert [item["data"]["session"] for item in it.call("progress", session="s-2")] == ["s-2", "s-2"]
    assert it.call("about", traceparent="00-ab", session="s") == {
        "metadata": {"traceparent": "00-ab", "command": "about"},
        "command": "about",
        "text": "SessionContext(session_id='s')",
    }


def test_bad_arguments_reach_no_context(worker: Start) -> None:
    it = worker(TOOLS)
    assert it.fail("echo", 5)["message"] == "`message` has to be a str, not an int (5)"
    assert it.call("count") == 1
    error = it.fail("echo")
    assert (error["kind"], error["message"]) == ("bad_arguments", "echo() missing a required argument: 'message'")


EXECUTE = """
    from snakepit_bridge.base_adapter import BaseAdapter, tool

    class Adapter(BaseAdapter):
        def execute_tool(self, tool_name, arguments, context):
            if tool_name == "fails":
                raise NotImplementedError("Unknown tool: " + tool_name)
            if tool_name == "delegates":
                return self.call_tool("_listed", **arguments)
            return [tool_name, arguments, context.session_id]

        def _listed(self, a):
            return ["listed", a]

        def session_closed(self, session_id, state):
            print("closed", session_id)
        %s
"""


@pytest.mark.parametrize("listed", ["", "@tool\n        def listed(self): return 1\n"])
def test_commands_that_are_not_listed_go_to_execute_tool(worker: Start, listed: str) -> None:
    it = worker(EXECUTE % listed)
    assert [command["name"] for command in it.info["commands"]] == (["listed"] if listed else [])
    assert it.call("anything", kwargs={"a": 1}, session="s") == ["anything", {"a": 1}, "s"]
    assert it.call("listed") == (1 if listed else ["listed", {}, "default_session"])
    assert it.call("delegates", kwargs={"a": 2}) == ["listed", 2]
    named = {"name": "Ada", "self": 1, "tool_name": 2}
    assert it.call("anything", kwargs=named) == ["anything", named, "default_session"]
    error = it.fail("fails")
    assert (error["kind"], error["type"]) == ("exception", "NotImplementedError")
    error = it.fail("anything", 1)
    assert (error["kind"], error["message"]) == (
        "bad_arguments",
        "anything() goes to execute_tool, which takes arguments by name only",
    )


def test_a_class_is_named_as_in_the_originals_configuration(adapter: Start, tmp_path: Any) -> None:
    from host import Host

    adapter(TOOLS, "pkg/adapter.py")
    with Host("pkg.adapter.MyAdapter", cwd=str(tmp_path)) as host:
        host.ready()
        assert host.fork().call("count") == 1
    for missing in ("pkg.adapter.Other", "pkg.other.MyAdapter", "nowhere.MyAdapter"):
        with Host(missing, cwd=str(tmp_path)) as host:
            failure = host.failed()
            assert failure["kind"] == "adapter_not_found"
            assert repr(missing) in failure["message"]


def test_tools_of_the_host_have_their_old_names() -> None:
    from snakepit_bridge.session_context import SessionContext

    class Call:
        session = "s"

        def call(self, name: str, **arguments: Any) -> Any:
            return [name, arguments]

    context = SessionContext(Call())
    assert context.call_elixir_tool("lookup", id=7) == ["lookup", {"id": 7}]
    assert "lookup" in context.elixir_tools
    assert context.elixir_tools["lookup"](id=7) == ["lookup", {"id": 7}]


def test_the_end_of_a_session_does_not_go_to_execute_tool(worker: Start) -> None:
    it = worker(EXECUTE % "")
    assert it.call("anything", session="s", state=1)[2] == "s"
    assert it.call("snakepit.session_closed", [["s", 1, True]]) is None
    it.until(lambda: it.texts("stdout") == ["closed s"])
