"""grpcio's synchronous server behind Unix sockets, raw bytes instead of protobuf: the least it can do per call.

The callers are asyncio tasks, the fastest Python client, in as many processes as there are servers: with all of them in
one process the client, not the server, would be what is measured.
"""

import asyncio
import multiprocessing
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import common
import grpc

METHOD = "/snakepit.Bench/Noop"
#: More threads than one let a server take the next call while it answers the last.
SERVER_THREADS = 8


class Noop(grpc.GenericRpcHandler):
    """Answers every call with what it got."""

    _handler = grpc.unary_unary_rpc_method_handler(lambda request, context: request)

    def service(self, details):
        return self._handler if details.method == METHOD else None


def serve(address, ready):
    server = grpc.server(ThreadPoolExecutor(SERVER_THREADS), handlers=(Noop(),))
    server.add_insecure_port(address)
    server.start()
    ready.set()
    server.wait_for_termination()


async def keep_calling(address, seconds, callers):
    """A closed loop of `callers` tasks on one channel."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(METHOD)
        calls, running = 0, True

        async def caller():
            nonlocal calls
            while running:
                await call(b"noop")
                calls += 1

        tasks = [asyncio.create_task(caller()) for _ in range(callers)]
        while calls < common.WARM_UP:
            await asyncio.sleep(0.01)
        before, start = calls, time.perf_counter()
        await asyncio.sleep(seconds)
        done, elapsed = calls - before, time.perf_counter() - start
        running = False
        await asyncio.gather(*tasks)
        return {"calls_per_s": done / elapsed, "calls": done}


def client(address, seconds, callers, start, results):
    start.wait()
    results.put(asyncio.run(keep_calling(address, seconds, callers)))


def throughput(spawn, addresses, seconds):
    start, results = spawn.Barrier(len(addresses)), spawn.SimpleQueue()
    share = common.IN_FLIGHT // len(addresses)
    clients = [spawn.Process(target=client, args=(a, seconds, share, start, results)) for a in addresses]
    for process in clients:
        process.start()
    figures = [results.get() for _ in clients]
    for process in clients:
        process.join()
    return {key: sum(f[key] for f in figures) for key in figures[0]}


def latency(address, seconds):
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(METHOD)
        return common.latency(lambda: call(b"noop"), seconds)


def run(mode, seconds, directory):
    spawn = multiprocessing.get_context("spawn")
    addresses = [f"unix:{directory}/{i}.sock" for i in range(1 if mode == "latency" else 2)]
    servers = []
    for address in addresses:
        ready = spawn.Event()
        server = spawn.Process(target=serve, args=(address, ready), daemon=True)
        server.start()
        ready.wait()
        servers.append(server)
    common.report(latency(addresses[0], seconds) if mode == "latency" else throughput(spawn, addresses, seconds))
    for server in servers:
        server.terminate()


if __name__ == "__main__":
    mode, seconds, _ = common.arguments()
    with tempfile.TemporaryDirectory() as directory:
        run(mode, seconds, directory)
