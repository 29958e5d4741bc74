"""The standard library's ProcessPoolExecutor; the variant is the start method, `spawn` or `forkserver`."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import common

if __name__ == "__main__":
    mode, seconds, method = common.arguments()
    context = multiprocessing.get_context(method or "forkserver")
    common.measure(lambda n: ProcessPoolExecutor(n, mp_context=context), mode, seconds)
