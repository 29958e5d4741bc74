"""The life of one worker process, from its HELLO to its exit; must not know how it came to be (fork or exec)."""

from __future__ import annotations

import _thread
import gc
import os
import queue
import signal
import socket
import sys
import threading
from typing import Any, Callable, Mapping, NamedTuple, NoReturn, Sequence

from . import _facts, _gil, _limits, _output, _placeholders, _subinterpreter, _telemetry
from ._adapter import Adapter
from ._api import LANES
from ._cancel import Gate
from ._control import Control
from ._drive import Driver
from ._errors import message_of, type_name
from ._events import Events
from ._faults import Faults
from ._frames import Connection
from ._imports import Imports
from ._instance import Instance, setup_failure
from ._lane import Lane
from ._leave import leave, leave_because
from ._order import AdapterError, Order
from ._process import die_with_parent, reset_signals, set_name
from ._sender import PipeLock, Sender
from ._shortage import is_shortage, shortage
from ._threads import LaneThreads, ThreadLane
from ._wire import EXIT_LINK, EXIT_STOPPED, FAILED, HELLO, LinkClosed, ProtocolError, dump_object

_LAST_EVENTS = 0.5
"""Seconds for telling what is left to tell when all calls are done: a host that reads needs a moment."""

_LANE_KINDS = ("main", "thread", "interpreter")
_CHECKS = ("off", "warn", "strict")


class Settings(NamedTuple):
    """What a worker needs to know from the boot process."""

    adapter: Adapter
    order: Order
    order_body: bytes
    commands: bytes
    imports: Imports
    death_signal: bool


def run(settings: Settings, request: dict[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Be the worker. The process leads its session and dies with its parent already."""
    try:
        _Worker(settings, request, descriptors).run()
    except BaseException as error:
        leave_because(error)
    leave(EXIT_STOPPED)


class _Worker:
    def __init__(self, settings: Settings, request: dict[str, Any], descriptors: Sequence[int]) -> None:
        self.settings = settings
        control, output, *lanes = descriptors
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        reset_signals()
        self.limits = request.get("limits")
        _placeholders.choose(request.get("unserialisable") or "error")
        set_name("snakepit:%s" % request.get("worker", ""))
        kind = request.get("lane_kind") or "main"
        if kind not in _LANE_KINDS:
            raise ProtocolError("lane_kind %.100r is not one of %s" % (kind, ", ".join(_LANE_KINDS)))
        self.check_threads = request.get("check_threads") or "off"
        if self.check_threads not in _CHECKS:
            raise ProtocolError("check_threads %.100r is not one of %s" % (self.check_threads, ", ".join(_CHECKS)))
        self.lane_kind = "thread" if kind == "main" and len(lanes) > 1 else kind
        self.sender = Sender(_socket(control))
        self.control = Control(self.sender)
        self.events = Events(self.sender.send, _in_background)
        self.links = [Connection(_socket(lane), settings.order.max_frame) for lane in lanes]
        self.lanes: list[Any] = []
        self.forked = False
        self.pid = os.getpid()

    def run(self) -> None:
        """Set up, say HELLO, serve until stopped, clean up."""
        try:
            _limits.apply(self.limits)
        except AdapterError as error:
            self._refuse(error.error)
        self.faults = Faults(2)
        _reseed()
        gc.enable()
        os.register_at_fork(after_in_child=self._leave_in_copy)
        try:
            self.control.start()
        except RuntimeError as refusal:  # no threads, or no address space for them
            self._fail(refusal)
        _output.ROUTE.sink = self.sender.log
        _telemetry.ROUTE.sink = self.events.put
        if self.lane_kind == "main":
            try:
                self._run_here()
            except LinkClosed as error:
                self._lane_failed(error)
        elif self.lane_kind == "thread":
            self._run_threads()
        else:
            self._run_interpreters()
        self.events.close(_LAST_EVENTS)

    def _run_here(self) -> None:
        # For when nobody nudges. The default is 5 ms, less than 2 ms is for sessions of their own (see `lead_session`).
        sys.setswitchinterval(0.002)
        try:
            gate = Gate()
            signal.signal(signal.SIGINT, gate.on_signal)
            instance = Instance(self.settings.adapter, Driver(gate))
            instance.set_up(first=True)
        except BaseException as error:
            self._fail(error)
        lane = Lane(self.links[0], gate, instance.driver, instance.functions())
        lane.keeper = instance.keeper()
        LANES.sole = lane
        self._begin([lane])
        lane.serve()
        instance.clean_up(last=True)

    def _run_threads(self) -> None:
        signal.signal(signal.SIGINT, _ignore_signal)
        if _gil.enabled():
            _take_turns_often()
        if self.check_threads != "off":
            from ._check_threads import begin  # only who asks for it pays for it

            begin(self.check_threads, self.settings.adapter, self.sender)
        self._module_hook("setup", self.settings.adapter.arguments)
        outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()
        begun = threading.Event()
        lives = [ThreadLane(self.settings.adapter, link, outcomes, begun) for link in self.links]
        threads = LaneThreads(lives, self._lane_failed)
        try:
            threads.start()
        except RuntimeError as refusal:  # this process, or this user, may have no more threads
            self._fail(refusal)
        for _ in lives:
            error = outcomes.get()
            if error is not None:
                self._fail(error)
        self._begin([life.lane for life in lives])
        begun.set()
        threads.join()
        self._module_hook("cleanup", {})

    def _run_interpreters(self) -> None:
        signal.signal(signal.SIGINT, _ignore_signal)
        try:
            lock = PipeLock.create()
            self.sender.share(lock)
            lives = _subinterpreter.lives(self.settings, self.sender.sock.fileno(), lock, self.links)
            threads = LaneThreads(lives, self._lane_failed)
            threads.start()
            elsewhere = [life.wait(len(lives)) for life in lives]
        except AdapterError as error:
            self._refuse(_subinterpreter.explained(error.error))
        except Exception as error:
            self._fail(error)
        self._begin([life.lane for life in lives], elsewhere)
        threads.join()

    def _begin(self, lanes: list[Any], elsewhere: Sequence[Mapping[str, Any]] = ()) -> None:
        # What setup made stays for good: the collector need not look at it again. Not so on free-threaded builds, where
        # freezing writes to every object, of the boot process too: with pandas and 16 lanes it takes 60 ms and 25 MB of
        # private memory per forked worker (20 to 45 MB), for collections of 24 instead of 33 ms.
        if not _gil.FREE_THREADED_BUILD:
            gc.freeze()
        self.lanes = lanes
        notice = _gil.late_notice(self._gil_came_on)
        for lane in self._lanes_here():
            lane.notice = notice
        # Before HELLO: the host may cancel a call as soon as it has read that.
        self.control.serve(lanes)
        threads = [lane.gate.thread for lane in lanes]
        self.sender.send(HELLO, _facts.hello(self.settings, threads, self.lane_kind, elsewhere))

    def _gil_came_on(self, modules: list[str], command: str, ident: int) -> None:
        if self.lane_kind == "thread":
            _take_turns_often()
        self.sender.notice_gil(modules, command, ident)

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
        failure = setup_failure(error)
        self._refuse(shortage(failure, len(self.links)) if is_shortage(error) else failure)

    def _refuse(self, described: dict[str, Any]) -> NoReturn:
        _output.flush()
        self.sender.send(FAILED, dump_object(described))
        os._exit(0)

    def _lane_failed(self, error: BaseException) -> NoReturn:
        if self.forked:  # the copy has only this thread
            leave(EXIT_STOPPED)
        leave_because(error)

    def _lanes_here(self) -> list[Lane]:
        return [lane for lane in self.lanes if isinstance(lane, Lane)]

    def _leave_in_copy(self) -> None:
        """In a process that user code forked: let go of everything that belongs to the worker."""
        if not self.forked and threading.get_ident() in [lane.gate.thread for lane in self._lanes_here()]:
            # The host kills the worker's group, unless it died as well. Only from a thread that lives as long as the
            # worker, as the signal follows the thread; and not for copies of copies, which may want to be daemons.
            die_with_parent(signal.SIGKILL, self.pid)
        self.forked = True
        _output.ROUTE.sink = _telemetry.ROUTE.sink = None
        try:
            self.faults.leave()
            null = os.open(os.devnull, os.O_RDWR)
            for sock in (self.sender.sock, *(link.sock for link in self.links)):
                if sock.fileno() >= 0:
                    os.dup2(null, sock.fileno(), inheritable=False)
            os.close(null)
        except OSError:
            os._exit(EXIT_LINK)  # it must not stay with connections that are not its own
        for lane in self._lanes_here():
            lane.answers.leave_copy = _leave_copy


def _in_background(function: Callable[[], None]) -> None:
    # Not a threading.Thread: user code should neither see nor join it.
    _thread.start_new_thread(function, ())


def _socket(descriptor: int) -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)


def _reseed() -> None:
    # `random` does so by itself. Generators that user code made in the zygote are beyond reach.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _take_turns_often() -> None:
    # The default of 5 ms makes every other lane wait that long for a busy one.
    sys.setswitchinterval(0.0005)


def _ignore_signal(_signum: int, _frame: Any) -> None:
    """SIGINT means something to a lane on the main thread only."""


def _leave_copy(error: BaseException) -> None:
    code = 1
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    else:
        _output.complain("in a forked copy: %s: %s" % (type_name(error), message_of(error)))
    leave(code)
