"""The boot process until it is READY: take the order, import the adapter; must not know what workers do."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import socket
import sys
from typing import NoReturn

from . import _facts, _gil, _output
from ._adapter import Adapter, arrange_paths, load
from ._commands import told
from ._errors import error_of, message_of, type_name
from ._frames import DescriptorLink, close_all
from ._imports import Imports
from ._order import AdapterError, Order, parse_order
from ._process import die_with_parent, lead_session, unknown_threads
from ._wire import (
    BOOT,
    EXIT_LINK,
    EXIT_PROTOCOL,
    EXIT_STOPPED,
    FAILED,
    READY,
    LinkClosed,
    ProtocolError,
    dump_object,
)
from ._worker import Settings
from ._zygote import Zygote


def main() -> NoReturn:
    """Run the boot process on descriptor 0. Never returns."""
    try:
        link = DescriptorLink(_take_link())
        try:
            _run(link)
        except AdapterError as failure:
            _output.flush()
            link.send(FAILED, 0, dump_object(failure.error))
    except ProtocolError as error:
        _output.complain("protocol error on the boot link: %s" % error)
        os._exit(EXIT_PROTOCOL)
    except (LinkClosed, OSError) as error:
        _output.complain("the boot link failed: %s" % error)
        os._exit(EXIT_LINK)
    except BaseException as error:
        _output.complain("the runtime failed: %s: %s" % (type_name(error), message_of(error)))
        os._exit(EXIT_LINK)
    os._exit(EXIT_STOPPED)


def _run(link: DescriptorLink) -> None:
    first = link.read()
    if first is None:
        return
    kind, _ident, body, descriptors = first
    close_all(descriptors)
    if kind != BOOT:
        raise ProtocolError("frame of kind %d before BOOT" % kind)
    order = parse_order(body)
    link.max_frame = order.max_frame
    # An import may handle SIGTERM, or hold the GIL for good. There are no workers yet to take along.
    die_with_parent(signal.SIGKILL, order.parent)
    # Ctrl-C reaches the whole foreground group; the host decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lead_session()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    faulthandler.enable(2)
    _output.install(order.log_level)
    imports = Imports()
    adapter = _import(order)
    try:
        commands = told(adapter.commands)
    except LookupError as error:
        raise AdapterError(error_of("adapter_invalid", "the adapter has %s" % error.args[0], "offer fewer")) from None
    settings = Settings(adapter, order, body, commands, imports, False)
    zygote = Zygote(link, settings, order.parent)
    die_with_parent(signal.SIGTERM, order.parent)
    _output.flush()
    # Collected, then frozen: a collection in a child would otherwise write to every page it shares.
    gc.collect()
    gc.freeze()
    link.send(READY, 0, _facts.ready(settings, unknown_threads()))
    zygote.serve()


def _import(order: Order) -> Adapter:
    gc.disable()
    set_lazy_imports = getattr(sys, "set_lazy_imports", None)
    if set_lazy_imports is not None:
        set_lazy_imports("none")  # a deferred import would be paid by each worker on its own
    _gil.watch()
    arrange_paths(order.adapter, order.paths)
    adapter = load(order.adapter, order.preload, order.arguments)
    if any(command.is_async for command in adapter.commands):
        import asyncio  # noqa: F401 - the workers will need it
    return adapter


def _take_link() -> socket.socket:
    """Move the link off descriptor 0, where user code expects standard input."""
    descriptor = os.dup(0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
