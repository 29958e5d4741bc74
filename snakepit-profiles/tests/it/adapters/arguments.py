"""Shows what it was given."""

import os

from snakepit_bridge import tool


class Adapter:
    def __init__(self, greeting, numbers):
        self.greeting = greeting
        self.numbers = numbers

    @tool
    def seen(self):
        return {
            "greeting": self.greeting,
            "numbers": self.numbers,
            "omp": os.environ["OMP_NUM_THREADS"],
            "blas": os.environ["OPENBLAS_NUM_THREADS"],
        }
