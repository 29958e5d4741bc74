"""A logistic regression in plain Python, with data to try it on; must not know calls. Nothing here is random."""

from __future__ import annotations

import math
from typing import Iterator, List, Sequence

Rows = List[List[float]]
Model = List[float]
"""A weight for each feature, and the bias last."""

_ROWS = 80


def sample() -> tuple[Rows, list[int]]:
    """Points on two arms of a spiral that do not quite overlap, with 0 or 1 for the arm. Always the same."""
    features, labels = [], []
    for place in range(_ROWS):
        label = place % 2
        along = place / _ROWS
        angle = 2.0 * along + label * math.pi
        features.append(
            [(0.5 + along) * math.cos(angle) + 0.1 * math.sin(7.0 * place), (0.5 + along) * math.sin(angle)]
        )
        labels.append(label)
    return features, labels


def standardised(features: Rows) -> Rows:
    """Each column shifted to a mean of 0 and scaled to a deviation of 1; a constant column becomes 0."""
    columns = [_standardised(column) for column in zip(*features)]
    return [list(row) for row in zip(*columns)]


def _standardised(column: Sequence[float]) -> list[float]:
    mean = sum(column) / len(column)
    deviation = math.sqrt(sum((number - mean) ** 2 for number in column) / len(column))
    return [(number - mean) / deviation if deviation else 0.0 for number in column]


def with_products(features: Rows) -> Rows:
    """The features, then the product of each with itself and every later one."""
    return [
        [*row, *(row[one] * row[other] for one in range(len(row)) for other in range(one, len(row)))]
        for row in features
    ]


def best_columns(features: Rows, labels: Sequence[int], count: int) -> list[int]:
    """The columns that correlate most with the labels, best first."""
    wanted = _standardised([float(label) for label in labels])

    def correlation(column: int) -> float:
        values = _standardised([row[column] for row in features])
        return abs(sum(map(float.__mul__, values, wanted)))

    return sorted(range(len(features[0])), key=correlation, reverse=True)[:count]


def probability(model: Model, features: Sequence[float]) -> float:
    """How likely a point is of kind 1. Raises `ValueError` for a point of another size than the model's."""
    if len(features) != len(model) - 1:
        raise ValueError("the model takes %d features, not %d" % (len(model) - 1, len(features)))
    total = model[-1] + sum(weight * number for weight, number in zip(model, features))
    return 1.0 / (1.0 + math.exp(-max(-500.0, min(500.0, total))))


def training(features: Rows, labels: Sequence[int], epochs: int, rate: float) -> Iterator[tuple[int, float, Model]]:
    """Gradient descent from 0: after each epoch its number from 1 on, the mean loss before it, and the model."""
    model = [0.0] * (len(features[0]) + 1)
    for epoch in range(1, epochs + 1):
        gradient = [0.0] * len(model)
        loss = 0.0
        for row, label in zip(features, labels):
            guess = probability(model, row)
            loss -= math.log(max(guess if label else 1.0 - guess, 1e-12))
            for place, number in enumerate([*row, 1.0]):
                gradient[place] += (guess - label) * number
        model = [weight - rate * slope / len(features) for weight, slope in zip(model, gradient)]
        yield epoch, loss / len(features), model


def cross_validated(features: Rows, labels: Sequence[int], folds: int, epochs: int) -> list[float]:
    """The share of right answers on each fold, by a model trained on all others. Raises `ValueError` below 2 folds."""
    if folds < 2:
        raise ValueError("cross-validation takes at least 2 folds, not %d" % folds)
    shares = []
    for fold in range(folds):
        rest = [place for place in range(len(features)) if place // 2 % folds != fold]
        held = [place for place in range(len(features)) if place // 2 % folds == fold]
        steps = training([features[at] for at in rest], [labels[at] for at in rest], epochs, 0.5)
        model = [step[2] for step in steps][-1]
        right = sum((probability(model, features[at]) > 0.5) == bool(labels[at]) for at in held)
        shares.append(right / len(held))
    return shares
