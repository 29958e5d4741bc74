"""pebble's ProcessPool with `fork`, its fastest start method."""

import multiprocessing

import common
from pebble import ProcessPool

if __name__ == "__main__":
    mode, seconds, _ = common.arguments()
    context = multiprocessing.get_context("fork")
    with ProcessPool(max_workers=1 if mode == "latency" else 2, context=context) as pool:
        if mode == "latency":
            common.report(common.latency(lambda: pool.schedule(common.noop).result(), seconds))
        else:
            common.report(common.throughput(lambda: pool.schedule(common.noop), seconds))
