"""Says what a file imports and whether it declares itself thread-safe, without running it. Run by `-I -S -c`.

Arguments: the marker, the file, and the class that is meant, if any. Without a file: the marker, twice nothing, and the
modules that a pool lists.
"""

import ast
import json
import os
import sys

THREADED = "ThreadSafeAdapter"


def imported(tree):
    """The full name of every module imported, wherever in the file; what is imported from one counts as one too."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            # Whether `protobuf` of `from google import protobuf` is a module cannot be seen here.
            names.update("%s.%s" % (node.module, alias.name) for alias in node.names)
    return names


def top(name):
    """The first part of a module's name."""
    return name.partition(".")[0]


def declared(body):
    """What `__thread_safe__` is set to by a list of statements; the last one counts."""
    value = None
    for statement in body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        named = any(isinstance(target, ast.Name) and target.id == "__thread_safe__" for target in targets)
        literal = getattr(statement.value, "value", None)
        if named and isinstance(literal, bool):
            value = literal
    return value


def name_of(node):
    """The last part of the name an expression uses or calls: `tool` of `@snakepit_bridge.tool("name")`."""
    if isinstance(node, ast.Call):
        node = node.func
    return getattr(node, "attr", getattr(node, "id", ""))


class Classes:
    """The classes of a file: which of them the bridge would take for the adapter, and what they declare."""

    def __init__(self, tree):
        self.found = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        self.threaded = set()
        self.names = {"tool": "tool", "BaseAdapter": "BaseAdapter"}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and top(node.module or "") == "snakepit_bridge":
                self.names.update((alias.asname, alias.name) for alias in node.names if alias.asname)
                self.threaded.update(alias.asname or alias.name for alias in node.names if alias.name == THREADED)

    def family(self, name):
        """A class and those it inherits from, as far as they are in this file."""
        family = []
        waiting = [name]
        while waiting:
            name = waiting.pop(0)
            if name in self.found and name not in family:
                family.append(name)
                waiting[:0] = [name_of(base) for base in self.found[name].bases]
        return [self.found[name] for name in family]

    def bases(self, name):
        """The names of all it inherits from, by the bridge's own names for them."""
        bases = [name_of(base) for node in self.family(name) for base in node.bases]
        return [self.names.get(base, base) for base in bases]

    def is_threaded(self, name):
        """Whether it inherits from the bridge's adapter for threads, which declares itself thread-safe."""
        for base in [base for node in self.family(name) for base in node.bases]:
            if name_of(base) in (self.threaded if isinstance(base, ast.Name) else [THREADED]):
                return True
        return False

    def has_tools(self, name):
        """Whether a method is marked as a tool."""
        methods = [node for owner in self.family(name) for node in owner.body]
        marks = [name_of(mark) for method in methods for mark in getattr(method, "decorator_list", [])]
        return any(self.names.get(mark) == "tool" for mark in marks)

    def candidates(self):
        """Those the bridge may take when nobody names one: its only adapter, or its only class with tools.

        A class whose base is defined elsewhere may be either. Without any of them the module is the adapter.
        """
        adapters = [name for name in self.found if "BaseAdapter" in self.bases(name) or self.is_threaded(name)]
        if len(adapters) == 1:
            return adapters
        with_tools = [name for name in self.found if self.has_tools(name)]
        if len(with_tools) == 1:
            return with_tools
        if adapters or with_tools:
            return []
        return [name for name in self.found if any(base not in self.found for base in self.bases(name))]

    def declares(self, name):
        """What a class says, by itself or by what it inherits from."""
        said = [declared(node.body) for node in self.family(name)]
        return next((value for value in said if value is not None), True if self.is_threaded(name) else None)


def thread_safe(tree, wanted):
    """What the adapter says: its class, or else its module. If several may be the adapter, all have to say so."""
    classes = Classes(tree)
    of_module = declared(tree.body)
    said = [classes.declares(name) for name in ([wanted] if wanted else classes.candidates())]
    said = [of_module if value is None else value for value in said] or [of_module]
    if False in said:
        return False
    return None if None in said else True


def is_standard(name):
    """Whether a module comes with Python."""
    known = getattr(sys, "stdlib_module_names", None)
    if known is not None:
        return name in known
    # Before 3.10 nobody lists them; without `site` nothing else is on the path.
    from importlib.util import find_spec

    return name in sys.builtin_module_names or find_spec(name) is not None


def is_beside(name, folder):
    """Whether a module lies beside the file."""
    path = os.path.join(folder, name)
    return os.path.isfile(path + ".py") or os.path.isdir(path)


def main(marker, file, wanted, *modules):
    """Reads the file and prints what it says; or else what `modules` say, which is that they are imported."""
    if not file:
        installed = sorted(name for name in modules if not is_standard(top(name)))
        print(marker + json.dumps({"facts": {"imports": installed, "thread_safe": None}}))
        return
    try:
        with open(file, "rb") as stream:
            tree = ast.parse(stream.read(), file)
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
        print(marker + json.dumps({"error": "%s: %s" % (type(error).__name__, error)}))
        return
    folder = os.path.dirname(os.path.abspath(file))
    names = sorted(name for name in imported(tree) if not is_standard(top(name)) and top(name) != "snakepit_bridge")
    facts = {
        "imports": [name for name in names if not is_beside(top(name), folder)],
        "local_imports": sorted({top(name) for name in names if is_beside(top(name), folder)}),
        "thread_safe": thread_safe(tree, wanted),
    }
    print(marker + json.dumps({"facts": facts}))


main(*sys.argv[1:])
