"""An adapter with the import everybody knows to be slow."""

import pandas


def rows(values):
    """How many rows a frame of the values has."""
    return len(pandas.DataFrame({"values": values}))
