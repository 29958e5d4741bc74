"""Listed libraries under the thread safety checker: real ones, each used by two threads at once."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from typing import Any, Callable

import pytest

from host import SOURCE
from snakepit_bridge import ThreadSafetyChecker, ThreadSafetyError
from test_shared import PATIENCE, in_threads


class Pause:
    """Holds whoever calls it, until somebody else has looked."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, *_: object, **__: object) -> int:
        self.inside.set()
        self.go_on.wait(PATIENCE)
        return 1


def found(first: Callable[[Pause], Any], second: Callable[[], Any]) -> list[str]:
    """What two threads do at once: of each overlap, the two functions. In strict mode, so that it does no harm."""
    pause = Pause()
    thread = threading.Thread(target=first, args=(pause,))
    thread.start()
    try:
        assert pause.inside.wait(PATIENCE)
        (outcome,) = in_threads(1, second)
    finally:
        pause.go_on.set()
        thread.join()
    if isinstance(outcome, ThreadSafetyError):
        assert os.path.basename(__file__) in outcome.overlap.second.site
        return [outcome.overlap.first.what, outcome.overlap.second.what]
    assert not isinstance(outcome, BaseException), outcome
    return []


def test_a_connection_of_sqlite() -> None:
    import sqlite3

    with ThreadSafetyChecker(strict_mode=True):
        made = [sqlite3.connect(":memory:", check_same_thread=False) for _ in range(2)]
        connection, other = made

        def hold(pause: Pause) -> None:
            connection.create_function("pause", 0, pause)
            connection.execute("select pause()").fetchall()

        assert isinstance(connection, sqlite3.Connection)
        cursor = connection.cursor()
        execute = "sqlite3.Connection.execute"
        assert found(hold, lambda: connection.commit()) == [execute, "sqlite3.Connection.commit"]
        assert found(hold, lambda: cursor.execute("select 1")) == [execute, "sqlite3.Cursor.execute"]
        assert found(hold, lambda: other.execute("select 1").fetchone() and None) == []
        cursor.execute("select 1 union select 2")
        assert [row for (row,) in cursor] == [1, 2]
    for each in made:
        each.close()


def test_a_frame_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    with ThreadSafetyChecker(strict_mode=True):
        frame = pandas.DataFrame({"a": [1, 2], "b": [3, 4]})

        def read(pause: Pause) -> None:
            frame.apply(pause)

        def write() -> None:
            frame["c"] = 5

        def write_place() -> None:
            frame.loc[0, "a"] = 5

        apply = "pandas.DataFrame.apply"
        assert found(read, write) == [apply, "pandas.DataFrame.__setitem__"]
        assert found(read, write_place) == [apply, "pandas.core.indexing._LocationIndexer.__setitem__"]
        assert found(read, lambda: frame["a"].to_dict()) == []
        copy = frame.copy()
        assert found(read, lambda: copy.insert(0, "d", 1)) == []
    assert not hasattr(pandas.DataFrame.apply, "__wrapped__")


def test_pyplot() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")

    class File(io.BytesIO):
        def __init__(self, pause: Pause) -> None:
            super().__init__()
            self.pause = pause

        def write(self, data: Any) -> int:
            self.pause()
            return super().write(data)

    with ThreadSafetyChecker(strict_mode=True):
        overlap = found(lambda pause: pyplot.savefig(File(pause), format="png"), lambda: pyplot.plot([1, 2]))
        assert overlap == ["matplotlib.pyplot.savefig", "matplotlib.pyplot.plot"]
        # The way that is advised.
        figure = matplotlib.figure.Figure
        assert found(lambda pause: pyplot.savefig(File(pause), format="png"), lambda: figure().add_subplot()) == []
    pyplot.close("all")


def test_a_session_of_requests() -> None:
    requests = pytest.importorskip("requests")

    class Adapter:
        def __init__(self, pause: Callable[[], Any]) -> None:
            self.pause = pause

        def send(self, request: Any, **_: object) -> Any:
            self.pause()
            response = requests.Response()
            response.status_code, response.request, response.url = 200, request, request.url
            response.raw = io.BytesIO()
            return response

        def close(self) -> None:
            pass

    def session(pause: Callable[[], Any]) -> Any:
        made = requests.Session()
        made.mount("test://", Adapter(pause))
        return made

    with ThreadSafetyChecker(strict_mode=True):
        paused = []

        def hold(pause: Pause) -> None:
            paused.append(session(pause))
            paused[-1].get("test://here")

        send = "requests.Session.send"
        assert found(hold, lambda: paused[-1].get("test://there")) == [send, send]
        assert found(hold, lambda: session(int).get("test://there").status_code and None) == []


LATE = """
import sys
from snakepit_bridge import ThreadSafetyChecker
checker = ThreadSafetyChecker()
checker.start()
assert "sqlite3" not in sys.modules
import sqlite3, inspect
assert hasattr(sqlite3.connect, "__wrapped__")
assert type(sqlite3.__loader__).__name__ == type(sqlite3.__spec__.loader).__name__ == "SourceFileLoader"
assert inspect.getsource(sqlite3)
assert checker.get_report()["watched"] == ["sqlite3"]
assert [each.partition(":")[0] for each in checker.check_library_safety()] == ["sqlite3"]
assert [each.partition(":")[0] for each in checker.check_library_safety({"matplotlib"})] == ["matplotlib.pyplot"]
checker.stop()
assert not hasattr(sqlite3.connect, "__wrapped__")
assert not any(type(each).__name__ == "Libraries" for each in sys.meta_path)
try:
    import requests.nothing
except ImportError:
    pass
"""


def test_a_library_that_is_imported_later_is_watched_from_then_on() -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", LATE], check=True, env=environment)
