"""Selective answering: quality where only so many of the questions are answered, those of highest confidence first."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.verdict.cells import Interval


@dataclass(frozen=True, slots=True)
class Coverage:
    """The quality of a row's answers where it is left to answer a part of the questions.

    Attributes:
        points: the curve: share of the questions that are answered, and quality of those answers; by rising share.
        most: the share that it answers at most, since it abstains from the others by itself.
        area: under the risk-coverage curve, risk being 1 - quality: the mean risk over all shares up to `most`.
        at: the share that was asked for.
        quality: of the answers at that share; None where it answers fewer.
        by_confidence: whether answers are told apart by confidence; else only by its own abstentions.
    """

    points: tuple[tuple[float, float], ...]
    most: float
    area: Interval
    at: float
    quality: Interval | None
    by_confidence: bool
