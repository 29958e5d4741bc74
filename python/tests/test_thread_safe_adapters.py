"""What an adapter for lanes on threads has: a lock for all of them, storage of each thread, counts, declarations."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from typing import Any, Callable, Iterator

import pytest

from snakepit_bridge import BaseAdapter, ThreadSafeAdapter, read_only, require_thread_safe, thread_safe_method, tool
from snakepit_bridge import base_adapter_threaded as module
from test_shared import in_threads

Start = Callable[..., Any]


class Adapter(ThreadSafeAdapter):
    total = 0

    def __init__(self) -> None:
        """An adapter of the original: it does not know what else there is to hand on."""

    @thread_safe_method
    @tool(description="Add one")
    def add(self) -> int:
        with self.acquire_lock():
            Adapter.total += 1
            return Adapter.total

    @thread_safe_method(lock=True)
    def locked(self, other: ThreadSafeAdapter) -> bool:
        return not in_threads(1, lambda: other._snakepit_lock.acquire(blocking=False))[0]

    @thread_safe_method
    def count(self) -> Iterator[int]:
        yield self.get_stats()["tracker"]["active_threads"]

    @thread_safe_method
    async def wait(self) -> int:
        await asyncio.sleep(0)
        return int(self.get_stats()["tracker"]["active_threads"])


def test_all_adapters_of_a_process_have_one_lock() -> None:
    adapters = [Adapter(), Adapter()]
    before = Adapter.total

    def add() -> None:
        for _ in range(500):
            adapters[0].add()
            adapters[1].add()

    in_threads(4, add)
    assert Adapter.total - before == 4000
    assert adapters[0].locked(adapters[1])


def test_a_subclass_may_have_a_lock_and_a_tracker_of_its_own() -> None:
    class Own(ThreadSafeAdapter):
        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._tracker = None

        @thread_safe_method
        def run(self) -> int:
            return 1

    adapter = Own()
    assert adapter.acquire_lock() is ThreadSafeAdapter().acquire_lock()
    assert adapter.run() == 1
    assert adapter.get_stats()["tracker"]["total_requests"] == 1


def test_the_lock_may_be_taken_again_by_who_holds_it() -> None:
    it = Adapter()
    with it.acquire_lock(), it.acquire_lock():
        assert it.add()


def test_each_thread_and_each_adapter_has_values_of_its_own() -> None:
    it, other = Adapter(), Adapter()
    it.set_thread_local("key", "mine")
    assert in_threads(1, lambda: it.get_thread_local("key", "nothing")) == ["nothing"]
    assert other.get_thread_local("key") is None
    it.set_thread_local("get", "a name like any other")
    it.clear_thread_local("key")
    assert it.get_thread_local("key") is None
    assert it.get_thread_local("get") == "a name like any other"
    it.clear_thread_local()
    assert it.get_thread_local("get") is None


def test_requests_of_all_lanes_are_counted() -> None:
    class Counted(ThreadSafeAdapter):
        @thread_safe_method
        def meet(self) -> dict[str, Any]:
            together.wait(30)
            stats = self.get_stats()
            together.wait(30)
            return stats

    together = threading.Barrier(3)
    for stats in in_threads(3, lambda: Counted().meet()):
        assert stats["adapter_class"] == "Counted"
        assert stats["thread_safe"] is True
        assert stats["tracker"] == {
            "total_requests": 3,
            "active_threads": 3,
            "total_active_requests": 3,
            "threads_seen": 3,
        }
    with Counted().track_request("mine") as number:
        assert number == 4
    assert Counted().get_stats()["tracker"]["total_active_requests"] == 0


def test_declared_methods_stay_what_they_were() -> None:
    it = Adapter()
    assert inspect.isgeneratorfunction(it.count)
    assert inspect.iscoroutinefunction(it.wait)
    assert list(it.count()) == [1]
    assert asyncio.run(it.wait()) == 1
    assert it.get_stats()["tracker"]["active_threads"] == 0


def test_a_lock_is_not_held_by_what_waits_in_between() -> None:
    with pytest.raises(TypeError, match="count would hold the lock"):

        class Waiting(ThreadSafeAdapter):
            @thread_safe_method(lock=True)
            def count(self) -> Iterator[int]:
                yield 1


def test_declarations_work_on_what_is_no_adapter() -> None:
    @thread_safe_method
    def plain(value: int = 1) -> int:
        return value

    assert plain() == plain(1) == 1
    assert read_only(plain) is plain


def test_who_does_not_declare_it_is_refused() -> None:
    class Silent(BaseAdapter):
        pass

    class Unsafe(ThreadSafeAdapter):
        __thread_safe__ = False

    @require_thread_safe
    def use(adapter: Any) -> str:
        return "used"

    assert use(Adapter()) == use(Adapter) == "used"
    for adapter in (Silent(), Unsafe(), Unsafe):
        with pytest.raises(ValueError, match="does not declare itself thread-safe"):
            use(adapter)
    assert module.validate_thread_safety(Adapter)
    assert not module.validate_thread_safety(Unsafe)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_copy_can_take_a_lock_that_another_thread_held() -> None:
    it, held, done = Adapter(), threading.Event(), threading.Event()

    def hold() -> None:
        with it.acquire_lock(), it._snakepit_tracker._lock:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if it.add() else 1)
    assert os.waitpid(pid, 0)[1] == 0
    done.set()
    thread.join()


PATTERNS = """
    import threading
    from snakepit_bridge.base_adapter_threaded import ThreadSafeAdapter, thread_safe_method, tool
    from snakepit_bridge import shared

    model = shared(lambda: {"answer": 42}, read_only=True)
    history = shared(list)
    together = threading.Barrier(2)

    class Adapter(ThreadSafeAdapter):
        def initialize(self):
            self.seen = 0

        @thread_safe_method
        @tool(description="All three patterns")
        def work(self, item):
            together.wait(30)
            answer = model()["answer"]
            cache = self.get_thread_local("cache", [])
            cache.append(item)
            self.set_thread_local("cache", cache)
            self.seen += 1
            with self.acquire_lock():
                history().append(item)
            together.wait(30)
            return [answer, cache, self.seen, sorted(history())]
"""


def test_the_three_patterns_in_a_worker(worker: Start) -> None:
    it = worker(PATTERNS, lanes=2, kind="thread")
    assert it.info["thread_safe"] is True
    assert it.info["commands"][0]["doc"] == "All three patterns"
    for step in (1, 2):
        calls = [it.start("work", lane, lane=lane) for lane in (0, 1)]
        for lane, ident in enumerate(calls):
            assert it.finish(ident, lane).json == [42, [lane] * step, step, [0] * step + [1] * step]
