"""The boot process: import once, then fork workers or become one; must not know what workers do."""

from __future__ import annotations

import faulthandler
import gc
import os
import select
import signal
import socket
import sys
import warnings
from typing import Any, NoReturn, Sequence

from . import _facts, _output, _worker
from ._adapter import Adapter, AdapterError, load
from ._errors import error_of
from ._frames import DescriptorLink, close_all
from ._process import (
    die_with_parent,
    fork_hazard,
    kill_group,
    lead_session,
    open_pidfd,
    unknown_threads,
)
from ._values import Unusable, decode
from ._wire import (
    BECOME,
    BOOT,
    EXIT_LINK,
    EXIT_PROTOCOL,
    EXIT_STOPPED,
    EXITED,
    FAILED,
    FORK,
    FORKED,
    PROTOCOL,
    READY,
    REFUSED,
    LinkClosed,
    ProtocolError,
    dump_object,
    load_object,
)


def main() -> NoReturn:
    """Run the boot process on descriptor 0. Never returns."""
    try:
        link = DescriptorLink(_take_link())
        try:
            _Boot(link).run()
        except AdapterError as failure:
            _output.flush()
            link.send(FAILED, 0, dump_object(failure.error))
    except ProtocolError as error:
        _output.complain("protocol error on the boot link: %s" % error)
        os._exit(EXIT_PROTOCOL)
    except (LinkClosed, OSError) as error:
        _output.complain("the boot link failed: %s" % error)
        os._exit(EXIT_LINK)
    os._exit(EXIT_STOPPED)


class _Boot:
    def __init__(self, link: DescriptorLink) -> None:
        self.link = link
        self.children: dict[int, int] = {}
        self.order: dict[str, Any] = {}
        self.settings: _worker.Settings | None = None
        self.wakeup: Sequence[socket.socket] = ()

    def run(self) -> None:
        first = self.link.read()
        if first is None:
            return
        kind, _ident, body, descriptors = first
        close_all(descriptors)
        if kind != BOOT:
            raise ProtocolError("frame of kind %d before BOOT" % kind)
        self.order = order = _order(body)
        if order.get("protocol") != PROTOCOL:
            message = "the host speaks protocol %r, this bridge speaks %d" % (order.get("protocol"), PROTOCOL)
            raise AdapterError(error_of("interpreter", message))
        self.link.max_frame = order["max_frame"]
        die_with_parent(signal.SIGTERM, order["parent"])
        # Ctrl-C reaches the whole foreground group; the host decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        faulthandler.enable(2)
        _output.install(order["log_level"])
        adapter = self._import(order)
        commands = dump_object({"commands": [command.public() for command in adapter.commands]})
        commands = commands[len(b'{"commands":') : -1]
        self.settings = _worker.Settings(adapter, order["adapter"], commands, order["max_frame"], False)
        self._catch_signals()
        _output.flush()
        # Collected, then frozen: a collection in a child would otherwise write to every page it shares.
        gc.collect()
        gc.freeze()
        self.link.send(READY, 0, _facts.ready(commands, unknown_threads()))
        self._loop()

    def _import(self, order: dict[str, Any]) -> Adapter:
        gc.disable()
        set_lazy_imports = getattr(sys, "set_lazy_imports", None)
        if set_lazy_imports is not None:
            set_lazy_imports("none")  # a deferred import would be paid by each worker on its own
        _facts.watch_gil()
        adapter = load(order["adapter"], order["paths"], order["preload"], order["arguments"])
        if any(command.is_async for command in adapter.commands):
            import asyncio  # noqa: F401 - the workers will need it
        return adapter

    def _catch_signals(self) -> None:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self.wakeup = (reader, writer)
        for signum in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(signum, _noted)  # a Python handler has to exist for the wakeup descriptor to be written
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def _loop(self) -> None:
        poll = select.poll()
        link, reader = self.link.sock.fileno(), self.wakeup[0].fileno()
        poll.register(link, select.POLLIN)
        poll.register(reader, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if reader in ready:
                if signal.SIGTERM in self._signals():
                    self._end_children()
                    return
                self._reap()
            if link in ready:
                try:
                    frame = self.link.read()
                except (LinkClosed, ProtocolError):
                    self._end_children()
                    raise
                if frame is None:
                    self._end_children()
                    return
                self._obey(*frame)

    def _signals(self) -> bytes:
        try:
            return self.wakeup[0].recv(4096)
        except BlockingIOError:
            return b""

    def _obey(self, kind: int, ident: int, body: bytes, descriptors: list[int]) -> None:
        try:
            if kind not in (FORK, BECOME) or (kind == BECOME and self.children):
                raise ProtocolError("frame of kind %d out of order" % kind)
            request = load_object(body)
            lanes = request.get("lanes", 1)
            if type(lanes) is not int or lanes < 1 or len(descriptors) != 2 + lanes:
                raise ProtocolError("%d descriptors for %r lanes" % (len(descriptors), lanes))
        except ProtocolError:
            close_all(descriptors)
            self._end_children()
            raise
        if kind == BECOME:
            self._start_worker(request, descriptors, self.order["parent"])
        hazard = fork_hazard()
        if hazard is not None:
            close_all(descriptors)
            self.link.send(REFUSED, ident, dump_object({"reason": hazard[0], "threads": hazard[1]}))
            return
        self._fork(ident, request, descriptors)

    def _fork(self, ident: int, request: dict[str, Any], descriptors: list[int]) -> None:
        _output.flush()
        own = os.getpid()
        with warnings.catch_warnings():
            # The threads that are left were judged harmless.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                pid = os.fork()
            except OSError as error:
                close_all(descriptors)
                self.link.send(REFUSED, ident, dump_object({"reason": "fork failed: %s" % error, "threads": []}))
                return
        if pid == 0:
            try:
                self._start_worker(request, descriptors, own)
            finally:
                os._exit(EXIT_LINK)  # a child must never come back into the loop of its parent
        close_all(descriptors)
        # Not reaped yet, so the pid cannot be somebody else's.
        pidfd = open_pidfd(pid)
        self.children[pid] = ident
        try:
            self.link.send(FORKED, ident, dump_object({"pid": pid}), pidfd)
        finally:
            if pidfd is not None:
                os.close(pidfd)

    def _start_worker(self, request: dict[str, Any], descriptors: list[int], parent: int) -> NoReturn:
        assert self.settings is not None
        lead_session()
        death_signal = die_with_parent(signal.SIGKILL, parent)
        self.children.clear()
        signal.set_wakeup_fd(-1)
        for sock in (self.link.sock, *self.wakeup):
            sock.close()
        _worker.run(self.settings._replace(death_signal=death_signal), request, descriptors)

    def _reap(self) -> None:
        """Bury the dead, each only after the processes it left behind."""
        while self.children:
            found = _next_dead()
            if found is None:
                return
            if found in self.children:
                self._bury(found)
                continue
            # A child of user code, which will wait for it itself: it hides ours from the general question.
            for pid in list(self.children):
                if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                    self._bury(pid)
            return

    def _bury(self, pid: int) -> None:
        kill_group(pid)
        ended = os.waitid(os.P_PID, pid, os.WEXITED)
        ident = self.children.pop(pid)
        how = "code" if ended is None or ended.si_code == os.CLD_EXITED else "signal"
        status = 0 if ended is None else ended.si_status
        self.link.send(EXITED, ident, dump_object({"pid": pid, how: status}))

    def _end_children(self) -> None:
        for pid in self.children:
            kill_group(pid)


def _take_link() -> socket.socket:
    """Move the link off descriptor 0, where user code expects standard input."""
    descriptor = os.dup(0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)


def _order(body: bytes) -> dict[str, Any]:
    try:
        order = decode(memoryview(body), 0, True)
    except Unusable as error:
        raise AdapterError(error_of("adapter_invalid", "the arguments cannot be used in Python: %s" % error)) from None
    if type(order) is not dict:
        raise ProtocolError("BOOT is not an object")
    for name, default in (
        ("arguments", {}),
        ("preload", []),
        ("paths", []),
        ("log_level", "INFO"),
        ("max_frame", 64 * 1024 * 1024),
    ):
        if order.get(name) is None:
            order[name] = default
        elif type(order[name]) is not type(default):
            raise ProtocolError("%s of BOOT is a %s" % (name, type(order[name]).__name__))
    if type(order.get("adapter")) is not str or type(order.get("parent")) is not int:
        raise ProtocolError("BOOT without adapter or parent")
    return order


def _next_dead() -> int | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid


def _noted(_signum: int, _frame: Any) -> None:
    """The wakeup descriptor says the rest."""
