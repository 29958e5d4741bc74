"""Says what a file imports and whether it declares itself thread-safe, without running it. Run by `-I -S -c`.

Arguments: the marker, the file, and the class that is meant, if any.
"""

import ast
import json
import os
import sys


def imported(tree):
    """The first part of the name of every module imported, wherever in the file."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


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


def of_class(node):
    """What a class says, by itself or by being a `ThreadSafeAdapter`."""
    own = declared(node.body)
    if own is not None:
        return own
    bases = [getattr(base, "attr", getattr(base, "id", "")) for base in node.bases]
    return True if "ThreadSafeAdapter" in bases else None


def thread_safe(tree, wanted):
    """What the adapter says: the class that is meant; else one `False` outweighs any `True`."""
    classes = {node.name: of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    said = [classes.get(wanted)] if wanted else list(classes.values())
    said = [value for value in said if value is not None]
    return all(said) if said else declared(tree.body)


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


def main(marker, file, wanted):
    """Reads the file and prints what it says."""
    try:
        with open(file, "rb") as stream:
            tree = ast.parse(stream.read(), file)
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError) as error:
        print(marker + json.dumps({"error": "%s: %s" % (type(error).__name__, error)}))
        return
    folder = os.path.dirname(os.path.abspath(file))
    names = sorted(name for name in imported(tree) if not is_standard(name) and name != "snakepit_bridge")
    facts = {
        "imports": [name for name in names if not is_beside(name, folder)],
        "local_imports": [name for name in names if is_beside(name, folder)],
        "thread_safe": thread_safe(tree, wanted),
    }
    print(marker + json.dumps({"facts": facts}))


main(*sys.argv[1:4])
