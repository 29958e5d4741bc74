"""Interrupting user code, and nothing but user code, from the control thread; must not know frames or adapters.

A gate stands between one lane and the thread that asks for cancellations. User code runs only while the gate is armed
for its call, so an interruption that comes late finds the gate disarmed and does nothing. Every ordering below is
"write mine, then read theirs" on both sides, so that at least one of the two sees the other.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any, Callable, Mapping, NoReturn, Sequence

from ._api import Cancelled

BEFORE_START = "cancelled before it started"

_MAX_EARLY = 4096

_ASIDE = 0.002
"""Seconds a call lets the control thread go first."""


class Gate:
    """The gate of a lane on the main thread, which SIGINT interrupts.

    Python runs signal handlers in the main thread, between two of its own steps: the handler's checks cannot race.
    """

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.running = 0
        """The call being served, 0 between calls."""
        self.armed = 0
        """The call whose user code may be interrupted at this very moment."""
        self.requested = 0
        """The last call of this lane that was asked to stop."""
        self.raised = 0
        """The last call that was interrupted: once each, so that clean-up code is left in peace."""
        self.told = 0
        """The last call of this lane that was cancelled while it ran, be it that it was told only."""
        self.told_early: dict[int, None] = {}
        """As `early`, with the calls that were told only."""
        self.early: dict[int, None] = {}
        """Cancelled, oldest first: control overtakes the lane. Ids of ended calls, or of other lanes, do no harm."""
        self.task: tuple[int, Callable[[], Any]] | None = None
        """The call of the coroutine in progress and what cancels that; callable from any thread."""
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_out, False)
        os.set_blocking(self._wake_in, False)

    # Lane side.

    def call(self, ident: int, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run user code so that it can be interrupted."""
        try:
            self.armed = ident
            if self.early and ident in self.early:
                self.requested = self.raised = ident
                raise Cancelled(BEFORE_START)
            return function(*args, **kwargs)
        finally:
            self.armed = 0

    def settle(self) -> None:
        """After this, nothing raises `Cancelled` in this thread until the gate is armed again."""
        self.armed = 0

    def is_requested(self, ident: int) -> bool:
        """Whether the call is to be interrupted."""
        return self.requested == ident or ident in self.early

    def is_cancelled(self, ident: int) -> bool:
        """Whether the call is cancelled, be it that it was told or that it is to be interrupted as well."""
        return self.told == ident or ident in self.told_early

    def interrupt_here(self) -> NoReturn:
        """Raise `Cancelled` on the lane's own thread, which counts as the interruption of the call in progress."""
        self.raised = self.running
        raise Cancelled

    def shielded(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run the runtime's own code out of user code's context: interrupted halfway it would corrupt a connection."""
        armed = self.armed
        if not armed:
            return function(*args)
        self._disarm()
        try:
            return function(*args)
        finally:
            self.armed = armed
            if self.requested == armed and self.raised != armed:
                self.raised = armed
                raise Cancelled

    @property
    def wake_descriptor(self) -> int:
        """Readable when a cancellation was asked for since `drain`."""
        return self._wake_in

    def drain(self) -> None:
        """Forget past wake-ups."""
        try:
            os.read(self._wake_in, 512)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Give its descriptors back, when there are no more calls. Workers need not: they leave."""
        os.close(self._wake_in)
        os.close(self._wake_out)

    def _disarm(self) -> None:
        self.armed = 0

    # Control side.

    def tell(self, ident: int) -> None:
        """Tell the call, if it runs here or will, that it is cancelled. It is not interrupted."""
        _remember(self.told_early, ident)
        if self.running == ident:
            self.told = ident
            self.wake()

    def request(self, ident: int) -> None:
        """Ask the call to stop, if it runs here or will."""
        _remember(self.told_early, ident)
        _remember(self.early, ident)
        if self.running == ident:
            self.told = self.requested = ident
            self._interrupt(ident)
            task = self.task
            # Of this call: meanwhile it may have ended, and the next one have begun.
            if task is not None and task[0] == ident and self.raised != ident:
                self.raised = ident
                try:
                    task[1]()
                except RuntimeError:
                    pass  # its loop ended meanwhile
            self.wake()

    def insist(self) -> bool:
        """Interrupt again if that is still to no avail; False when there is no more to do.

        A thread that lets go of the GIL to enter a blocking system call gives the control thread its turn at that very
        moment. A signal sent then arrives just before the system call, which does not notice it and blocks.
        """
        ident = self.requested
        if not ident or self.running != ident or self.raised == ident or self.task is not None:
            return False
        self._interrupt(ident)
        return True

    def wake(self) -> None:
        """Have whoever waits for `wake_descriptor` look again."""
        try:
            os.write(self._wake_out, b"!")
        except OSError:
            pass  # full, hence readable already

    def _interrupt(self, ident: int) -> None:
        signal.pthread_kill(self.thread, signal.SIGINT)

    def on_signal(self, _signum: int, _frame: Any) -> None:
        """The SIGINT handler. A SIGINT that nobody of ours sent changes nothing.

        The host sends one with CANCEL. The thread that hears of that waits for the GIL, and may have to wait long for
        its turn: until it has requested this, which interrupts the sleep, we are out of its way.
        """
        armed = self.armed
        if armed and armed != self.requested:
            time.sleep(_ASIDE)
            armed = self.armed
        if armed and armed == self.requested and armed != self.raised:
            self.raised = armed
            raise Cancelled


class ThreadGate(Gate):
    """The gate of a lane on another thread, which an asynchronous exception interrupts.

    Such an exception is raised at some later step of the thread, so that disarming is not enough: `sending` tells
    whether one may be on its way, and a step of Python code lets it arrive before we go on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sending = False

    def settle(self) -> None:
        while True:
            try:
                self._disarm()
                return
            except Cancelled:
                continue  # the answer is made up already

    def interrupt_here(self) -> NoReturn:
        self.raised = self.running
        self._let_arrive()
        raise Cancelled

    def _disarm(self) -> None:
        self.armed = 0
        self._let_arrive()

    def _let_arrive(self) -> None:
        while self.sending:
            time.sleep(0)
        _step()

    def _interrupt(self, ident: int) -> None:
        self.sending = True
        if self.armed == ident and self.raised != ident:
            self.raised = ident
            _raise_in(self.thread)
        self.sending = False


def _remember(idents: dict[int, None], ident: int) -> None:
    idents[ident] = None
    if len(idents) > _MAX_EARLY:
        del idents[next(iter(idents))]


def _step() -> None:
    """A call and a loop: the interpreter delivers pending exceptions at both."""
    for _ in (1, 2):
        pass


def _load() -> Callable[[int], Any]:
    try:
        import ctypes

        raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        raise_in.argtypes = [ctypes.c_ulong, ctypes.py_object]
        raise_in.restype = ctypes.c_int
    except Exception:  # built without ctypes: the host's deadline kills instead
        return lambda thread: None
    return lambda thread: raise_in(thread, Cancelled)


_raise_in = _load()
