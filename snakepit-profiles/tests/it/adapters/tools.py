"""Commands that ask the host's tools, and take streams."""

import asyncio
import os
import time

from snakepit_bridge import ToolError, context, current_call

__thread_safe__ = True


def ask(tool, *args, **kwargs):
    return context.call(tool, *args, **kwargs)


def ask_within(seconds, tool):
    return context.host(timeout=seconds).__getattr__(tool)()


def caught(tool, *args, **kwargs):
    try:
        return context.call(tool, *args, **kwargs)
    except ToolError as error:
        return {"message": str(error), "code": error.code, "tool": error.tool, "retry": error.retry, "hint": error.hint}


def tools():
    return context.tools()


def many(tool, count):
    return [context.call(tool, number) for number in range(count)]


async def gathered(tool, count):
    return await asyncio.gather(*(context.call_async(tool, number) for number in range(count)))


def deeper():
    return [context.depth, context.call("deeper")]


def left():
    return context.remaining()


def total(numbers):
    return sum(numbers)


async def async_total(numbers):
    return sum([number async for number in numbers])


def first(numbers):
    return next(numbers)


def lengths(numbers):
    return [len(number) for number in numbers]


def until_error(numbers):
    seen = []
    try:
        for number in numbers:
            seen.append(number)
    except ToolError as error:
        return [seen, str(error), error.code]


def doubled(numbers):
    for number in numbers:
        yield 2 * number


def asked_between(tool, count):
    for number in range(count):
        yield context.call(tool, number)


def dies(numbers):
    next(numbers)
    os._exit(1)


def chunks(count, size=0):
    payload = "x" * size
    for number in range(count):
        yield payload or number


def breaks_at(chunk):
    yield from range(chunk)
    raise ValueError("broke at %d" % chunk)


def noted(path):
    try:
        number = 0
        while True:
            number += 1
            yield number
    finally:
        with open(path, "w") as file:
            file.write("%d" % number)


def nap(seconds):
    time.sleep(seconds)
    return current_call().id
