"""What READY and HELLO tell: packages that were imported, and what the adapter says about threads."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Callable

import pytest

from host import Host
from snakepit_bridge import _facts
from snakepit_bridge._imports import Imports

Start = Callable[..., Any]


def test_packages_that_the_adapter_imports_are_listed_with_their_versions(boot: Start, tmp_path: Any) -> None:
    (tmp_path / "versioned.py").write_text("__version__ = '1.2.3'")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("__version__ = (1, 2)")
    (tmp_path / "package" / "inner.py").write_text("")
    (tmp_path / "preloaded.py").write_text("def __getattr__(name):\n    raise SystemExit(name)")
    host = boot(
        """
        import colorsys, email.message, versioned, package.inner
        from snakepit_bridge import tool

        def ping():
            return "pong"
        """,
        preload=["preloaded"],
        paths=[str(tmp_path)],
    )
    expected = [["package", None], ["preloaded", None], ["versioned", "1.2.3"]]
    assert host.ready()["imports"] == expected
    assert host.fork().info["imports"] == expected


@pytest.mark.parametrize("lanes", [1, 2])
def test_what_setup_imports_is_in_hello(boot: Start, tmp_path: Any, lanes: int) -> None:
    (tmp_path / "late.py").write_text("__version__ = '2'")
    host = boot(
        """
        from snakepit_bridge import BaseAdapter, tool

        class Adapter(BaseAdapter):
            def initialize(self):
                import late

            @tool
            def ping(self):
                return "pong"
        """,
        paths=[str(tmp_path)],
    )
    assert host.ready()["imports"] == []
    assert host.fork(lanes).info["imports"] == [["late", "2"]]


def test_a_module_adapter_of_a_package_does_not_list_itself(boot: Start, tmp_path: Any) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "commands.py").write_text("import helper\ndef ping():\n    return 'pong'")
    (tmp_path / "helper.py").write_text("")
    with Host("ours.commands", paths=[str(tmp_path)]) as host:
        assert host.ready()["imports"] == [["helper", None]]


def test_packages_inside_a_namespace_package_are_listed_instead_of_it(boot: Start, tmp_path: Any) -> None:
    # As `google` is: folders of several distributions, none of them with an `__init__.py`.
    for place, name in (("one", "protobuf"), ("two", "auth")):
        folder = tmp_path / place / "shared" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("__version__ = '%d.0'" % len(name))
        (folder / "inner.py").write_text("")
    (tmp_path / "one" / "shared" / "plain.py").write_text("")
    (tmp_path / "one" / "empty").mkdir()
    host = boot(
        """
        import empty, shared.plain, shared.protobuf.inner, shared.auth

        def ping():
            return "pong"
        """,
        paths=[str(tmp_path / "one"), str(tmp_path / "two")],
    )
    expected = [["shared.auth", "4.0"], ["shared.plain", None], ["shared.protobuf", "8.0"]]
    assert host.ready()["imports"] == expected
    assert host.fork().info["imports"] == expected


def test_a_namespace_package_may_have_been_there_before(tmp_path: Any, monkeypatch: Any) -> None:
    # Distributions with an `-nspkg.pth` make it when the interpreter starts.
    (tmp_path / "early_namespace").mkdir()
    (tmp_path / "early_namespace" / "before.py").write_text("")
    (tmp_path / "early_namespace" / "after.py").write_text("__version__ = '1'")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    importlib.import_module("early_namespace.before")
    imports = Imports()
    assert imports.packages("adapter") == []
    importlib.import_module("early_namespace.after")
    assert imports.packages("adapter") == [("early_namespace.after", "1")]


def test_an_adapter_in_a_namespace_package_does_not_list_its_neighbours(tmp_path: Any) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "commands.py").write_text("import ours.helper\ndef ping():\n    return 'pong'")
    (tmp_path / "ours" / "helper.py").write_text("")
    with Host("ours.commands", paths=[str(tmp_path)]) as host:
        assert host.ready()["imports"] == []


def test_the_version_of_an_interpreter_built_from_a_repository_is_plain(boot: Start) -> None:
    host = boot(
        """
        import sys

        number = "%d.%d.%d" % sys.version_info[:3]
        sys.version = number + "+ (heads/main:0123abc, Jan  1 2026, 00:00:00) [GCC]"

        def ping():
            return number
        """
    )
    assert host.ready()["python"]["version"] == "%d.%d.%d" % sys.version_info[:3]


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ((3, 14, 7, "final", 0), "3.14.7"),
        ((3, 15, 0, "alpha", 2), "3.15.0a2"),
        ((3, 15, 0, "beta", 3), "3.15.0b3"),
        ((3, 15, 0, "candidate", 1), "3.15.0rc1"),
    ],
)
def test_pre_releases_are_written_as_packaging_writes_them(info: Any, expected: str) -> None:
    assert _facts.version_of(info) == expected


DECLARED = """
    from snakepit_bridge import BaseAdapter, tool
    %s

    class Base(BaseAdapter):
        %s

        @tool
        def ping(self):
            return "pong"

    class Adapter(Base):
        pass
"""


@pytest.mark.parametrize(
    ("of_module", "of_class", "expected"),
    [
        ("", "", None),
        ("", "__thread_safe__ = True", True),
        ("__thread_safe__ = True", "", True),
        ("__thread_safe__ = True", "__thread_safe__ = False", False),
        ("__thread_safe__ = 0", "", None),
        ("", "__thread_safe__ = 'no'", None),
        ("", "__thread_safe__ = property(lambda self: True)", None),
        ("__thread_safe__ = True", "__thread_safe__ = None", True),
    ],
)
def test_what_an_adapter_declares_about_threads(boot: Start, of_module: str, of_class: str, expected: Any) -> None:
    host = boot(DECLARED % (of_module, of_class), suffix=":Adapter")
    assert host.ready()["thread_safe"] is expected
    assert host.fork().info["thread_safe"] is expected
