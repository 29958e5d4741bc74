"""Which packages this process imported for its user; must not import anything itself, nor know connections."""

from __future__ import annotations

import os
import sys
from typing import Any

_MAX_PACKAGES = 500
_BRIDGE = __name__.partition(".")[0]

_STANDARD: Any = getattr(sys, "stdlib_module_names", None)


class Imports:
    """The top-level packages imported since this was made, without the standard library."""

    def __init__(self) -> None:
        self._before = frozenset(sys.modules)
        self._seen = 0
        self._found: dict[str, str | None] = {}

    def packages(self, own: str) -> list[tuple[str, str | None]]:
        """Their names and versions, sorted. `own` is the adapter's module, which is left out with its package."""
        # Asked again in every fork, where looking at each module would cost pages.
        if len(sys.modules) != self._seen:
            self._seen = len(sys.modules)
            names = {name.partition(".")[0] for name in list(sys.modules) if name not in self._before}
            skipped = {_BRIDGE, own.partition(".")[0]}
            for name in names.difference(self._before, self._found, skipped):
                module = sys.modules.get(name)
                if module is not None and not _is_standard(name, module):
                    self._found[name] = _version(module)
        return sorted(self._found.items())[:_MAX_PACKAGES]


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
