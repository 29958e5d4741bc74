"""Commands that do what no command should."""

import ctypes
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import snakepit_bridge


def echo(value=None):
    return value


def leave(code):
    os._exit(code)


def exit_python(code):
    sys.exit(code)


def crash():
    ctypes.string_at(0)


def kill(number):
    os.kill(os.getpid(), number)
    time.sleep(100)


def hang():
    print("running")
    time.sleep(1000)


def hold_the_gil(seconds):
    print("running")
    ctypes.PyDLL(None).sleep(seconds)


def _sockets():
    for entry in os.listdir("/proc/self/fd"):
        try:
            if os.readlink("/proc/self/fd/" + entry).startswith("socket:"):
                yield int(entry)
        except OSError:
            pass


def junk_everywhere():
    for descriptor in list(_sockets()):
        os.write(descriptor, b"hello, who is this?")
    time.sleep(1000)


def close_everything():
    os.closerange(3, 200)
    time.sleep(1000)


def lane():
    """The lane is the socket that, peeked at, is no control connection: the highest number."""
    return max(_sockets())


def forge(kind, ident, length=2, flags=0, codec=1, magic=0x53, body="[]"):
    for descriptor in list(_sockets()):
        frame = struct.pack("<IBBBBQ", length, kind, flags, codec, magic, ident) + body.encode()
        os.write(descriptor, frame)
    time.sleep(1000)


def shut_down():
    for descriptor in list(_sockets()):
        socket.socket(fileno=os.dup(descriptor)).shutdown(socket.SHUT_WR)
    time.sleep(1000)


def fork_and_return():
    """Both parent and child return; only one of them may answer."""
    pid = os.fork()
    return "child" if pid == 0 else "parent"


def leave_a_fork_behind(code):
    """A copy of this process lives on in a session of its own, with all descriptors."""
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
        os._exit(0)
    os._exit(code)


def start_a_child():
    subprocess.Popen(["sleep", "1000"])


def start_children():
    subprocess.Popen(["sleep", "1000"])
    if os.fork() == 0:
        time.sleep(1000)
    return os.getpid()


def start_children_and_hang():
    start_children()
    print("running")
    time.sleep(1000)


def flood_for_ever():
    lines = b"y\n" * 30_000
    while True:
        os.write(1, lines)


def flood(lines):
    for number in range(lines):
        os.write(1, b"x" * 100 + b"\n")
    return lines


def last_words(code):
    os.write(2, b"these are my last words")
    os._exit(code)


def many_threads():
    for _ in range(20):
        threading.Thread(target=time.sleep, args=(1000,)).start()


def ignore_signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def spin():
    print("running")
    while True:
        pass


def never_lets_go():
    """Keeps the GIL for as long as nothing else makes it step aside."""
    print("running")
    sys.setswitchinterval(3600)
    while True:
        pass


def listen():
    """Ends by itself once it is told that it is cancelled."""
    print("running")
    while not snakepit_bridge.cancelled():
        time.sleep(0.001)
    print("told")


def _deadlock(library):
    """Waits for ever in native code that no signal interrupts."""
    print("running")
    mutex = ctypes.create_string_buffer(64)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


def deadlock():
    """Without the GIL: other threads go on."""
    _deadlock(ctypes.CDLL(None))


def deadlock_with_the_gil():
    _deadlock(ctypes.PyDLL(None))


def deadlock_unseen():
    """The same, where stacks can no more be asked for."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    deadlock_with_the_gil()


def limits():
    limit = resource.getrlimit
    return [limit(resource.RLIMIT_NOFILE)[0], limit(resource.RLIMIT_CORE)[0], limit(resource.RLIMIT_AS)[0]]


def process():
    return os.getpid()


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.002)
    return os.getpid()
