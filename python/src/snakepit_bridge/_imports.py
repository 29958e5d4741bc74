"""Which packages this process imported for its user; must not import anything itself, nor know connections."""

from __future__ import annotations

import os
import sys
from typing import Any

_MAX_PACKAGES = 500
_BRIDGE = __name__.partition(".")[0]

_STANDARD: Any = getattr(sys, "stdlib_module_names", None)


class Imports:
    """The packages imported since this was made, without the standard library."""

    def __init__(self) -> None:
        self._before = frozenset(sys.modules)
        self._seen = 0
        self._found: dict[str, str | None] = {}

    def packages(self, own: str) -> list[tuple[str, str | None]]:
        """Their names and versions, sorted. `own` is the adapter's module, which is left out with its package."""
        # Asked again in every fork, where looking at each module would cost pages.
        if len(sys.modules) != self._seen:
            self._seen = len(sys.modules)
            skipped = {_BRIDGE, own.partition(".")[0]}
            fresh = [name for name in list(sys.modules) if name not in self._before]
            names = {package_of(name) for name in fresh if name.partition(".")[0] not in skipped}
            for name in names.difference(self._before, self._found):
                module = sys.modules.get(name)
                if module is not None and not _is_standard(name, module) and not _is_namespace(module):
                    self._found[name] = _version(module)
        return sorted(self._found.items())[:_MAX_PACKAGES]


def package_of(name: str) -> str:
    """The package that a module belongs to: its top-level one, or what is inside of that if that is a namespace."""
    top, *inner = name.split(".", 2)[:2]
    return "%s.%s" % (top, inner[0]) if inner and _is_namespace(sys.modules.get(top)) else top


def _is_namespace(module: Any) -> bool:
    """Whether it is nothing but a place for packages of several distributions, as `google` is."""
    spec = getattr(module, "__dict__", {}).get("__spec__")
    places = getattr(spec, "submodule_search_locations", None)
    return places is not None and getattr(spec, "origin", None) is None


def _version(module: Any) -> str | None:
    # Not getattr: some packages compute it on demand, slowly, or with a warning.
    version = getattr(module, "__dict__", {}).get("__version__")
    return version if type(version) is str else None


def _is_standard(name: str, module: Any) -> bool:
    if _STANDARD is not None:
        return name in _STANDARD
    space = getattr(module, "__dict__", {})
    file = space.get("__file__")
    if not isinstance(file, str):
        return name in sys.builtin_module_names or getattr(space.get("__spec__"), "origin", None) == "frozen"
    library = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
    inside = file[len(library) :] if os.path.abspath(file).startswith(library) else "site-packages"
    return not inside.startswith(("site-packages", "dist-packages"))
