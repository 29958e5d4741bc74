"""What Linux offers beyond `os`: death signals, names, pidfds, fork safety; must not know frames or adapters."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_SYS_PIDFD_OPEN = 434  # the same number on every architecture

# jemalloc's helper recovers from a fork by itself. Any other thread would be missing in the child.
_KNOWN_THREADS = frozenset(("jemalloc_bg_thd",))


def _load_libc() -> Any:
    try:
        import ctypes

        # Never find_library: it makes libffi closures, which abort a forked process when it exits.
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
        libc.prctl.restype = ctypes.c_int
        libc.syscall.restype = ctypes.c_long
    except Exception:  # built without ctypes, or another C library
        return None
    return libc


_libc = _load_libc()


def die_with_parent(signum: int, parent: int) -> bool:
    """Have the kernel send `signum` when the parent dies; exit now if it died already. False if impossible."""
    armed = _libc is not None and _libc.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0) == 0
    if os.getppid() != parent:  # the parent died before the signal was armed
        os._exit(0)
    return bool(armed)


def trim_memory() -> None:
    """Give memory that was freed back to the system, where the C library can."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)


def set_name(name: str) -> None:
    """Name the process for `ps` and `top`."""
    if _libc is not None:
        import ctypes

        buffer = ctypes.create_string_buffer(name.encode("utf-8", "replace")[:15])
        _libc.prctl(_PR_SET_NAME, ctypes.addressof(buffer), 0, 0, 0)


def open_pidfd(pid: int) -> int | None:
    """A descriptor for an unreaped child, or None on kernels without them."""
    try:
        if sys.version_info >= (3, 9):
            return os.pidfd_open(pid, 0)
        if _libc is not None:
            descriptor = int(_libc.syscall(_SYS_PIDFD_OPEN, pid, 0))
            if descriptor >= 0:
                os.set_inheritable(descriptor, False)
                return descriptor
    except OSError:
        pass
    return None


def lead_session() -> None:
    """Become the leader of a session, which what is forked from here will share.

    The scheduler divides the processor among sessions (`sched_autogroup`). Had each worker one of its own, a hundred
    busy ones would leave their host a hundredth, and a host that is killed would take a fifth of a second to die.

    Workers of several lanes are few, and do have their own. A lane that keeps the GIL has all others wait for it in
    naps of a switch interval. Where one session is busy on every processor while something in it naps for 1 ms
    or less, Linux 6.18 lets other sessions starve for seconds, that of the host too; a process with a GIL is busy on
    one.
    """
    try:
        # Whoever leads a group cannot lead a session before it is a member of another group.
        os.setpgid(0, os.getpgid(os.getppid()))
        os.setsid()
    except OSError:  # leads one already, or the parent is in another
        lead_group()


def lead_group() -> None:
    """Become the leader of a process group."""
    try:
        os.setpgid(0, 0)
    except OSError:  # leads a session
        pass


def kill_own_group() -> None:
    """SIGKILL everything this worker started, and itself."""
    try:
        if os.getpgrp() == os.getpid():  # else the group is somebody else's
            os.killpg(0, signal.SIGKILL)
    finally:
        os.kill(os.getpid(), signal.SIGKILL)


def kill_group(pid: int) -> None:
    """SIGKILL the group a child leads. Only safe while the child is not reaped."""
    for kill in (os.killpg, os.kill):  # the child may not lead its group yet
        try:
            kill(pid, signal.SIGKILL)
        except OSError:
            pass


def reset_signals() -> None:
    """Undo what a zygote, or an import, did to signals. SIGPIPE stays ignored, as Python has it."""
    signal.set_wakeup_fd(-1)
    for name in ("SIGCHLD", "SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def unknown_threads() -> list[str]:
    """Names of native threads that would not survive a fork."""
    own = str(os.getpid())
    names = []
    try:
        tasks = os.listdir("/proc/self/task")
    except OSError:
        return []
    for task in tasks:
        if task == own:
            continue
        try:
            with open("/proc/self/task/%s/comm" % task, "rb") as comm:
                name = comm.read().decode("utf-8", "replace").strip()
        except OSError:  # ended meanwhile
            continue
        if name not in _KNOWN_THREADS:
            names.append(name)
    return names


def fork_hazard() -> tuple[str, list[str]] | None:
    """Why this process must not fork now, with the threads to blame; None if it may."""
    threads = unknown_threads()
    if threads:
        return "threads started by an import would be missing in the worker: %s" % ", ".join(
            sorted(set(threads))
        ), threads
    torch = sys.modules.get("torch")
    try:
        if torch is not None and torch.cuda.is_initialized():
            return "CUDA was initialised by an import and cannot be used after a fork", []
    except Exception:
        pass  # a torch without CUDA
    device = _open_gpu()
    if device is not None:
        return "an import opened %s, which cannot be shared after a fork" % device, []
    return None


def _open_gpu() -> str | None:
    try:
        descriptors = os.listdir("/proc/self/fd")
    except OSError:
        return None
    for descriptor in descriptors:
        try:
            target = os.readlink("/proc/self/fd/" + descriptor)
        except OSError:
            continue
        if target.startswith("/dev/nvidia"):
            return target
    return None
