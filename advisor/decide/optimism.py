"""The winner's curse: whoever is picked as the best of several looks better than it is.

The choice is repeated on resamples of the test examples and what it picks is judged on the examples that were left out
(bootstrap bias corrected, Tsamardinos, Greasidou & Borboudakis 2018). Their mean is what the choice is worth on
examples that had no part in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from advisor.decide.decision import Interval
from advisor.decide.paired import rounded
from advisor.decide.rule import Bars, Costs
from advisor.decide.sample import Floats, Sample
from advisor.measure.metrics import macro_f1

RESAMPLES = 1_999
_SEED = 20_241_130
_FLOATS_AT_ONCE = 4_000_000


def corrected(samples: Sequence[Sample], chosen: int, plain: Interval, bars: Bars, costs: Costs) -> Interval:
    """The quality of the chosen approach, corrected for the choice, with a 95 % interval.

    Args:
        samples: of all approaches that could be chosen, over the same test examples.
        chosen: position of the chosen one.
        plain: its quality and interval as if it had been the only one.
    """
    n = samples[0].n
    if len(samples) == 1 or n == 1:
        return plain
    rng = np.random.default_rng(_SEED)
    drawn = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float32)
    left_out = (drawn == 0).astype(np.float32)
    kept = left_out.any(axis=1)
    inside = np.stack([_quality(sample, drawn[kept]) for sample in samples], axis=1)
    outside = np.stack([_quality(sample, left_out[kept]) for sample in samples], axis=1)
    picked = bars.choose(inside, costs).approach
    every = np.arange(len(picked))
    # What the picked ones reach beyond what is left of it, on average, where nothing was picked: macro F1 of fewer
    # examples is lower by itself.
    optimism = float(np.mean(samples[chosen].quality - outside[every, picked]))
    small = float(np.mean([sample.quality for sample in samples]) - outside.mean())
    optimism = max(0.0, optimism - small)
    return rounded(plain.value - optimism, max(0.0, plain.low - optimism), plain.high)


def _quality(sample: Sample, weights: Floats) -> Floats:
    """Of every weighting of the examples, shape (weightings, examples), averaged over seeds; shape (weightings,)."""
    if sample.counts is None:
        means: Floats = weights @ sample.means / weights.sum(axis=1)
        return means
    _, n, parts, labels = sample.counts.shape
    step = max(1, _FLOATS_AT_ONCE // (parts * labels))
    found = np.zeros(len(weights))
    for counts in sample.counts:
        flat = counts.reshape(n, parts * labels)
        for start in range(0, len(weights), step):
            totals = weights[start : start + step] @ flat
            found[start : start + step] += macro_f1(totals.reshape(-1, parts, labels)) / sample.seeds
    return found
