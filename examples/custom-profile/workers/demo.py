#!/usr/bin/env python3
"""A program for the `lines` profile: offers what the conformance kit asks for."""

import json
import os
import sys
import time

counted = 0


def echo(value):
    return value


def fail(message):
    raise RuntimeError(message)


def count():
    global counted
    counted += 1
    return counted


def sleep(seconds):
    time.sleep(seconds)


def die():
    os._exit(3)


COMMANDS = {command.__name__: command for command in (echo, fail, count, sleep, die)}


def answer(**message):
    print(json.dumps(message), flush=True)


def run(call):
    name = call["command"]
    if name == "session":
        answer(value=call["session"])
    elif name in COMMANDS:
        answer(value=COMMANDS[name](*call["args"], **call["kwargs"]))
    else:
        answer(unknown=name)


answer(commands=[*COMMANDS, "session"])
for line in sys.stdin:
    try:
        run(json.loads(line))
    except Exception as error:
        answer(error=str(error))
