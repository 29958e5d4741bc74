"""Objects that handles are on, and what tells which of them are there."""

import gc
import os

from snakepit_bridge import context

GONE = []


class Model:
    def __init__(self, name):
        self.name = name

    def predict(self, number, times=2):
        return "%s %d" % (self.name, number * times)

    def child(self):
        return Model(self.name + "'s child")

    def __del__(self):
        GONE.append(self.name)

    def __repr__(self):
        return "<Model %s>" % self.name


def train(name):
    return Model(name)


def train_all(names):
    return {name: context.keep(Model(name)) for name in names}


def stream(names):
    for name in names:
        yield context.keep(Model(name))


def fill(count):
    return [context.keep(number) for number in range(count)]


def names(models, best=None):
    return [model.name for model in models], best and best.name


def gone():
    # Without a GIL what one thread made and another let go of waits for the former, or for the collector.
    gc.collect()
    return GONE


def process():
    return os.getpid()
