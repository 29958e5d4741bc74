"""Objects that stay in the worker: how they are named, found, called and let go of."""

from __future__ import annotations

from typing import Any, Callable

import pytest

Start = Callable[..., Any]

ADAPTER = """
    import weakref
    from snakepit_bridge import NotKept, context

    ALIVE = weakref.WeakSet()

    class Model:
        def __init__(self, name):
            self.name = name
            ALIVE.add(self)

        def predict(self, number, times=2):
            return "%s %d" % (self.name, number * times)

        async def later(self):
            return self.name

        def _secret(self):
            return "secret"

        def __repr__(self):
            return "Model(%r, password='hunter2')" % self.name

    def make(name):
        return Model(name)

    async def make_later(name):
        return Model(name)

    def keep(name):
        return {"model": context.keep(Model(name)), "again": [context.keep(Model(name))]}

    def keep_unsent(name):
        context.keep(Model(name))

    def use(model, others=()):
        return [model.name, type(model).__name__, [other.name for other in others]]

    def same(a, b):
        return a is b

    def fill(count):
        kept = [context.keep(number) for number in range(count)]
        return kept[0]

    def alive():
        import gc
        gc.collect()
        return sorted(model.name for model in ALIVE)
"""

SESSION = {"session": "a", "state": 1}


def ref(sent: Any) -> dict[str, Any]:
    """A handle, as a host sends back the one that it was sent."""
    assert list(sent) == ["$"]
    assert sent["$"][0] == "ref"
    return {"$": sent["$"][:2]}


@pytest.fixture
def it(worker: Start) -> Any:
    return worker(ADAPTER)


def test_a_result_that_is_kept_is_answered_with_a_handle_on_it(it: Any) -> None:
    model = it.call("make", "m", keep=True, **SESSION)
    tag, number, type_name, shown = model["$"]
    assert (tag, type(number), type_name) == ("ref", int, "adapter_under_test.Model")
    assert shown == "Model('m', password=***)"
    assert it.call("use", ref(model), [ref(model)], **SESSION) == ["m", "Model", ["m"]]
    assert it.call("same", ref(model), ref(model), **SESSION) is True
    later = it.call("make_later", "l", keep=True, **SESSION)
    assert it.call("use", ref(later), **SESSION)[0] == "l"


def test_an_adapter_keeps_objects_itself_anywhere_in_its_result(it: Any) -> None:
    kept = it.call("keep", "m", **SESSION)
    assert it.call("use", ref(kept["model"]), [ref(kept["again"][0])], **SESSION) == ["m", "Model", ["m"]]
    assert it.call("same", ref(kept["model"]), ref(kept["again"][0]), **SESSION) is False


def test_methods_of_an_object_are_called_by_name(it: Any) -> None:
    model = ref(it.call("make", "m", keep=True, **SESSION))
    assert it.call("snakepit.ref_call", model, "predict", 4, kwargs={"times": 3}, **SESSION) == "m 12"
    assert it.call("snakepit.ref_call", model, "later", **SESSION) == "m"
    for method, said in (
        ("_secret", "begins with an underscore"),
        ("__init__", "begins with an underscore"),
        ("predic", "has no method 'predic'; did you mean 'predict'?"),
        ("name", "has no method 'name'"),
    ):
        error = it.fail("snakepit.ref_call", model, method, **SESSION)
        assert error["kind"] == "bad_arguments"
        assert said in error["message"]
    error = it.fail("snakepit.ref_call", model, "predict", **SESSION)
    assert (error["kind"], error["type"]) == ("exception", "TypeError")


def test_an_object_is_fetched_if_it_can_be_carried(it: Any) -> None:
    names = it.call("alive", keep=True, **SESSION)
    assert it.call("snakepit.ref_get", ref(names), **SESSION) == []
    model = it.call("make", "m", keep=True, **SESSION)
    assert it.fail("snakepit.ref_get", ref(model), **SESSION)["kind"] == "unserialisable"


def test_an_object_goes_when_its_handle_is_released(it: Any) -> None:
    one, two = (it.call("make", name, keep=True, **SESSION) for name in ("one", "two"))
    assert it.call("alive") == ["one", "two"]
    it.call("snakepit.refs_released", [one["$"][1], 10**9])
    assert it.call("alive") == ["two"]
    error = it.fail("use", ref(one), **SESSION)
    assert error["kind"] == "expired_ref"
    assert "not kept in this worker any more" in error["message"]
    assert it.call("use", ref(two), **SESSION)[0] == "two"


def test_objects_go_with_their_session(it: Any) -> None:
    it.call("make", "a", keep=True, **SESSION)
    other = it.call("make", "b", keep=True, session="a", state=2)
    it.call("snakepit.session_closed", [["a", 1, True]])
    assert it.call("alive") == ["b"]
    assert it.call("use", ref(other), session="a", state=2)[0] == "b"


def test_what_is_never_sent_is_not_kept(it: Any) -> None:
    it.call("keep_unsent", "m", **SESSION)
    assert it.call("alive") == []


def test_handles_need_a_session(it: Any) -> None:
    for error in (it.fail("make", "m", keep=True), it.fail("keep", "m")):
        assert error["kind"] == "not_kept"
        assert "handles need a session" in error["message"]
        assert error["hint"] == "name a session in the call"
    assert it.call("alive") == []


def test_a_session_keeps_so_many_objects_and_no_more(it: Any) -> None:
    it.call("fill", 1000, **SESSION)  # of which one was sent
    error = it.fail("fill", 1000, **SESSION)
    assert (error["kind"], error["type"]) == ("not_kept", "snakepit_bridge._refs.NotKept")
    assert "keeps 1000 objects already" in error["message"]
    assert "drop handles" in error["hint"]
    it.call("fill", 1000, session="b", state=2)


def test_the_lanes_of_a_thread_worker_share_objects(worker: Start) -> None:
    it = worker(ADAPTER, lanes=3, kind="thread")
    model = it.call("make", "m", keep=True, **SESSION)
    for lane in range(3):
        assert it.call("use", ref(model), lane=lane, **SESSION)[0] == "m"
    it.call("snakepit.refs_released", [model["$"][1]], lane=2)
    # A lane lets go of the arguments of its last call once it has answered that.
    assert any(it.call("alive", lane=1) == [] for _ in range(10_000))


def test_the_adapter_sees_nothing_of_what_the_host_calls(worker: Start) -> None:
    it = worker(
        """
        from snakepit_bridge import tool

        class Adapter:
            @tool
            def listed(self):
                return 1

            def execute_tool(self, tool_name, arguments, context):
                return [tool_name]
        """
    )
    model = it.call("anything", keep=True, **SESSION)
    assert it.call("snakepit.ref_get", ref(model), **SESSION) == ["anything"]
    it.call("snakepit.refs_released", [model["$"][1]])
    assert it.fail("snakepit.ref_get", ref(model), **SESSION)["kind"] == "expired_ref"


def test_a_malformed_handle_breaks_the_protocol(it: Any) -> None:
    it.start("use", {"$": ["ref", "1"]})
    assert it.host.exited()["code"] == 70
