"""Selective answering: quality where only so many of the questions are answered, those of highest confidence first.

A row may leave a question to somebody else, by saying that it cannot be answered or by a confidence that is too low.
Fewer answers, better ones: the risk-coverage curve (El-Yaniv & Wiener 2010), and the area under it (Geifman & El-Yaniv
2017). Answers of the same confidence are in no order, so that what is taken of them has their mean quality.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.errors import UserError
from advisor.measuring.confusion import blocks
from advisor.tasks.power import TAILS
from advisor.verdict.cells import Interval
from advisor.verdict.paired import rounded
from advisor.verdict.resampling import wilson
from advisor.verdict.sample import Floats

STEPS = 20
"""Points of the curve from 0 to 1, at most."""
RESAMPLES = 499
_SEED = 20_100_501

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The quality of a row's answers where it is left to answer a part of the questions.

    Attributes:
        points: the curve: share of the questions that are answered, and quality of those answers; by rising share. One
            point where answers have no confidence: any part of them is as good as all.
        most: the share that it answers at most, since it abstains from the others by itself.
        area: under the risk-coverage curve, risk being 1 - quality: the mean risk over all shares up to `most`; None
            without confidences.
        at: the share that was asked for.
        quality: of the answers at that share; None where it answers fewer.
        by_confidence: whether answers are told apart by confidence; else only by its own abstentions.
    """

    points: tuple[tuple[float, float], ...]
    most: float
    area: Interval | None
    at: float
    quality: Interval | None
    by_confidence: bool


@dataclass(frozen=True, eq=False)
class _Ranked:
    """The answers of one seed, surest first; those of the same confidence in the order of the examples.

    Attributes:
        places: their examples; shape (answers,).
        scores: of the answers; shape (answers,).
        ends: where those of one confidence end; shape (confidences,).
    """

    places: NDArray[np.intp]
    scores: Floats
    ends: NDArray[np.intp]

    def measured(self, weights: Floats, share: float) -> Floats:
        """The mean score at a share of the questions, and the mean over all answers of the risk until each, under
        weightings of the questions; shape (2, weightings).

        Args:
            weights: with the same sum in each weighting; shape (weightings, examples).
        """
        drawn = weights[:, self.places]
        counts, sums = drawn.cumsum(axis=1), (drawn * self.scores).cumsum(axis=1)
        risks = 1 - (drawn * sums / np.maximum(counts, 0.5)).sum(axis=1) / np.maximum(counts[:, -1], 0.5)
        wanted = np.minimum(share * weights.sum(axis=1), counts[:, -1])[:, None]
        level = np.minimum((counts[:, self.ends] < wanted - 1e-6).sum(axis=1, keepdims=True), len(self.ends) - 1)
        until = [np.take_along_axis(one, self.ends[level], 1) for one in (counts, sums)]
        before = [np.where(level > 0, np.take_along_axis(one, self.ends[level - 1], 1), 0.0) for one in (counts, sums)]
        part = (wanted - before[0]) / np.maximum(until[0] - before[0], 0.5)
        quality = (before[1] + part * (until[1] - before[1])) / np.maximum(wanted, 1e-9)
        return np.stack([quality[:, 0], risks])

    @property
    def levelled(self) -> _Ranked:
        """The same, each answer scored by the mean of those of its confidence."""
        starts = np.concatenate([[0], self.ends[:-1] + 1])
        sizes = self.ends - starts + 1
        return _Ranked(self.places, np.repeat(np.add.reduceat(self.scores, starts) / sizes, sizes), self.ends)


def coverage(confidences: Floats, scores: Floats, abstains: Flags, at: float) -> Coverage | None:
    """The curve of a row; None where it has no confidences and never abstains, or never does anything else.

    Args:
        confidences: of the answers, NaN where one has none, which is then given last; shape (seeds, examples).
        scores: from 0 to 1; the same shape.
        abstains: whether it gave no answer to a question; the same shape.
        at: the share of the questions to be answered.
    """
    told = ~np.isnan(confidences) & ~abstains
    if not (told.any() or abstains.any()) or abstains.all(axis=1).any():
        return None
    seeds = [_ranked(*seed) for seed in zip(confidences, scores, abstains, strict=True)]
    whole, n = np.ones((1, scores.shape[1])), scores.shape[1]
    most = float((~abstains).mean())
    shares = [step / STEPS for step in range(1, STEPS + 1) if step / STEPS < most - 1e-9 and told.any()]
    qualities, risks = _drawn(seeds, n, min(at, most))
    area = _over([seed.levelled for seed in seeds], whole, most)[1]
    risks += area - _over(seeds, whole, most)[1]
    alike = np.unique(scores[~abstains]).size == 1
    shares_right = bool(np.isin(scores, (0.0, 1.0)).all())
    quality = _interval(_over(seeds, whole, at)[0], qualities, round(at * n) if shares_right else None)
    return Coverage(
        points=tuple((share, float(_over(seeds, whole, share)[0, 0])) for share in (*shares, most)),
        most=most,
        area=_interval(area, risks, n if alike else None) if told.any() else None,
        at=at,
        quality=quality if at <= most + 1e-9 else None,
        by_confidence=bool(told.any()),
    )


def checked(share: float) -> float:
    """A share of the questions to be answered.

    Raises:
        UserError: it is none.
    """
    if not 0 < share <= 1:
        raise UserError(f"the coverage is {share:g}", "give the share of the questions to be answered, such as 0.8")
    return share


def _ranked(confidences: Floats, scores: Floats, abstains: Flags) -> _Ranked:
    """The answers of one seed, those without a confidence last."""
    given = np.flatnonzero(~abstains)
    sure = np.nan_to_num(confidences[given], nan=-1.0)
    order = np.argsort(-sure, kind="stable")
    ends = np.flatnonzero(np.diff(sure[order], append=np.inf))
    return _Ranked(given[order], scores[given[order]], ends)


def _over(seeds: Sequence[_Ranked], weights: Floats, share: float) -> Floats:
    """What `_Ranked.measured` gives, the mean over seeds."""
    found: Floats = np.mean([seed.measured(weights, share) for seed in seeds], axis=0)
    return found


def _drawn(seeds: Sequence[_Ranked], n: int, share: float) -> Floats:
    """The same in each resample of the examples; shape (2, RESAMPLES)."""
    return np.concatenate([_over(seeds, weights, share) for weights in _resamples(n)], axis=1)


def _resamples(n: int) -> Iterator[Floats]:
    """How often each resample drew each of `n` examples, in blocks of resamples."""
    rng = np.random.default_rng(_SEED)
    for block in blocks(RESAMPLES, n):
        rows = block.stop - block.start
        drawn = rng.integers(0, n, (rows, n)) + np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _interval(found: Floats, resampled: Floats, trials: int | None) -> Interval:
    """The percentile interval of what was found, shape (1,); at least Wilson's, where it is a share of so many trials:
    answers that are all right look alike in every resample."""
    value = float(found[0])
    low, high = np.quantile(resampled, TAILS)
    plain = wilson(value, max(trials, 1)) if trials is not None else Interval(value, value, value)
    return rounded(value, max(0.0, min(float(low), plain.low)), min(1.0, max(float(high), plain.high)))
