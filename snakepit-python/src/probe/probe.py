"""Says what this interpreter is, as one marked line of JSON. Run by `-c`; reads on any Python since 2.6.

Arguments: the marker, then the names of distributions to look for.
"""

import sys

# The current folder, which `-c` puts first: nothing in it may stand in for the standard library.
if sys.path and sys.path[0] == "":
    del sys.path[0]

import json
import os
import platform


def gil_enabled():
    """Whether the GIL is on now."""
    check = getattr(sys, "_is_gil_enabled", None)
    return True if check is None else bool(check())


def subinterpreters():
    """Whether the standard library runs code in sub-interpreters: `concurrent.interpreters`, 3.14 and newer."""
    try:
        from importlib.util import find_spec

        return sys.version_info >= (3, 14) and find_spec("_interpreters") is not None
    except (ImportError, ValueError):
        return False


def libc():
    """Name and version of the C library, as far as they can be told."""
    try:
        # Not `platform.libc_ver`, which searches the whole file of the interpreter.
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
        return {"name": name, "version": version}
    except (AttributeError, OSError, ValueError):
        pass
    import sysconfig

    if "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE") or ""):
        return {"name": "musl", "version": ""}
    return None


def installed(names):
    """The versions of those distributions that are installed."""
    try:
        from importlib import metadata
    except ImportError:
        return {}
    found = {}
    for name in names:
        try:
            version = metadata.version(name)
        except Exception:
            # Not installed, or its metadata is broken; neither is a reason to say nothing about the rest.
            continue
        if version:
            found[name] = version
    return found


def absent_folders():
    """Where it would import from, were there such folders: an installer makes the user's own with the first library."""
    folders = list(sys.path)
    try:
        import site

        if site.ENABLE_USER_SITE:
            folders.append(site.getusersitepackages())
    except (ImportError, AttributeError):
        pass
    return [folder for folder in folders if folder and not os.path.exists(folder)]


def main(marker, names):
    """Collects the facts and prints them."""
    import sysconfig

    implementation = platform.python_implementation()
    level = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(sys.version_info[3])
    version = "%d.%d.%d" % sys.version_info[:3] + ("%s%d" % (level, sys.version_info[4]) if level else "")
    base_prefix = getattr(sys, "base_prefix", sys.prefix)
    facts = {
        "version": version,
        "implementation": implementation,
        "free_threaded_build": sysconfig.get_config_var("Py_GIL_DISABLED") == 1,
        "gil_enabled": gil_enabled(),
        "subinterpreters": subinterpreters(),
        "executable": sys.executable or "",
        "prefix": sys.prefix,
        "base_prefix": base_prefix,
        "virtual_environment": sys.prefix != base_prefix,
        "libc": libc(),
        "libraries": installed(names) if sys.version_info >= (3, 8) else {},
        "import_folders": [folder for folder in sys.path if os.path.isdir(folder)],
        "absent_folders": absent_folders(),
    }
    # Past whatever a `sitecustomize` has made of `sys.stdout`.
    os.write(1, ("\n" + marker + json.dumps(facts) + "\n").encode("ascii"))


main(sys.argv[1], sys.argv[2:])
