"""The winner's curse: the approach selected as the best of several looks better than it is.

The choice is repeated on resamples of the test examples and what it picks is judged on the examples that were left out
(Tsamardinos, Greasidou & Borboudakis 2018). Held against what was measured is the quality of the very approach that was
picked, so that one which is picked for being cheaper does not count as optimism. Half of what decides a resample's pick
is the resample's own chance, the other half that of the test set, on which it was measured as well: of equal approaches
only 1/sqrt(2) of the curse is seen, so the difference is taken sqrt(2) times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from advisor.verdict.cells import Interval
from advisor.verdict.paired import rounded
from advisor.verdict.rule import Bars, Costs
from advisor.verdict.sample import Floats, Sample

RESAMPLES = 1_999
_SEED = 20_241_130


@dataclass(frozen=True, eq=False)
class Repeated:
    """The qualities of approaches on resamples of the test examples, the same for all.

    Attributes:
        inside: on the examples drawn; shape (resamples, approaches).
        beyond: what was measured, less the quality on the examples left out; same shape.
    """

    inside: Floats
    beyond: Floats

    def of(self, places: Sequence[int]) -> Repeated:
        """Those of some of the approaches."""
        return Repeated(self.inside[:, places], self.beyond[:, places])


def repeated(samples: Sequence[Sample]) -> Repeated | None:
    """The qualities on resamples; None of a single test example."""
    n = samples[0].n
    if n == 1:
        return None
    rng = np.random.default_rng(_SEED)
    drawn = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float32)
    left_out = (drawn == 0).astype(np.float32)
    kept = left_out.any(axis=1)
    inside = np.stack([sample.reweighted(drawn[kept]).mean(axis=1) for sample in samples], axis=1)
    outside = np.stack([sample.reweighted(left_out[kept]).mean(axis=1) for sample in samples], axis=1)
    return Repeated(inside, np.array([sample.quality for sample in samples]) - outside)


def optimism(found: Repeated, bars: Bars, costs: Costs) -> float:
    """The optimism of the selected approach's quality, in units of the metric; at least 0.

    Args:
        found: of all approaches that could be chosen.
    """
    beyond = found.beyond
    picked = beyond[np.arange(len(beyond)), bars.choose(found.inside, costs).approach]
    # Less what the examples left out lack where nothing was picked: macro F1 of fewer examples is lower by itself.
    return max(0.0, math.sqrt(2) * float(picked.mean() - beyond.mean()))


def corrected(plain: Interval, by: float) -> Interval:
    """A quality with its interval, corrected by the optimism of the selection."""
    return rounded(max(0.0, plain.value - by), max(0.0, plain.low - by), plain.high)
