"""What every peer shares: the no-op, the two load shapes, the output. Each peer runs as `peer.py MODE SECONDS`."""

import collections
import json
import sys
import time

#: Calls in flight in the throughput shape, the same as for Snakepit.
IN_FLIGHT = 64
#: Calls before the clock starts: workers are up and every code path is warm.
WARM_UP = 2_000


def noop():
    """Do nothing. Lives in an importable module, so that peers send its name and not its code."""


def latency(call, seconds):
    """One call after the other; the p50 in microseconds."""
    for _ in range(WARM_UP // 4):
        call()
    clock, samples = time.perf_counter_ns, []
    end = clock() + int(seconds * 1e9)
    before = clock()
    while before < end:
        call()
        after = clock()
        samples.append(after - before)
        before = after
    samples.sort()
    return {"p50_us": samples[len(samples) // 2] / 1e3, "calls": len(samples)}


def throughput(submit, seconds, in_flight=IN_FLIGHT):
    """A closed loop over futures: `in_flight` calls are always under way, the oldest is awaited first.

    A queue of futures costs the caller least: no lock per completion, no scan over all futures.
    """
    pending = collections.deque(submit() for _ in range(in_flight))
    for _ in range(WARM_UP):
        pending.popleft().result()
        pending.append(submit())
    calls, start = 0, time.perf_counter()
    end = start + seconds
    now = start
    while now < end:
        for _ in range(16):
            pending.popleft().result()
            pending.append(submit())
        calls += 16
        now = time.perf_counter()
    for future in pending:
        future.result()
    return {"calls_per_s": calls / (now - start), "calls": calls}


def report(figures):
    """Print the one line the benchmark reads."""
    print(json.dumps(figures), flush=True)


def arguments():
    """The mode (`latency` or `throughput`) and how long to measure."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("latency", "throughput"):
        sys.exit("usage: PEER.py latency|throughput SECONDS [VARIANT]")
    return sys.argv[1], float(sys.argv[2]), (sys.argv[3:] or [""])[0]


def measure(executor_of, mode, seconds):
    """Run one shape on an executor with `submit`; `executor_of(workers)` makes it."""
    workers = 1 if mode == "latency" else 2
    with executor_of(workers) as executor:
        if mode == "latency":
            report(latency(lambda: executor.submit(noop).result(), seconds))
        else:
            report(throughput(lambda: executor.submit(noop), seconds))
