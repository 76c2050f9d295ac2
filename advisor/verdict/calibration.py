"""How far a row's confidences can be believed: calibration error, Brier score, log loss and the reliability table.

A confidence is the probability that a row gives its own answer, so that all of this is about being right (top-label
calibration): of answers with confidence 0.8 eight in ten are right, if confidences can be believed.

The expected calibration error (Naeini et al. 2015) has bins of equal mass here, which adapt to where confidences lie
(adaptive calibration error, Nixon et al. 2019). As it is usually computed it is above 0 by chance alone: each bin's
share of right answers strays, and to either side that counts as an error (Bröcker 2012; Kumar et al. 2019; Roelofs et
al. 2022). A bootstrap adds the same once more and is no way out. Therefore the figure and its interval are those errors
under which what was seen is usual: bins are drawn again (a parametric bootstrap) under errors of the same pattern and
any size, and the sizes are kept for which the error as usually computed is at the median, or within its middle 95 %
(the interval inverts a test, DiCiccio & Romano 1990). An error is shown where answers that are as often right as their
confidences say would seldom give what was seen (Bröcker & Smith 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from advisor.tasks.power import TAILS
from advisor.verdict.cells import Interval
from advisor.verdict.paired import rounded
from advisor.verdict.resampling import mean_interval
from advisor.verdict.sample import Floats

MOST_BINS = 15
FEWEST_IN_A_BIN = 20
SUREST = 1 - 1e-4
"""Confidences count as at most this, and as at least the rest to 1, where their logarithm is taken."""
_DRAWS = 1_000
_HALVINGS = 10
_SEED = 20_220_401


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well a row's confidences agree with how often its answers are right.

    Attributes:
        ece: expected calibration error over bins of equal mass, corrected for its bias, 0 to 1; 0 where confidences are
            right at every level. Its interval begins at 0 where no error is shown.
        plug_in: the same as it is usually computed, which is above 0 by chance alone.
        by_chance: what the latter is on average for as many answers whose confidences are right.
        brier: mean squared difference of confidence and being right, 0 to 1 (Brier 1950).
        log_loss: mean negative log-likelihood (nats) of being right or wrong, confidences within `SUREST`.
        overconfidence: mean confidence minus the share right, -1 to 1.
        bins: the reliability table: mean confidence, share right and number of answers of each bin, by confidence, over
            all seeds.
        n: test examples whose answers have a confidence; those of several seeds count as one.
    """

    ece: Interval
    plug_in: float
    by_chance: float
    brier: Interval
    log_loss: Interval
    overconfidence: Interval
    bins: tuple[tuple[float, float, int], ...]
    n: int


def calibration(confidences: Floats, scores: Floats) -> Calibration | None:
    """Hold confidences against how right the answers are; None where no answer has one.

    Args:
        confidences: probabilities from 0 to 1, NaN where an answer has none; shape (seeds, examples).
        scores: 1 for a right answer, 0 for a wrong one, or a value between; the same shape.
    """
    known = ~np.isnan(confidences)
    if not known.any():
        return None
    seeds = [(c[told], s[told]) for c, s, told in zip(confidences, scores, known, strict=True) if told.any()]
    errors = [_error(*_binned([seed])) for seed in seeds]
    ends = [fmean(getattr(error, end) for error, _, _ in errors) for end in ("value", "low", "high")]

    def mean(measure: Callable[[Floats, Floats], Floats], least: float = 0.0, most: float = 1.0) -> Interval:
        """The mean of a measure from `least` to `most`, with several seeds of an example as one."""
        each = np.where(known, measure(np.where(known, confidences, 0.5), scores), np.nan)
        found = mean_interval((np.nanmean(each[:, known.any(axis=0)], axis=0) - least) / (most - least))
        return rounded(*(least + (most - least) * end for end in (found.value, found.low, found.high)))

    return Calibration(
        ece=rounded(*ends),
        plug_in=fmean(plug_in for _, plug_in, _ in errors),
        by_chance=fmean(chance for _, _, chance in errors),
        brier=mean(lambda c, s: (c - s) ** 2),
        log_loss=mean(_log_loss, most=-float(np.log(1 - SUREST))),
        overconfidence=mean(lambda c, s: c - s, least=-1.0),
        bins=tuple((float(c), float(r), int(n)) for n, c, r in zip(*_binned(seeds), strict=True)),
        n=int(known.any(axis=0).sum()),
    )


def _log_loss(confidences: Floats, scores: Floats) -> Floats:
    sure = np.clip(confidences, 1 - SUREST, SUREST)
    found: Floats = -scores * np.log(sure) - (1 - scores) * np.log1p(-sure)
    return found


def _binned(seeds: Sequence[tuple[Floats, Floats]]) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Answers, mean confidence and share right of each bin of equal mass over all seeds, those without any left out.

    The edges are quantiles of the confidences, as those of scikit-learn's `calibration_curve`, so that answers of the
    same confidence share a bin.
    """
    confidences, scores = (np.concatenate(part) for part in zip(*seeds, strict=True))
    count = min(MOST_BINS, max(1, len(confidences) // (FEWEST_IN_A_BIN * len(seeds))))
    edges = np.quantile(confidences, np.linspace(0, 1, count + 1))
    place = np.searchsorted(edges[1:-1], confidences)
    sizes = np.bincount(place, minlength=count)
    held = sizes > 0
    sure, right = (np.bincount(place, weights=w, minlength=count)[held] / sizes[held] for w in (confidences, scores))
    return sizes[held], sure, right


def _error(sizes: NDArray[np.intp], sure: Floats, right: Floats) -> tuple[Interval, float, float]:
    """The calibration error with its interval; as usually computed; and what that is by chance."""
    weights = sizes / sizes.sum()
    seen = np.abs(sure - right)
    # One more answer in each bin, as likely right as it says: a bin of right answers alone says something too.
    share = (sizes * right + sure) / (sizes + 1)
    variance = share * (1 - share) / sizes
    pattern = np.sqrt(seen**2 + variance)
    strayed = np.random.default_rng(_SEED).standard_normal((len(sizes), _DRAWS)) * np.sqrt(variance)[:, None]
    plug_in = float(weights @ seen)
    unit = float(weights @ pattern)

    def size(share: float) -> float:
        """The error under which such a share of what is drawn is no larger than what was seen."""

        def smaller(factor: float) -> float:
            return float((weights @ np.abs(factor * pattern[:, None] + strayed) <= plug_in + 1e-12).mean())

        low, high = 0.0, 1.0
        if smaller(low) <= share:
            return 0.0
        while smaller(high) > share and high < 1e6:
            high *= 2
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if smaller(middle) > share else (low, middle)
        return min(1.0, unit * low)

    # Where confidences are right it is known how answers stray: by coin flips, of which few bins have enough to be
    # normal where rows are sure of nearly all.
    flipped = np.random.default_rng(_SEED).binomial(sizes, sure, (_DRAWS, len(sizes))) / sizes
    by_chance = np.abs(sure - flipped) @ weights
    low, value, high = (size(share) for share in (TAILS[1], 0.5, TAILS[0]))
    if (by_chance <= plug_in + 1e-12).mean() <= TAILS[1]:
        low = 0.0
    chance = float(by_chance.mean())
    return Interval(value, low, max(high, chance)), plug_in, chance
