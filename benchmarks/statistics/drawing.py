"""Random comparisons with known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from advisor.tasks.power import MARGIN
from advisor.verdict.choice import Choice, choose
from advisor.verdict.decision import Cost, Row
from advisor.verdict.sample import Floats, Sample
from advisor.verdict.statistics import Contrasts

SAME = 0.5
"""Chance that an approach finds an example as hard as the others do."""
MOVES = 0.2
"""Chance that another seed finds an example otherwise hard than the first."""


@dataclass(frozen=True)
class Truth:
    """The true properties of one approach.

    Attributes:
        quality: expected share of right answers, over examples and seeds.
        spread: standard deviation of it between seeds of training; only of those that are tuned.
        cost: of 1,000 queries.
    """

    quality: float
    tuned: bool = False
    spread: float = 0.0
    cost: float = 1.0


@dataclass(frozen=True)
class Design:
    """The design of a measurement.

    Attributes:
        n: test examples.
        seeds: of each tuned approach.
        same: `SAME`, or another.
    """

    n: int
    seeds: int = 1
    same: float = SAME


def draw(rng: np.random.Generator, truths: Sequence[Truth], design: Design) -> list[Sample]:
    """Draw the answers of all approaches to the same test examples, right or wrong."""
    hard = rng.random(design.n)
    return [_of(rng, hard, truth, str(i), design) for i, truth in enumerate(truths)]


def _of(rng: np.random.Generator, hard: Floats, truth: Truth, name: str, design: Design) -> Sample:
    own = np.where(rng.random(design.n) < design.same, hard, rng.random(design.n))
    scores = []
    for seed in range(design.seeds if truth.tuned else 1):
        quality = np.clip(truth.quality + truth.spread * rng.standard_normal(), 0.0, 1.0)
        moved = rng.random(design.n) < (MOVES if truth.tuned and seed else 0.0)
        scores.append(np.where(moved, rng.random(design.n), own) < quality)
    return Sample(name, np.array(scores, dtype=np.float64), tuned=truth.tuned)


def judged(samples: Sequence[Sample], truths: Sequence[Truth], margin: float = MARGIN) -> tuple[Choice, Contrasts]:
    """Advisor's choice among them, and the contrasts it rests on."""
    contrasts = Contrasts(samples)
    return choose(as_rows(samples, truths, contrasts), contrasts, margin), contrasts


def as_rows(samples: Sequence[Sample], truths: Sequence[Truth], contrasts: Contrasts) -> list[Row]:
    """Rows that can be chosen, best quality first."""
    rows = [_row(sample, truth, contrasts) for sample, truth in zip(samples, truths, strict=True)]
    return sorted(rows, key=lambda row: -row.quality.value if row.quality else 0.0)


def joined(first: Sequence[Sample], second: Sequence[Sample]) -> list[Sample]:
    """The same approaches on the test examples of both."""
    return [
        Sample(a.spec, np.concatenate([a.scores, b.scores], axis=1), tuned=a.tuned)
        for a, b in zip(first, second, strict=True)
    ]


def _row(sample: Sample, truth: Truth, contrasts: Contrasts) -> Row:
    return Row(
        spec=sample.spec,
        status="ok",
        error=None,
        control=False,
        uses_model=True,
        eligible=True,
        violations=(),
        quality=contrasts.intervals[sample.spec],
        n=sample.n,
        trainable_parameters=1 if truth.tuned else None,
        cost=Cost(per_1k_queries=truth.cost),
        seeds=sample.seeds,
    )
