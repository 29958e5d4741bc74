"""Imports one module and says what happened, as marked lines of JSON. Run by `-c` in a process that may die of it.

Arguments: the marker, `import` or `subinterpreter`, the module, and how many seconds a forked process may take.
"""

import sys

if sys.path and sys.path[0] == "":
    del sys.path[0]

import gc
import importlib
import json
import os
import select
import signal
import threading
import time
import warnings


def say(**facts):
    """Prints one line past whatever the module does to `sys.stdout`."""
    os.write(1, ("\n" + sys.argv[1] + json.dumps(facts) + "\n").encode("ascii"))


def die_with_parent():
    """Lets the kernel kill this process with the one that started it, should that be killed itself."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))
    except (ImportError, OSError, AttributeError):
        # Then only the bound on time ends it.
        pass


# Of the process whose fork is tried, while it forks.
FORKED_BY = []


def tie_to_parent():
    """Lets the child of the fork that is tried, which may hang for ever, end with its parent."""
    if FORKED_BY:
        die_with_parent()
        if os.getppid() != FORKED_BY.pop():
            os._exit(0)


def gil_enabled():
    """Whether the GIL is on now."""
    check = getattr(sys, "_is_gil_enabled", None)
    return True if check is None else bool(check())


def threads():
    """The operating system's threads of this process, by number, and their names."""
    found = {}
    for number in os.listdir("/proc/self/task"):
        try:
            with open("/proc/self/task/%s/comm" % number) as stream:
                found[number] = stream.read().strip()
        except OSError:
            # It has just ended.
            continue
    return found


def resident():
    """The memory of this process that is in RAM, in KiB."""
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * (os.sysconf("SC_PAGE_SIZE") // 1024)


def describe(error):
    """An exception on one line."""
    return shorten("%s: %s" % (type(error).__name__, error))


def shorten(text):
    """One line; of a long text its beginning and its end, where some libraries put the cause."""
    text = " ".join(text.split())
    return text if len(text) <= 240 else text[:120] + " ... " + text[-115:]


def try_import(name):
    """Imports the module, and says what that did."""
    gc.collect()
    gil, before, memory = gil_enabled(), threads(), resident()
    started = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            module = importlib.import_module(name)
        except BaseException as error:
            say(failed=describe(error))
            return None
    seconds = time.perf_counter() - started
    about_gil = [str(warning.message) for warning in caught if "GIL" in str(warning.message)]
    after = threads()
    say(
        imported={
            "gil_before": gil,
            "gil_after": gil_enabled(),
            "gil_warning": about_gil[0] if about_gil else None,
            "threads": sorted(after[number] for number in after if number not in before),
            "seconds": seconds,
            "memory_kib": resident() - memory,
        }
    )
    return module


def use_in_child(name):
    """What a worker does first of all: import, allocate, collect garbage, run a thread."""
    dir(importlib.import_module(name))
    gc.collect()
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()


def try_fork(name, limit):
    """Forks, and sees whether the child gets anywhere."""
    reader, writer = os.pipe()
    warnings.simplefilter("ignore")
    FORKED_BY.append(os.getpid())
    child = os.fork()
    if child == 0:
        try:
            use_in_child(name)
            os.write(writer, b"1")
        except BaseException as error:
            os.write(writer, describe(error).encode("utf-8", "replace")[:1000])
        os._exit(0)
    os.close(writer)
    answered = select.select([reader], [], [], limit)[0]
    if not answered:
        os.kill(child, signal.SIGKILL)
    answer = os.read(reader, 1000).decode("utf-8", "replace") if answered else ""
    status = os.waitpid(child, 0)[1]
    if not answered:
        say(fork="hangs")
    elif answer == "1":
        say(fork="works")
    elif answer:
        say(fork={"fails": answer})
    else:
        say(fork={"fails": "ended by signal %d" % (status & 0x7F)})


def try_subinterpreter(name):
    """Imports the module in a sub-interpreter with a GIL of its own, if there are such."""
    try:
        from concurrent import interpreters
    except ImportError:
        return
    interpreter = interpreters.create()
    try:
        interpreter.exec("import sys\nsys.path[:] = %r\nimport %s" % (sys.path, name))
    except interpreters.ExecutionFailed as error:
        # Its text is a whole traceback.
        say(subinterpreter={"fails": shorten(str(error.excinfo.formatted))})
    else:
        say(subinterpreter="works")
    # Not by returning: ending the interpreter would wait for whatever threads the module has started in it.
    os._exit(0)


def main(what, name, limit):
    """Does what is asked for."""
    die_with_parent()
    # First, since the child may hang in what the module registers.
    os.register_at_fork(after_in_child=tie_to_parent)
    if what == "subinterpreter":
        try_subinterpreter(name)
    else:
        module = try_import(name)
        if module is not None:
            version = getattr(module, "__version__", None)
            say(version=version if isinstance(version, str) else None)
            try_fork(name, float(limit))
    # Some modules hang or crash at exit, which workers never get to either.
    os._exit(0)


main(*sys.argv[2:5])
