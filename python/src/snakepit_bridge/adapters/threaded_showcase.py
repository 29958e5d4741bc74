"""Commands for many lanes in one process: shared data that is only read, data of one lane, writes under a lock."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

from .. import shared, tool
from ..base_adapter_threaded import ThreadSafeAdapter, thread_safe_method
from .showcase import count_primes


@shared
def primes() -> list[int]:
    """The primes below 1,000: made once for each process, whichever lane asks first, then only read."""
    return [number for number in range(2, 1000) if count_primes(number, number + 1)]


@shared
def journal() -> dict[str, Any]:
    """What all lanes of a process write to, under the adapter's lock."""
    return {"digests": {}, "history": []}


class ThreadedShowcaseAdapter(ThreadSafeAdapter):
    """The three patterns of docs/guides/thread-safe-adapters.md, in use."""

    @tool
    @thread_safe_method
    def compute_intensive(self, number: int) -> list[int]:
        """The prime factors of a number, by shared data first."""
        if number < 1:
            raise ValueError("number has to be 1 or more, not %d" % number)
        factors = []
        for divisor in itertools.chain(primes(), itertools.count(1001, 2)):
            if divisor * divisor > number:
                break
            while number % divisor == 0:
                factors.append(divisor)
                number //= divisor
        return [*factors, number] if number > 1 else factors

    @tool
    @thread_safe_method
    def matrix_multiply(self, one: list[list[float]], other: list[list[float]]) -> list[list[float]]:
        """The product of two matrices."""
        columns = list(zip(*other))
        return [[sum(map(float.__mul__, map(float, row), map(float, column))) for column in columns] for row in one]

    @tool
    @thread_safe_method
    def batch_process(self, texts: list[str]) -> list[str]:
        """The digests of texts; each is computed once for all lanes."""
        seen = self.get_thread_local("seen", 0)
        self.set_thread_local("seen", seen + len(texts))
        return [self._digest(text) for text in texts]

    @tool
    def get_history(self, count: int = 10) -> list[str]:
        """The latest texts that were new, of all lanes."""
        with self.acquire_lock():
            return list(journal()["history"][-count:])

    @tool
    def clear_caches(self) -> int:
        """Forget all digests."""
        with self.acquire_lock():
            forgotten = len(journal()["digests"])
            journal()["digests"].clear()
        return forgotten

    @tool
    def get_adapter_stats(self) -> dict[str, Any]:
        """What this lane has done, and how many digests all lanes share."""
        with self.acquire_lock():
            digests = len(journal()["digests"])
        return {"shared_digests": digests, "texts_of_this_lane": self.get_thread_local("seen", 0), **self.get_stats()}

    def _digest(self, text: str) -> str:
        with self.acquire_lock():
            known = journal()["digests"].get(text)
        if known is None:
            # Outside of the lock: other lanes go on meanwhile, and doing it twice does no harm.
            known = hashlib.sha256(text.encode()).hexdigest()
            with self.acquire_lock():
                journal()["digests"][text] = known
                journal()["history"].append(text)
                del journal()["history"][:-100]
        return str(known)
