"""Tells irises apart with scikit-learn. One model for all threads of the process, made once."""

from typing import Any

import numpy
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from snakepit_bridge import ThreadSafeAdapter, shared, tool

IRIS = load_iris()
# Every third flower is kept back, to see how well the model does on what it has not seen.
KEPT_BACK = numpy.arange(len(IRIS.target)) % 3 == 0


@shared(read_only=True)
def model() -> Any:
    """Trained by whichever thread asks first. Others that ask meanwhile wait; afterwards asking costs nothing."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    return classifier.fit(IRIS.data[~KEPT_BACK], IRIS.target[~KEPT_BACK])


class Flowers(ThreadSafeAdapter):
    @tool
    def kept_back(self) -> dict:
        """Flowers the model does not know. Arrays cross as they are, as one piece of memory."""
        kinds = [str(IRIS.target_names[kind]) for kind in IRIS.target[KEPT_BACK]]
        return {"measures": IRIS.data[KEPT_BACK], "kinds": kinds}

    @tool
    def predict(self, measures: list) -> dict:
        """The kinds of flowers with these measures, and which model said so."""
        kinds = model().predict(measures)
        return {"kinds": [str(IRIS.target_names[kind]) for kind in kinds], "model": id(model())}
