"""The thread safety checker: what overlaps is found, with both places; what does not, is not; off changes nothing."""

from __future__ import annotations

import _thread
import asyncio
import os
import queue
import threading
import warnings
from contextlib import ExitStack
from functools import partial
from typing import Any, Callable, ClassVar, Iterator

import pytest

from snakepit_bridge import (
    ThreadSafetyChecker,
    ThreadSafetyError,
    check_thread_safe,
    read_only,
    shared,
    thread_safe_method,
    thread_safety_checker,
)
from snakepit_bridge._overlap import Overlap
from test_shared import in_threads

HERE = os.path.basename(__file__)


class Counter:
    """Stops in the middle of what it does, for others to come in."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = threading.Barrier(2)
        self.total = 0

    def _meet(self) -> None:
        try:
            self.inside.wait(PATIENCE)
        except threading.BrokenBarrierError:
            pass

    def add(self) -> None:
        self._meet()
        self.total += 1

    def get(self) -> int:
        self._private()
        return self.total

    def _private(self) -> None:
        self._meet()

    @read_only
    def look(self) -> int:
        self._meet()
        return self.total

    def __getitem__(self, key: str) -> int:
        self._meet()
        return self.total

    def add_locked(self) -> None:
        with self.lock:
            self.total += 1

    @thread_safe_method
    def add_somehow(self) -> None:
        self._meet()

    def count(self) -> Iterator[int]:
        yield self.total
        yield self.total

    async def wait(self) -> None:
        await asyncio.sleep(0)
        self._meet()


PATIENCE = 30.0


class Inherited(Counter):
    """With methods from elsewhere."""


def told(checker: ThreadSafetyChecker) -> list[str]:
    return [str(overlap) for overlap in checker.overlaps]


def checking(**options: Any) -> ThreadSafetyChecker:
    return ThreadSafetyChecker(on_overlap=lambda overlap: None, **options)


def at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Call each on a thread of its own. They meet inside."""
    todo = list(functions)
    return in_threads(len(todo), lambda: todo.pop(0)())


def test_two_threads_in_one_object_are_found_with_both_places() -> None:
    with checking() as checker:
        it = Inherited()
        checker.watch(Inherited)
        at_once(lambda: it.add(), lambda: it.get())
    (overlap,) = checker.overlaps
    assert overlap.subject == "one Inherited"
    uses = sorted((overlap.first, overlap.second))
    assert [use.what for use in uses] == ["Counter.add", "Counter.get"]
    line = at_once.__globals__["test_two_threads_in_one_object_are_found_with_both_places"].__code__.co_firstlineno + 4
    for use in uses:
        assert use.site.endswith("%s:%d in <lambda>" % (HERE, line))
    assert all(use.site in str(overlap) and use.what in str(overlap) for use in uses)


def test_a_use_that_only_threads_start_is_told_where_it_is_defined() -> None:
    with checking() as checker:
        it = Counter()
        checker.watch(it)
        threads = [threading.Thread(target=it.add) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (overlap,) = checker.overlaps
    line = Counter.add.__code__.co_firstlineno
    assert overlap.first == overlap.second
    assert overlap.first.site.endswith("%s:%d in add" % (HERE, line))


def test_a_use_that_is_all_a_bare_thread_does_is_seen() -> None:
    ended: queue.SimpleQueue[None] = queue.SimpleQueue()

    class Telling(Counter):
        def add(self) -> None:
            super().add()
            ended.put(None)

    with checking() as checker:
        it = Telling()
        checker.watch(it)
        for _ in range(2):
            _thread.start_new_thread(it.add, ())
        for _ in range(2):
            ended.get(timeout=PATIENCE)
    line = Telling.add.__code__.co_firstlineno
    assert checker.overlaps[0].first.site.endswith("%s:%d in add" % (HERE, line))


@pytest.mark.parametrize("make", [queue.Queue, threading.Event, threading.Semaphore, threading.Condition])
def test_what_the_standard_library_has_for_threads_is_believed(make: Any) -> None:
    with checking() as checker:
        before = checker.get_report()["watched"]
        checker.watch(make())
        assert checker.get_report()["watched"] == before

        class Own(make):  # type: ignore[misc]
            def use(self) -> None: ...

        checker.watch(Own())
        (name,) = set(checker.get_report()["watched"]) - set(before)
        assert name.endswith(".Own")


@pytest.mark.parametrize(
    "uses",
    [
        (Counter.look, Counter.look),
        (Counter.look, Counter.__getitem__),
        (Counter.add_locked, Counter.add_locked),
        (Counter.add_somehow, Counter.add_somehow),
    ],
)
def test_what_reads_or_takes_care_is_no_overlap(uses: Any) -> None:
    names = [use.__name__ for use in uses]
    with checking() as checker:
        it = Counter()
        checker.watch(it)
        at_once(*(lambda name=name: getattr(it, name)(*["key"] * (name == "__getitem__")) for name in names))
    assert told(checker) == []


def test_a_reader_and_a_writer_overlap() -> None:
    with checking() as checker:
        it = Counter()
        checker.watch(it)
        at_once(lambda: it.look(), lambda: it.add())
    assert len(told(checker)) == 1


def test_one_thread_two_objects_and_a_lock_around_are_no_overlap() -> None:
    with checking() as checker:
        it, other, lock = Counter(), Counter(), threading.Lock()
        checker.watch(Counter)
        for each in (it, other):
            each.inside.abort()

        def use() -> None:
            for _ in range(100):
                with lock:
                    it.add()
                    it.get()

        in_threads(4, use)
        it.inside = other.inside = threading.Barrier(2)
        at_once(lambda: it.add(), lambda: other.add())
    assert told(checker) == []


def test_other_objects_of_a_class_are_left_alone() -> None:
    with checking() as checker:
        watched, other = Counter(), Counter()
        checker.watch(watched)
        at_once(lambda: other.add(), lambda: other.add())
    assert told(checker) == []


def test_generators_and_coroutines_are_in_use_until_they_end() -> None:
    with checking() as checker:
        it = Counter()
        checker.watch(it)
        it.inside.abort()
        items = it.count()
        next(items)
        in_threads(1, lambda: it.add())
        items.close()  # type: ignore[attr-defined]
        in_threads(1, lambda: it.add())
        it.inside = threading.Barrier(2)
        at_once(lambda: asyncio.run(it.wait()), lambda: it.add())
    assert checker.get_report()["overlaps_seen"] == 2
    assert set(checker.get_report()["concurrent_accesses"]) == {"Counter.count", "Counter.wait", "Counter.add"}


def test_in_strict_mode_the_later_use_does_not_happen() -> None:
    with checking(strict_mode=True) as checker:
        it = Counter()
        checker.watch(it)
        items = it.count()
        next(items)
        for _ in range(2):
            (error,) = in_threads(1, lambda: it.add())
            assert isinstance(error, ThreadSafetyError)
            assert str(error).startswith("one Counter is used by two threads at once: Counter.count at ")
            assert error.overlap.second.what == "Counter.add"
            assert "@read_only" in str(error)
        assert it.total == 0
        list(items)
        it.inside.abort()
        in_threads(1, lambda: it.add())
        assert it.total == 1
    assert len(told(checker)) == 1


def test_each_pair_of_places_is_told_once_and_only_so_many() -> None:
    seen: list[Overlap] = []
    with ThreadSafetyChecker(limit=2, on_overlap=seen.append) as checker:
        it = Counter()
        checker.watch(it)
        for step in range(4):
            code = compile("\n" * step + "it.add()", "place_%d.py" % step, "exec")
            for _ in range(3):
                use = partial(exec, code, {"it": it})
                at_once(use, use)
    assert checker.overlaps == seen
    assert ["place_%d.py:%d in <module>" % (step, step + 1) for step in (0, 1)] == [each.first.site for each in seen]
    report = checker.get_report()
    assert (report["overlaps_seen"], report["warnings_issued"], report["is_full"]) == (12, 2, True)
    assert not checker._board._inside
    checker.reset()
    assert checker.get_report()["warnings"] == []


def test_by_default_it_warns_at_the_place_that_came_later() -> None:
    with warnings.catch_warnings(record=True) as caught, ThreadSafetyChecker() as checker:
        warnings.simplefilter("always")
        it = Counter()
        checker.watch(it)
        items = it.count()
        next(items)
        it.inside.abort()
        in_threads(1, lambda: it.add())
        list(items)
    (warning,) = caught
    assert warning.category is thread_safety_checker.ThreadSafetyWarning
    assert os.path.basename(warning.filename) == HERE


def test_off_nothing_is_wrapped_and_afterwards_all_is_as_before() -> None:
    import sqlite3

    def state() -> list[Any]:
        import sys

        return [dict(vars(Counter)), dict(vars(Marked)), marked, sqlite3.connect, list(sys.meta_path)]

    before = state()
    with ThreadSafetyChecker(enabled=False) as checker:
        checker.watch(Counter)
        with checker.track_execution("this"):
            checker.check_method_access("this")
        assert state() == before
    with checking() as checker:
        checker.watch(Counter)
        assert [a == b for a, b in zip(state(), before)] == [False] * 5
    assert state() == before


@check_thread_safe
class Marked:
    def meet(self, barrier: threading.Barrier) -> None:
        barrier.wait(PATIENCE)


@check_thread_safe
def marked(barrier: threading.Barrier) -> None:
    barrier.wait(PATIENCE)


def test_what_is_marked_is_watched_by_whoever_starts() -> None:
    barrier = threading.Barrier(2)
    with checking() as checker:
        it = Marked()
        at_once(lambda: it.meet(barrier), lambda: it.meet(barrier))
        at_once(lambda: marked(barrier), lambda: marked(barrier))
    assert {overlap.subject for overlap in checker.overlaps} == {"one Marked", "marked"}


def test_what_is_shared_is_watched_unless_it_says_otherwise() -> None:
    class Safe(Counter):
        __thread_safe__ = True

    early = shared(Counter)
    early()
    late, safe, reading = shared(Counter), shared(Safe), shared(Counter, read_only=True)
    partly = shared(Counter, read_only=["add"])
    with checking() as checker:
        for each, found in ((early, 1), (late, 2), (safe, 2), (reading, 2), (partly, 2)):
            at_once(partial(each().add), partial(each().add))
            assert checker.get_report()["overlaps_seen"] == found
        at_once(lambda: partly().get(), lambda: partly().add())
        assert checker.get_report()["overlaps_seen"] == 3


def test_a_stretch_of_code_is_what_its_name_says() -> None:
    with checking() as checker:
        with checker.track_execution("the cache"):
            in_threads(1, lambda: checker.check_method_access("the cache"))
            in_threads(1, lambda: checker.check_method_access("something else"))
        in_threads(1, lambda: checker.check_method_access("the cache"))
    (overlap,) = checker.overlaps
    assert overlap.subject == "the cache"
    assert overlap.first.site.split(" in ")[1].startswith("test_a_stretch_of_code")


def test_a_use_that_was_left_behind_by_an_interruption_is_over() -> None:
    call = {"of": 0}
    with checking() as checker:
        checker._board.call_of = lambda thread: call["of"]
        it = Counter()
        checker.watch(it)
        it.inside.abort()
        with ExitStack() as kept:  # what never gets to its end
            call["of"] = 1
            kept.enter_context(checker._manage(it, "Counter.add", False, Counter.add, ""))
            call["of"] = 2
            in_threads(1, lambda: it.add())
            it.add()
    assert told(checker) == []


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_copy_starts_with_nobody_inside() -> None:
    with checking(strict_mode=True) as checker:
        it = Counter()
        checker.watch(it)
        inside, done = threading.Event(), threading.Event()

        def hold() -> None:
            items = it.count()
            next(items)
            with checker._board._lock:
                inside.set()
                done.wait(PATIENCE)

        it.inside.abort()
        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait(PATIENCE)
        pid = os.fork()
        if pid == 0:
            it.add()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        done.set()
        thread.join()


def test_the_checker_of_the_process_is_the_one_that_was_enabled_last() -> None:
    original = Counter.add
    try:
        checker = thread_safety_checker.enable_checking(strict_mode=True)
        checker.watch(Counter)
        assert thread_safety_checker.get_global_checker() is checker
        assert Counter.add is not original
        with pytest.raises(ValueError, match="Counter does not declare"):
            thread_safety_checker.validate_adapter_thread_safety(Counter)
    finally:
        thread_safety_checker.disable_checking()
    assert Counter.add is original
    assert not thread_safety_checker.validate_adapter_thread_safety(Counter)


def test_common_pitfalls_are_what_lanes_share_unseen(capsys: Any) -> None:
    class Careless:
        history: ClassVar[list[str]] = []
        limit = 3

    (first, second, *_) = thread_safety_checker.check_common_pitfalls(Careless())
    assert "Careless keeps history in the class" in first
    assert "does not declare `__thread_safe__`" in second
    thread_safety_checker.print_thread_safety_report()
    assert capsys.readouterr().out.startswith("thread safety: 0 overlaps")
