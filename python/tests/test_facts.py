"""What READY and HELLO tell: packages that were imported, and what the adapter says about threads."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from host import Host

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
        ("__thread_safe__ = 0", "", False),
        ("", "__thread_safe__ = 'yes'", True),
        ("__thread_safe__ = True", "__thread_safe__ = None", True),
    ],
)
def test_what_an_adapter_declares_about_threads(boot: Start, of_module: str, of_class: str, expected: Any) -> None:
    host = boot(DECLARED % (of_module, of_class), suffix=":Adapter")
    assert host.ready()["thread_safe"] is expected
    assert host.fork().info["thread_safe"] is expected
