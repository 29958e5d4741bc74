"""The life of one worker process, from its HELLO to its exit; must not know how it came to be (fork or exec)."""

from __future__ import annotations

import contextvars
import faulthandler
import gc
import os
import queue
import signal
import socket
import sys
import threading
from typing import Any, NamedTuple, NoReturn, Sequence

from . import _facts, _gil, _output
from ._adapter import Adapter
from ._api import LANES
from ._cancel import Gate, ThreadGate
from ._control import Control
from ._drive import Driver
from ._errors import describe, message_of, type_name
from ._frames import Connection
from ._imports import Imports
from ._instance import Instance
from ._lane import Lane
from ._process import die_with_parent, reset_signals, set_name
from ._wire import EXIT_LINK, EXIT_PROTOCOL, EXIT_STOPPED, FAILED, HELLO, LinkClosed, ProtocolError, dump_object

LANE_KINDS = ("main", "thread")


class Settings(NamedTuple):
    """What a worker needs to know from the boot process."""

    adapter: Adapter
    spec: str
    commands: bytes
    max_frame: int
    imports: Imports
    death_signal: bool


def run(settings: Settings, request: dict[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Be the worker. The process leads its session and dies with its parent already."""
    try:
        _Worker(settings, request, descriptors).run()
    except ProtocolError as error:
        _output.complain("protocol error on a lane: %s" % error)
        _exit(EXIT_PROTOCOL)
    except LinkClosed as error:
        _output.complain("a connection failed: %s" % error)
        _exit(EXIT_LINK)
    except BaseException as error:
        _output.complain("the runtime failed: %s: %s" % (type_name(error), message_of(error)))
        _exit(EXIT_LINK)
    _exit(EXIT_STOPPED)


class _Worker:
    def __init__(self, settings: Settings, request: dict[str, Any], descriptors: Sequence[int]) -> None:
        self.settings = settings
        control, output, *lanes = descriptors
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        reset_signals()
        set_name("snakepit:%s" % request.get("worker", ""))
        self.control = Control(_socket(control))
        self.links = [Connection(_socket(lane), settings.max_frame) for lane in lanes]
        self.lanes: list[Lane] = []
        self.forked = False
        self.pid = os.getpid()
        kind = request.get("lane_kind") or "main"
        if kind not in LANE_KINDS:
            raise ProtocolError("lane_kind %.100r is not one of %s" % (kind, ", ".join(LANE_KINDS)))
        self.lane_kind = "thread" if kind == "main" and len(lanes) > 1 else kind

    def run(self) -> None:
        """Set up, say HELLO, serve until stopped, clean up."""
        _reseed()
        gc.enable()
        faulthandler.enable(2)
        os.register_at_fork(after_in_child=self._leave_in_copy)
        self.control.start()
        _output.ROUTE.sink = self.control.log
        try:
            if self.lane_kind == "main":
                self._run_here()
            else:
                self._run_threads()
        except LinkClosed:
            if self.forked:
                _exit(EXIT_STOPPED)
            raise

    def _run_here(self) -> None:
        gate = Gate()
        signal.signal(signal.SIGINT, gate.on_signal)
        instance = Instance(self.settings.adapter, Driver(gate))
        try:
            instance.set_up(first=True)
        except BaseException as error:
            self._fail(error)
        lane = Lane(self.links[0], gate, instance.driver, instance.functions())
        LANES.sole = lane
        self._begin([lane])
        lane.serve()
        instance.clean_up(last=True)

    def _run_threads(self) -> None:
        signal.signal(signal.SIGINT, _ignore_signal)
        if _gil.enabled():
            # The default of 5 ms makes an idle lane wait that long for a busy one.
            sys.setswitchinterval(0.0005)
        ready: queue.SimpleQueue[Any] = queue.SimpleQueue()
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        begun = threading.Event()
        self._module_hook("setup", self.settings.adapter.arguments)
        for number, link in enumerate(self.links):
            name = "snakepit-lane-%d" % number
            _start_thread(self._run_lane, (number, link, ready, begun, ended), name)
        lanes: dict[int, Lane] = {}
        for _ in self.links:
            number, outcome = ready.get()
            if isinstance(outcome, BaseException):
                self._fail(outcome)
            lanes[number] = outcome
        self._begin([lanes[number] for number in sorted(lanes)])
        begun.set()
        for _ in self.links:
            outcome = ended.get()
            if isinstance(outcome, BaseException):
                raise outcome
        self._module_hook("cleanup", {})

    def _run_lane(self, number: int, link: Connection, ready: Any, begun: threading.Event, ended: Any) -> None:
        gate = ThreadGate()
        instance = Instance(self.settings.adapter, Driver(gate))
        try:
            instance.set_up(first=False)
            lane = Lane(link, gate, instance.driver, instance.functions())
        except BaseException as error:
            ready.put((number, error))
            return
        LANES.by_thread[threading.get_ident()] = lane
        ready.put((number, lane))
        begun.wait()
        try:
            lane.serve()
            instance.clean_up(last=False)
        except BaseException as error:
            if self.forked:  # the copy has only this thread
                _exit(EXIT_STOPPED)
            ended.put(error)
        else:
            ended.put(None)

    def _begin(self, lanes: list[Lane]) -> None:
        # What setup made stays for good: the collector need not look at it again. On free-threaded builds freezing
        # writes to every object, of the boot process too, which a fork would pay for in megabytes.
        if not _gil.FREE_THREADED_BUILD:
            gc.freeze()
        self.lanes = lanes
        notice = _gil.late_notice(self.control.notice_gil)
        for lane in lanes:
            lane.notice = notice
        # Before HELLO: the host may cancel a call as soon as it has read that.
        self.control.serve(lanes)
        self.control.send(HELLO, _facts.hello(self.settings, len(lanes), self.lane_kind))

    def _module_hook(self, name: str, arguments: Any) -> None:
        if self.settings.adapter.owner is None:
            hook = getattr(self.settings.adapter.module, name, None)
            if hook is not None:
                try:
                    Driver(Gate()).complete(hook(**arguments))
                except BaseException as error:
                    if name == "setup":
                        self._fail(error)
                    _output.complain("%s raised %s: %s" % (name, type_name(error), message_of(error)))

    def _fail(self, error: BaseException) -> NoReturn:
        _output.flush()
        hint = "the adapter called sys.exit() in its setup" if isinstance(error, SystemExit) else None
        self.control.send(FAILED, dump_object(describe(error, "setup", hint)))
        os._exit(0)

    def _leave_in_copy(self) -> None:
        """In a process that user code forked: let go of everything that belongs to the worker."""
        if not self.forked and threading.get_ident() in [lane.gate.thread for lane in self.lanes]:
            # The host kills the worker's group, unless it died as well. Only from a thread that lives as long as the
            # worker, as the signal follows the thread; and not for copies of copies, which may want to be daemons.
            die_with_parent(signal.SIGKILL, self.pid)
        self.forked = True
        _output.ROUTE.sink = None
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for sock in (self.control.sock, *(link.sock for link in self.links)):
                if sock.fileno() >= 0:
                    os.dup2(null, sock.fileno(), inheritable=False)
            os.close(null)
        except OSError:
            os._exit(EXIT_LINK)  # it must not stay with connections that are not its own
        for lane in self.lanes:
            lane.answers.leave_copy = _leave_copy


def _socket(descriptor: int) -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)


def _reseed() -> None:
    # `random` does so by itself. Generators that user code made in the zygote are beyond reach.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _start_thread(target: Any, args: Any, name: str) -> None:
    # Free-threaded builds would hand on the context variables of this thread.
    clean: dict[str, Any] = {"context": contextvars.Context()} if sys.version_info >= (3, 14) else {}
    threading.Thread(target=target, args=args, name=name, daemon=True, **clean).start()


def _ignore_signal(_signum: int, _frame: Any) -> None:
    """SIGINT means something to a lane on the main thread only."""


def _leave_copy(error: BaseException) -> None:
    code = 1
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    else:
        _output.complain("in a forked copy: %s: %s" % (type_name(error), message_of(error)))
    _exit(code)


def _exit(status: int) -> NoReturn:
    try:
        _output.flush()
    finally:
        os._exit(status & 0xFF)
