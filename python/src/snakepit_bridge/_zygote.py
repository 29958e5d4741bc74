"""The boot process once it is READY: fork workers, bury them, or become one; must not know adapters or calls."""

from __future__ import annotations

import os
import select
import signal
import socket
import warnings
from typing import Any, NoReturn

from . import _output
from ._errors import message_of, type_name
from ._frames import DescriptorLink, close_all
from ._process import die_with_parent, fork_hazard, kill_group, lead_group, lead_session, open_pidfd
from ._wire import BECOME, EXIT_LINK, EXITED, FORK, FORKED, REFUSED, ProtocolError, dump_object, load_object
from ._worker import Settings, run


class Zygote:
    """Holds the descriptors of at most one worker at a time, between its FORK and the fork."""

    def __init__(self, link: DescriptorLink, settings: Settings, parent: int) -> None:
        self.link = link
        self.settings = settings
        self.parent = parent
        self.children: dict[int, int] = {}
        """Launch ids by pid, of children that are not reaped."""
        self.wakeup = socket.socketpair()
        self._catch_signals()

    def _catch_signals(self) -> None:
        reader, writer = self.wakeup
        reader.setblocking(False)
        writer.setblocking(False)
        for signum in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(signum, _noted)  # a handler has to exist for the wakeup descriptor to be written
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        """Obey until the link ends. Raises `LinkClosed` or `ProtocolError`, with no child left."""
        try:
            self._loop()
        finally:
            for pid in self.children:
                kill_group(pid)

    def _loop(self) -> None:
        poll = select.poll()
        link, reader = self.link.sock.fileno(), self.wakeup[0].fileno()
        poll.register(link, select.POLLIN)
        poll.register(reader, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if reader in ready:
                if signal.SIGTERM in self._signals():
                    return
                self._reap()
            if link in ready:
                frame = self.link.read()
                if frame is None:
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
            raise
        if kind == BECOME:
            self._start_worker(request, descriptors, self.parent)
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
            except BaseException as error:
                _output.complain("the worker could not start: %s: %s" % (type_name(error), message_of(error)))
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
        if request.get("lanes", 1) > 1:
            lead_session()
        else:
            lead_group()
        death_signal = die_with_parent(signal.SIGKILL, parent)
        self.children.clear()
        signal.set_wakeup_fd(-1)
        for sock in (self.link.sock, *self.wakeup):
            sock.close()
        run(self.settings._replace(death_signal=death_signal), request, descriptors)

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


def _next_dead() -> int | None:
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid


def _noted(_signum: int, _frame: Any) -> None:
    """The wakeup descriptor says the rest."""
