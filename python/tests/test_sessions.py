"""Sessions in a worker: what they keep, how that gets to another worker, and that no hook ever fails a call."""

from __future__ import annotations

import sys
from typing import Any, Callable

import pytest

from snakepit_bridge import _wire as wire

Start = Callable[..., Any]

PLAIN = """
    from snakepit_bridge import context, current_call

    def add(item):
        context.state.setdefault("items", []).append(item)
        return context.state["items"]

    def name():
        return context.session

    def kind():
        return [type(context.state).__name__, context.state is current_call().state, dict(context.state)]
"""

WATCHED = """
    import sys
    import threading
    from snakepit_bridge import current_call

    sys.setswitchinterval(1e-5)
    seen = {}

    def look():
        while True:
            call = current_call()
            if call is not None:
                seen.setdefault(call.id, set()).add(call.session)

    def watch():
        threading.Thread(target=look, daemon=True).start()
        return current_call().session

    def last(_):
        call = current_call()
        while call.id not in seen:
            pass
        return sorted(seen[call.id])
"""

SAVED = """
    import json
    from snakepit_bridge import BaseAdapter, Cancelled, context, tool

    class Adapter(BaseAdapter):
        @tool
        def add(self, item):
            context.state.setdefault("items", []).append(item)
            return context.state["items"]

        @tool
        def look(self):
            return context.state.get("items", [])

        @tool
        def fail_after(self, item):
            self.add(item)
            raise LookupError(item)

        @tool
        def stream(self, items):
            for item in items:
                yield self.add(item)

        @tool
        def spoil(self, key):
            context.state[key] = True

        def save_session(self, session_id, state):
            if state.get("raise"):
                raise RuntimeError("not saved")
            if state.get("wrong"):
                return "text"
            if state.get("large"):
                return b"x" * (2 << 20)
            return json.dumps(state).encode() if state else None

        @classmethod
        def load_session(cls, session_id, data):
            if data == b"exit":
                raise SystemExit(3)
            return json.loads(data)

        async def session_closed(self, session_id, state):
            print("closed", session_id, json.dumps(state))
            if state.get("closing") == "raises":
                raise RuntimeError("not closed")
"""


@pytest.fixture
def it(worker: Start) -> Any:
    return worker(SAVED)


CANNOT = 1 << 63
"""In the version of a STATE: the session cannot be handed over."""


def left(frame: Any) -> tuple[int, bytes]:
    """Version and bytes of a STATE."""
    return int.from_bytes(frame.body[:8], "little"), frame.body[8:]


def closed(it: Any, *ended: Any) -> None:
    it.call("snakepit.session_closed", list(ended))
    it.sync()


def test_a_session_keeps_a_dict_of_its_own(worker: Start) -> None:
    it = worker(PLAIN)
    assert it.call("add", 1, session="a") == [1]
    assert it.call("add", 2, session="a") == [1, 2]
    assert it.call("add", 3, session="b") == [3]
    assert it.call("kind", session="c") == ["SessionState", True, {}]
    assert it.states == [], "nobody saves it"


def test_what_is_no_item_cannot_be_kept(worker: Start) -> None:
    it = worker("""
        from snakepit_bridge import context

        def wrong():
            context.state.items_left = 1
    """)
    assert it.fail("wrong", session="a")["type"] == "AttributeError"


def test_no_thread_sees_a_call_in_the_session_of_another(worker: Start) -> None:
    it = worker(WATCHED)
    assert it.call("watch", session="first") == "first"
    # Long to read: the watching thread has many turns before the call is admitted.
    slow = [{"$": ["decimal", "1"]}] * 20_000
    assert it.call("last", slow, session="second") == ["second"]


def test_a_call_without_a_session_has_no_state(worker: Start) -> None:
    error = worker(PLAIN).fail("add", 1)
    assert error["type"] == "snakepit_bridge.SessionStateError"
    assert "builtins.RuntimeError" in error["classes"]
    assert "belongs to no session" in error["message"]


def test_the_lanes_of_a_thread_worker_share_it(worker: Start) -> None:
    it = worker(PLAIN, lanes=3, kind="thread")
    for lane in range(3):
        assert it.call("add", lane, lane=lane, session="a", state=1) == list(range(lane + 1))


NEEDS_INTERPRETERS = pytest.mark.skipif(sys.version_info < (3, 14), reason="such lanes need CPython 3.14")


@NEEDS_INTERPRETERS
def test_several_interpreters_refuse_what_each_would_keep_for_itself(worker: Start) -> None:
    it = worker(PLAIN, lanes=2, kind="interpreter")
    assert "sessions" not in it.info["features"]
    for lane in range(2):
        error = it.fail("add", 1, lane=lane, session="a", state=1)
        assert error["type"] == "snakepit_bridge.SessionStateError"
        assert "`threads_per_worker: 1`" in error["message"]
        assert it.call("name", lane=lane, session="a", state=1) == "a"


@NEEDS_INTERPRETERS
def test_several_interpreters_refuse_an_adapter_that_saves_sessions(boot: Start) -> None:
    host = boot(SAVED)
    host.ready()
    it = host.launch(2, lane_kind="interpreter")
    host.forked(it)
    error = it.answer(wire.FAILED).json
    assert error["kind"] == "adapter_invalid"
    assert "session_closed, save_session, load_session" in error["message"]
    assert "`threads_per_worker: 1`" in error["hint"]


@NEEDS_INTERPRETERS
def test_a_single_interpreter_keeps_sessions(worker: Start) -> None:
    it = worker(SAVED, lanes=1, kind="interpreter")
    assert "sessions" in it.info["features"]
    assert it.call("add", 1, session="a", state=1) == [1]
    assert it.call("add", 2, session="a", state=1) == [1, 2]
    assert left(it.states[-1]) == (2, b'{"items": [1, 2]}')


def test_a_name_that_is_used_again_is_another_session(worker: Start) -> None:
    it = worker(PLAIN)
    assert it.call("add", 1, session="a", state=7) == [1]
    assert it.call("add", 2, session="a", state=8) == [2]
    closed(it, ["a", 7, True])
    assert it.call("add", 3, session="a", state=8) == [2, 3]


def test_a_worker_says_that_it_keeps_sessions(it: Any) -> None:
    assert "sessions" in it.info["features"]
    names = [command["name"] for command in it.info["commands"]]
    assert names == ["add", "look", "fail_after", "stream", "spoil"], "hooks are no commands"


def test_what_a_session_leaves_is_sent_before_the_answer_if_it_changed(it: Any) -> None:
    it.call("add", 1, session="a")
    it.call("look", session="a")
    it.call("add", 2, session="a")
    it.call("look", session="b")
    assert [left(frame) for frame in it.states] == [
        (1, b'{"items": [1]}'),
        (2, b'{"items": [1, 2]}'),
        (1, b""),
    ]


def test_a_call_that_raises_leaves_what_it_did(it: Any) -> None:
    assert it.fail("fail_after", 5, session="a")["type"] == "LookupError"
    assert left(it.states[0]) == (1, b'{"items": [5]}')


def test_a_stream_leaves_it_before_its_end(it: Any) -> None:
    ident = it.start("stream", [1, 2], session="a", stream=True)
    kinds = [it.lanes[0].read().kind for _ in range(4)]
    assert kinds == [wire.CHUNK, wire.CHUNK, wire.STATE, wire.END]
    assert it.call("look", session="a") == [1, 2]
    assert ident < it._next


def test_a_call_without_a_session_sends_nothing(it: Any) -> None:
    it.call("add", 1, session="a")
    it.fail("look")
    it.fail("nothing", session="a")
    assert len(it.states) == 1


def test_what_was_left_elsewhere_is_loaded_before_the_command(it: Any) -> None:
    ident = it.enter("a", (1, 1), b'{"items": [1]}', "add", 2)
    assert it.finish(ident).json == [1, 2]
    assert left(it.states[-1]) == (1, b'{"items": [1, 2]}')


def test_what_a_cancelled_call_did_not_load_the_next_one_does(worker: Start) -> None:
    it = worker(LOADING)
    call = it.enter("a", (1, 1), b"[1]", "look")
    it.until(lambda: it.texts("stdout") == ["loading"])
    it.cancel(call)
    assert it.finish(call).json["kind"] == "cancelled"
    assert it.finish(it.enter("a", (1, 1), b"[1]", "look")).json == [1]


def test_an_edition_is_loaded_once_and_the_first_call_after_it_says_so(it: Any) -> None:
    data = b'{"items": [1]}'
    assert it.finish(it.enter("a", (1, 1), data, "look")).json == [1]
    assert left(it.states[-1]) == (1, data)
    assert it.call("add", 2, session="a", state=1) == [1, 2]
    assert it.finish(it.enter("a", (1, 1), data, "look")).json == [1, 2], "it was on its way already"
    assert it.finish(it.enter("a", (1, 3), data, "look")).json == [1], "it comes back from elsewhere"


@pytest.mark.parametrize("data", [b"no json", b"exit", b"5"])
def test_what_cannot_be_loaded_is_logged_and_the_session_begins_empty(it: Any, data: bytes) -> None:
    it.call("add", 1, session="a", state=1)
    assert it.finish(it.enter("a", (1, 1), data, "look")).json == []
    it.sync()
    (text,) = it.texts("log")
    assert text.startswith("load_session of session 'a' raised")


@pytest.mark.parametrize(("key", "text"), [("raise", "RuntimeError: not saved"), ("wrong", "returned str")])
def test_what_cannot_be_saved_is_logged_and_the_call_answered(it: Any, key: str, text: str) -> None:
    assert it.call("spoil", key, session="a") is None
    it.sync()
    (logged,) = it.texts("log")
    assert logged.startswith("save_session of session 'a' raised")
    assert text in logged
    assert left(it.states[-1]) == (CANNOT | 1, b"")


def test_what_fits_no_frame_is_logged_and_not_handed_over(it: Any) -> None:
    it.call("spoil", "large", session="a")
    it.sync()
    assert left(it.states[-1]) == (CANNOT | 2, b"")
    assert "more than max_payload" in it.texts("log")[0]


def test_the_end_of_a_session_reaches_the_adapter_once(it: Any) -> None:
    it.call("add", 1, session="a", state=4)
    it.call("add", 2, session="b", state=5)
    closed(it, ["a", 4, True], ["b", 5, False], ["unknown", 6, True])
    assert it.texts("stdout") == ['closed a {"items": [1]}', "closed unknown {}"]
    assert it.call("look", session="a", state=4) == [], "it was let go of"


def test_a_hook_that_raises_stops_no_other(it: Any) -> None:
    it.finish(it.enter("a", (1, 1), b'{"closing": "raises"}', "look"))
    it.call("add", 2, session="b", state=2)
    closed(it, ["a", 1, True], ["b", 2, True])
    assert it.texts("stdout")[-1] == 'closed b {"items": [2]}'
    assert "RuntimeError: not closed" in it.texts("log")[0]


def test_the_functions_of_a_module_can_be_hooks(worker: Start) -> None:
    it = worker(
        """
        from snakepit_bridge import context

        def put(value):
            context.state["value"] = value

        def save_session(session_id, state):
            return state["value"].encode()

        def load_session(session_id, data):
            return {"value": data.decode()}

        def session_closed(session_id, state):
            print(session_id, state["value"])
        """
    )
    assert [command["name"] for command in it.info["commands"]] == ["put"]
    it.call("put", "x", session="a", state=1)
    assert left(it.states[0]) == (1, b"x")
    closed(it, ["a", 1, True])
    assert it.texts("stdout") == ["a x"]


@pytest.mark.parametrize("state", [[1], ["x", 1, None], [1, 1, "text"]])
def test_a_malformed_state_ends_the_worker(it: Any, state: Any) -> None:
    it.start("look", session="a", state=state)
    assert it.lanes[0].read() is None
    assert it.host.exited()["code"] == wire.EXIT_PROTOCOL


LOADING = """
    import json
    import time
    from snakepit_bridge import BaseAdapter, context, tool

    class Adapter(BaseAdapter):
        loads = 0

        @tool
        def look(self):
            return context.state["items"]

        def load_session(self, session_id, data):
            self.loads += 1
            if self.loads == 1:
                print("loading", flush=True)
                while True:
                    time.sleep(0.001)
            return {"items": json.loads(data)}
"""

ASKING = """
    import threading
    from snakepit_bridge import BaseAdapter, current_call, tool

    class Adapter(BaseAdapter):
        @tool
        def leave(self, go):
            call = current_call()

            def ask():
                try:
                    call.call("slow")
                except RuntimeError:
                    pass  # the call ended first

            threading.Thread(target=ask).start()
            next(go)  # by then the thread has asked

        def save_session(self, session_id, state):
            return b"left"
"""


def test_what_a_session_leaves_does_not_wait_for_a_tool(worker: Start) -> None:
    it = worker(ASKING)
    call = it.start("leave", session="s", state=1, input="go")
    frames = {frame.kind for frame in (it.lanes[0].read(), it.lanes[0].read())}
    assert frames == {wire.ASK, wire.PULL}
    it.lanes[0].send(wire.ITEM, "go", call)
    assert it.finish(call).json is None
    assert left(it.states[-1])[1] == b"left"
