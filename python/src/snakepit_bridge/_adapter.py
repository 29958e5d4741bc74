"""Finding and importing an adapter; must not know connections, calls or forking."""

from __future__ import annotations

import difflib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, Mapping, NamedTuple, Sequence

from ._annotations import signature_of
from ._commands import Command, NotDefined, class_commands, module_commands, pick_class
from ._errors import describe, error_of
from ._modules import gathered, is_public
from ._order import AdapterError, Spec

_TOOL_HINT = "decorate methods with @tool (from snakepit_bridge import tool), or write public module functions"


class Adapter(NamedTuple):
    """An imported adapter: either a class, of which each lane makes an instance, or a module of functions.

    Of modules that a pool lists, `module` is one that was made of their functions.
    """

    module: ModuleType
    owner: type | None
    commands: list[Command]
    arguments: Mapping[str, Any]


def arrange_paths(spec: Spec, paths: Sequence[str]) -> None:
    """Make `sys.path` and `sys.argv` what `python file.py` or `python -m module` would have made them."""
    location = _split(spec)[0] if isinstance(spec, str) else ""
    is_file = _is_file(location)
    # The bridge itself goes last: it must shadow nothing.
    first = [os.path.dirname(os.path.abspath(location))] if is_file else [os.getcwd()]
    own = sys.path[:1]
    sys.path[:] = [*first, *paths, *sys.path[1:], *own] if is_file else [*paths, *first, *sys.path[1:], *own]
    sys.argv[:] = [location]


def load(spec: Spec, preload: Sequence[str], arguments: Mapping[str, Any]) -> Adapter:
    """Import `preload` and the adapter `spec` names. Raises `AdapterError`."""
    for name in preload:
        _import(name, "preload module")
    if not isinstance(spec, str):
        return _load_modules(spec, arguments)
    location, class_name = _split(spec)
    module, class_name = _adapter_module(location, class_name)
    owner = _named_class(module, class_name, location) if class_name else pick_class(module)
    return present(module, owner, location, arguments)


def present(module: ModuleType, owner: type | None, location: str, arguments: Mapping[str, Any]) -> Adapter:
    """The adapter that an imported module, or a class of it, is. Raises `AdapterError`."""
    if owner is not None:
        commands = class_commands(owner)
        subject: Any = owner
    else:
        commands = _checked(module_commands, module, location)
        subject = getattr(module, "setup", None)
    if not commands and not hasattr(owner, "execute_tool"):
        raise _invalid("%s offers no command" % _called(location, owner), _hint(location, module))
    _check_arguments(location, owner, subject, arguments)
    return Adapter(module, owner, commands, arguments)


def _load_modules(names: Sequence[str], arguments: Mapping[str, Any]) -> Adapter:
    if not names:
        raise _invalid("the list of modules is empty", "name at least one module, such as math")
    if arguments:
        given = ", ".join(map(str, arguments))
        raise _invalid(
            "modules take no arguments (%s)" % given, "remove adapter_args, or write an adapter with a setup"
        )
    for name in names:
        if not is_public(name):
            raise _invalid("%r is not the name of a public module" % name, "a module is named as `import` names it")
    modules = {name: _import(name, "module") for name in names}
    try:
        whole, commands = gathered(modules)
    except LookupError as error:
        raise _invalid(
            "the module %r offers no function" % error.args[0],
            "functions that `__all__` names are commands, without it public ones; classes never are",
        ) from None
    return Adapter(whole, None, commands, {})


def resolved(spec: Spec, adapter: Adapter) -> Spec:
    """The spec of an adapter that is loaded, independent of the current directory."""
    if not isinstance(spec, str):
        return spec
    location, class_name = _split(spec)
    if not _is_file(location):
        return spec
    path = os.path.abspath(str(adapter.module.__file__))
    return path if class_name is None else "%s:%s" % (path, class_name)


def declared_thread_safe(adapter: Adapter) -> bool | None:
    """What the adapter says about sharing it between threads: its class, or else its module. None if nothing.

    Only True and False say something: a text such as "no" is true to Python and was hardly meant so.
    """
    for subject in (adapter.owner, adapter.module):
        try:
            declared = getattr(subject, "__thread_safe__", None)
        except Exception:  # a property of a metaclass
            declared = None
        if declared is True or declared is False:
            return declared
    return None


def _split(spec: str) -> Any:
    location, colon, class_name = spec.rpartition(":")
    if colon and class_name.isidentifier():
        return location, class_name
    return spec, None


def _is_file(location: str) -> bool:
    return location.endswith(".py") or "/" in location


def _import(name: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and _is_prefix(error.name, name):
            hint = "is it installed for %s?" % sys.executable
            if what == "adapter module":
                hint += " A file is named by its path: './%s.py'" % name.replace(".", "/")
            raise AdapterError(
                error_of(
                    "adapter_import" if what == "preload module" else "adapter_not_found",
                    "there is no %s %r; looked in %s"
                    % (what, name, ", ".join(map(repr, dict.fromkeys(sys.path[:-1])))),
                    hint,
                )
            ) from None
        told = _import_hint(error) or ("it was raised while %r was imported" % name if what == "module" else None)
        raise AdapterError(describe(error, "adapter_import", told)) from None


def _adapter_module(location: str, class_name: str | None) -> tuple[ModuleType, str | None]:
    """The module, and the class if one is named: also as the original does, `package.module.Class`."""
    if _is_file(location):
        return _import_file(location), class_name
    try:
        return _import(location, "adapter module"), class_name
    except AdapterError as failure:
        parent, _, last = location.rpartition(".")
        if class_name is not None or not parent or failure.error["kind"] != "adapter_not_found":
            raise
        module = sys.modules.get(parent)  # importing `a.b.C` has imported `a.b`, if that exists
        if not isinstance(getattr(module, last, None), type):
            raise
        return sys.modules[parent], last


def _is_prefix(missing: str | None, name: str) -> bool:
    """Whether it is the module itself or its package that is missing, rather than something it imports."""
    return missing is not None and (name == missing or name.startswith(missing + "."))


def _import_file(location: str) -> ModuleType:
    path = os.path.abspath(location)
    if not os.path.isfile(path):
        raise AdapterError(error_of("adapter_not_found", "there is no file %r" % path, _near_file(path)))
    name = os.path.splitext(os.path.basename(path))[0]
    existing = sys.modules.get(name)
    if existing is not None:
        origin = getattr(existing, "__file__", None)
        if origin is not None and os.path.abspath(origin) == path:
            return existing  # a preload imported it
        # A file called random.py: the adapter must not replace what others have imported under that name.
        name = "snakepit_adapter_" + name
    loader = importlib.machinery.SourceFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None:
        raise AdapterError(error_of("adapter_not_found", "%r is not a Python file" % path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException as error:
        raise AdapterError(describe(error, "adapter_import", _import_hint(error))) from None
    return module


def _near_file(path: str) -> str:
    folder, name = os.path.split(path)
    try:
        files = [each for each in os.listdir(folder) if each.endswith(".py")]
    except OSError:
        return "there is no folder %r either" % folder
    near = difflib.get_close_matches(name, files, 1)
    if near:
        return "did you mean %r?" % os.path.join(folder, near[0])
    return "is the path right? A relative one begins where snakepit was started, or at the configuration's folder"


def _import_hint(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError):
        return "install it for %s, or point the pool at the interpreter that has it" % sys.executable
    if isinstance(error, SystemExit):
        return "the module called sys.exit() while it was imported"
    return None


def _named_class(module: ModuleType, name: str, location: str) -> type:
    found = getattr(module, name, None)
    if found is None:
        classes = _own_classes(module)
        near = difflib.get_close_matches(name, classes, 1)
        message = "%s has no class %s" % (location, name) + ("; did you mean %s?" % near[0] if near else "")
        hint = "its classes: " + ", ".join(classes) if classes else "it has no classes at all"
        raise AdapterError(error_of("adapter_not_found", message, hint))
    if not isinstance(found, type):
        raise _invalid("%s:%s is not a class" % (location, name), "name a class, or only the module")
    return found


def _called(location: str, owner: type | None) -> str:
    return location if owner is None else "class %s of %s" % (owner.__name__, location)


def _own_classes(module: ModuleType) -> list[str]:
    """The names of classes the module defines, and did not import."""
    members = vars(module).items()
    return sorted(key for key, value in members if isinstance(value, type) and value.__module__ == module.__name__)


def _hint(location: str, module: ModuleType) -> str:
    classes = _own_classes(module)
    if len(classes) > 1:
        return "name one of its classes, as in `%s:%s` (it has %s); or %s" % (
            os.path.basename(location),
            classes[0],
            ", ".join(classes),
            _TOOL_HINT,
        )
    return _TOOL_HINT


def _invalid(message: str, hint: str) -> AdapterError:
    return AdapterError(error_of("adapter_invalid", message, hint))


def _checked(function: Any, module: ModuleType, location: str) -> list[Command]:
    try:
        commands: list[Command] = function(module)
    except NotDefined as error:
        raise _invalid("%s: %s" % (location, error), "correct __all__") from None
    return commands


def _check_arguments(location: str, owner: type | None, subject: Any, arguments: Mapping[str, Any]) -> None:
    """Find a constructor that does not fit now, once, rather than in every worker."""
    if subject is None:
        if arguments:
            raise _invalid(
                "%s was given arguments (%s) but is a plain module" % (location, ", ".join(map(str, arguments))),
                "define setup(%s) in it, or use a class" % ", ".join(map(str, arguments)),
            )
        return
    signature = signature_of(subject)
    if signature is None:
        return  # written in C: it will tell by itself
    try:
        signature.bind(**arguments)
    except TypeError as error:
        name = "setup" if owner is None else owner.__name__
        given = ", ".join(map(str, arguments)) or "none"
        raise _invalid(
            "%s%s does not fit the arguments (%s): %s" % (name, signature, given, error),
            "the pool's adapter_args are the keyword arguments of the constructor",
        ) from None
