"""NumPy work: it releases the GIL while it multiplies."""

import numpy

#: Nothing here is changed by a call.
__thread_safe__ = True

LEFT = numpy.linspace(0.0, 1.0, 256 * 256).reshape(256, 256)
RIGHT = LEFT.T.copy()


def matmul():
    """Multiply two 256 x 256 matrices of doubles, and boil the product down to a number."""
    return float((LEFT @ RIGHT).sum())
