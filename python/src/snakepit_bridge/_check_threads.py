"""Checks a worker's lanes on threads, as its host asked for; must not know how overlaps are found, or frames."""

from __future__ import annotations

from ._adapter import Adapter
from ._overlap import Overlap
from ._sender import Sender
from .thread_safety_checker import enable_checking


def begin(mode: str, adapter: Adapter, sender: Sender) -> None:
    """Watch the adapter, what it shares and the libraries it uses. `warn` tells the host, `strict` raises."""

    def tell(overlap: Overlap) -> None:
        # In one order, whoever came first: the host tells the same thing once.
        uses = sorted((overlap.first, overlap.second))
        sender.notice_overlap(overlap.subject, ["%s at %s" % use for use in uses])

    checker = enable_checking(strict_mode=mode == "strict", on_overlap=tell)
    if adapter.owner is not None:
        checker.watch(adapter.owner)
