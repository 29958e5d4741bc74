"""What a chaos run calls: honest work, and every way to be a bad guest. Each command writes down first that it ran."""

import itertools
import os
import signal
import subprocess
import time

#: All that lanes share is a descriptor, to which each writes in one piece.
__thread_safe__ = True

_FAULTS = os.environ["SNAKEPIT_CHAOS_FAULTS"]
_journal = os.open(os.environ["SNAKEPIT_CHAOS_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_fork = os.fork


def setup():
    """Come up slowly, or not at all, when that was ordered."""
    if _ordered("slow"):
        time.sleep(0.5)
    if _ordered("fail"):
        raise RuntimeError("a start that was to fail")


def _ordered(fault):
    """Take one order for a fault, if there is one. Only one process gets each."""
    try:
        names = os.listdir(_FAULTS)
    except OSError:
        return False
    for name in names:
        if name.startswith(fault + "."):
            try:
                os.unlink(os.path.join(_FAULTS, name))
            except OSError:
                continue
            return True
    return False


def _failing_fork():
    """Fork, or fail as a machine without memory or process numbers does, when that was ordered."""
    if _ordered("fork"):
        raise BlockingIOError(11, "a fork that was to fail")
    return _fork()


# What runs forks here is the zygote, which has imported this module.
os.fork = _failing_fork


def _ran(nonce):
    os.write(_journal, nonce.to_bytes(8, "little"))


def quick(nonce):
    """Answer at once."""
    _ran(nonce)
    return nonce


def crunch(nonce, rounds):
    """Do arithmetic."""
    _ran(nonce)
    total = 0
    for number in range(rounds):
        total += number * 7 % 31
    return nonce if total >= 0 else total


def nap(nonce, seconds):
    """Wait in C code, the GIL released."""
    _ran(nonce)
    time.sleep(seconds)
    return nonce


def spin(nonce, seconds):
    """Be busy in Python code."""
    _ran(nonce)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return nonce


def echo(nonce, text):
    """Give everything back."""
    _ran(nonce)
    return [nonce, text]


def fail(nonce):
    """Raise."""
    _ran(nonce)
    raise ValueError("nonce %d" % nonce)


def numbers(nonce, count):
    """Count, each number with the nonce."""
    _ran(nonce)
    for number in range(count):
        yield [nonce, number]


def parent(nonce, seconds):
    """Have a child process, which is to die with this call or with this worker."""
    _ran(nonce)
    child = subprocess.Popen(["sleep", "3600"])
    try:
        time.sleep(seconds)
    finally:
        child.kill()
        child.wait()
    return nonce


def hold(nonce):
    """Hang in C code that neither releases the GIL nor looks for signals."""
    _ran(nonce)
    sum(itertools.repeat(1, 10**13))


def bomb(nonce, mebibytes):
    """Take memory, step by step, and keep it for a while."""
    _ran(nonce)
    taken = []
    for _ in range(mebibytes // 16):
        taken.append(bytearray(b"x" * (16 << 20)))
        time.sleep(0.01)
    time.sleep(0.5)
    return nonce


def segfault(nonce):
    """Crash as native code does."""
    _ran(nonce)
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(1)


def leave(nonce):
    """End the process."""
    _ran(nonce)
    os._exit(3)
