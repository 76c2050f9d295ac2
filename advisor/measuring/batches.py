"""Queries in batches, and whether what was answered to one is an answer to each."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.approaches import Prediction
from advisor.tasks import Query

OTHER = "other"
"""The span of what an approach does outside those of the rooms that it calls."""


def batches(queries: Sequence[Query], size: int) -> list[list[Query]]:
    """Queries of similar length together, longest first."""
    order = sorted(queries, key=lambda q: (-len(q.input), q.id))
    return [order[i : i + size] for i in range(0, len(order), size)]


def check(predictions: Sequence[Prediction], batch: Sequence[Query]) -> None:
    """Whether a predictor kept to its contract: an approach of another package may not.

    Raises:
        ValueError: there is not one prediction for each query, in their order.
        TypeError: an answer is no text.
    """
    if [p.id for p in predictions] != [q.id for q in batch]:
        raise ValueError(
            f"predict was given {len(batch)} queries and returned {len(predictions)} predictions, "
            "which are not one for each query in their order, by its id"
        )
    for prediction in predictions:
        kind = type(prediction.text)
        if kind is not str:
            raise TypeError(f"the prediction for {prediction.id!r} has a text of type {kind.__name__}, not str")
