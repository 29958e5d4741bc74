"""What decoding costs in a worker: the bridge's own way, and the parser it is made of alone."""

import json
import time

from snakepit_bridge import _values


def decode_costs(text, rounds):
    """Seconds for one decoding of a body: the bridge's, and `json.loads`; the best of rounds that take turns."""
    body = memoryview(text.encode())
    ours, alone = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        _values.decode(body, 0, False)
        middle = time.perf_counter()
        json.loads(str(body, "utf-8"))
        ours.append(middle - start)
        alone.append(time.perf_counter() - middle)
    return min(ours), min(alone)
