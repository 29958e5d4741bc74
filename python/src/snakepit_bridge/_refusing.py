"""Which extension modules of this process refuse to load in a sub-interpreter; must not know adapters."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.machinery import ExtensionFileLoader

from ._imports import package_of


def refusing_modules() -> dict[str, list[str]]:
    """The extension modules beyond the standard library that refuse, by package, in the order of import."""
    candidates: dict[str, str] = {}  # names by path: Cython enters some a second time
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        loader = getattr(spec, "loader", None)
        if spec is not None and isinstance(loader, ExtensionFileLoader) and not _is_standard(spec.name):
            candidates[loader.path] = spec.name
    if not candidates:
        return {}
    throwaway = import_module("concurrent.interpreters").create()
    throwaway.prepare_main(candidates=json.dumps(candidates))
    throwaway.exec(_TRY)
    refused = json.loads(throwaway.call(eval, "json.dumps(refused)"))
    found: dict[str, list[str]] = {}
    for name in refused:
        found.setdefault(package_of(name), []).append(name)
    return found


# Each is created, which is where it refuses, and not executed: its package, in Python, would fail over the first one.
_TRY = """
import importlib.util, json
refused = []
for origin, name in json.loads(candidates).items():
    spec = importlib.util.spec_from_file_location(name, origin)
    try:
        spec.loader.create_module(spec)
    except ImportError:
        refused.append(name)
    except Exception:
        pass  # that is something else than to refuse
"""


def _is_standard(name: str) -> bool:
    return sys.version_info >= (3, 10) and name.partition(".")[0] in sys.stdlib_module_names
