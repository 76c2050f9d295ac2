"""Queries in batches: each answered under the clock, and whether what was answered is an answer to each."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from advisor.approaches import Prediction, Predictor
from advisor.measuring.progress import Progress, answering
from advisor.models.clock import clock
from advisor.tasks import Query

OTHER = "other"
"""The span of what an approach does outside those of the rooms that it calls."""


def batches(queries: Sequence[Query], size: int) -> list[list[Query]]:
    """Queries of similar length together, longest first."""
    order = sorted(queries, key=lambda q: (-len(q.input), q.id))
    return [order[i : i + size] for i in range(0, len(order), size)]


def answered(
    predictor: Predictor, queries: Sequence[Query], size: int, done: Container[str], progress: Progress
) -> Iterator[tuple[list[Prediction], float]]:
    """The answers to all queries but those done, batch by batch, with the seconds that each took.

    Batches are the same whatever was done before, so that an answer cannot depend on an interruption.
    """
    for batch in batches(queries, size):
        with answering(progress, len(batch)):
            if batch[0].id not in done:
                started = clock.now()
                with clock.span(OTHER):
                    predictions = predictor.predict(batch)
                seconds = clock.now() - started
                _check(predictions, batch)
                yield predictions, seconds


def _check(predictions: Sequence[Prediction], batch: Sequence[Query]) -> None:
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
