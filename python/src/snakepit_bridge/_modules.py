"""Modules that a pool lists by name, made one adapter of; must not know how they are imported, connections or calls.

What may be called is settled here, once: a call looks its name up in a table, and walks no attributes.
"""

from __future__ import annotations

import inspect
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Iterable, Mapping

from ._api import ToolInfo
from ._commands import Command, command_of, mark_of


def gathered(modules: Mapping[str, ModuleType]) -> tuple[ModuleType, list[Command]]:
    """A module that has the public functions of `modules` as `name.function`, and their commands.

    It has nothing else, hence no `setup` or other hooks: a function of that name is a function like any other. It says
    of threads what all of `modules` say. Raises LookupError for one that offers no function.
    """
    whole = ModuleType("snakepit_modules")
    commands = []
    for name, module in modules.items():
        lax = vars(module).get("__snakepit_validate__", True) is False
        found = [_offered("%s.%s" % (name, each), value, lax, whole) for each, value in _public(module)]
        if not found:
            raise LookupError(name)
        commands.extend(found)
    said = {_thread_safe(module) for module in modules.values()}
    vars(whole)["__thread_safe__"] = False if False in said else (None if None in said else True)
    return whole, commands


def is_public(name: str) -> bool:
    """Whether this can be the name of a module that is meant for others."""
    return all(part.isidentifier() and not part.startswith("_") for part in name.split("."))


def _offered(name: str, function: Any, lax: bool, whole: ModuleType) -> Command:
    setattr(whole, name, function)
    mark = mark_of(function) or ToolInfo()
    # There may be hundreds, and each worker tells the host of all: what is said of parameters is most of it.
    return command_of(name, mark._replace(name=None, validate=mark.validate and not lax), whole, brief=True)


def _public(module: ModuleType) -> Iterable[tuple[str, Any]]:
    """The functions `__all__` names, or else the public ones that are the module's own. Never classes."""
    # Not getattr: a module's `__getattr__` may do anything for a name it does not know.
    listed = vars(module).get("__all__")
    names = list(vars(module)) if listed is None else list(dict.fromkeys(listed))
    for name in names:
        if not isinstance(name, str) or name.startswith("_"):
            continue
        try:
            if name not in vars(module) and _is_submodule(name, module):
                continue  # importing it may take long
            value = getattr(module, name)  # may be made on demand, and `__all__` may name what is not there
        except (Exception, SystemExit):
            continue
        if callable(value) and not isinstance(value, type) and (listed is not None or _is_own(value, module)):
            yield name, value


def _is_submodule(name: str, module: ModuleType) -> bool:
    return hasattr(module, "__path__") and find_spec("%s.%s" % (module.__name__, name)) is not None


def _is_own(value: Any, module: ModuleType) -> bool:
    """Whether it was defined by the module, below it, or in the private module written in C that it fronts."""
    if not (inspect.isroutine(value) or hasattr(value, "__wrapped__")):
        return False
    origin = getattr(value, "__module__", None)
    if not isinstance(origin, str):
        return False
    package, _, last = module.__name__.rpartition(".")
    fronted = "%s._%s" % (package, last) if package else "_" + last
    return origin in (module.__name__, fronted) or origin.startswith(module.__name__ + ".")


def _thread_safe(module: ModuleType) -> bool | None:
    declared = vars(module).get("__thread_safe__")
    return declared if declared is True or declared is False else None
