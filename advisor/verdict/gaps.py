"""The largest difference in quality between groups, for each row: whether some groups are served worse.

Groups hold different examples, so that a difference is not paired: its variance is the sum of those of both groups,
each with its own degrees of freedom (Welch) and with two pseudo-examples at the ends of what could have been seen, as
Agresti & Caffo 2000 add them for shares. All pairs of groups and all rows are one family: the largest studentised
difference anywhere, were there none, is simulated by flipping the signs of the examples' deviations from their group
(the wild bootstrap of Wu 1986), the same for all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist

import numpy as np

from advisor.measuring.confusion import blocks
from advisor.measuring.student import VariancePart, half_width
from advisor.tasks.power import LEVEL
from advisor.verdict.paired import bounded, rounded
from advisor.verdict.resampling import ends
from advisor.verdict.sample import Sample
from advisor.verdict.seeds import seed_variance
from advisor.verdict.simultaneous import level_of
from advisor.verdict.slices import GroupGap
from advisor.verdict.subsets import Places, Subset
from advisor.verdict.within import FLIPS, Singles, part_of

_SEED = 20_261_201
_NORMAL = NormalDist()


def gaps(samples: Sequence[Sample], groups: Sequence[Subset]) -> tuple[GroupGap, ...]:
    """The largest gap of each row: of those that are shown, or of all where none is.

    Args:
        samples: rows over the same test examples, scored by a mean.
        groups: parts of the test set without an example in common; nothing is told of fewer than two.
    """
    if len(groups) < 2 or not samples:
        return ()
    level = _level(samples, groups)
    return tuple(_largest(sample, groups, level) for sample in samples)


def _largest(sample: Sample, groups: Sequence[Subset], level: float) -> GroupGap:
    known = [(part.name, *_moments(part_of(sample, part.places))) for part in groups]
    found = []
    for one, two in combinations(known, 2):
        (best, first, high, of_first), (worst, second, low, of_second) = sorted((one, two), key=lambda k: -k[1])
        half, centre = half_width([*of_first, *of_second], level), high - low
        difference = bounded(rounded(first - second, centre - half, centre + half))
        found.append(GroupGap(sample.spec, best, worst, difference, difference.excludes_zero))
    return max(found, key=lambda gap: (gap.shown, gap.difference.value))


def _moments(sample: Sample) -> tuple[float, float, tuple[VariancePart, ...]]:
    """The quality in a group, the centre of its intervals, and the parts of its variance."""
    values = np.concatenate([sample.means, ends(sample)])
    examples = VariancePart(float(values.var(ddof=1)) / values.size, sample.n + 1)
    return sample.quality, float(values.mean()), (examples, seed_variance(sample))


def _level(samples: Sequence[Sample], groups: Sequence[Subset]) -> float:
    """The level of a single gap at which that of all is 5 %."""
    pairs = np.array(list(combinations(range(len(groups)), 2)), dtype=np.intp)
    number = len(samples) * len(pairs)
    if number < 2:
        return LEVEL
    return level_of(np.sort(_maxima(samples, groups, pairs.T)), number)


def _maxima(samples: Sequence[Sample], groups: Sequence[Subset], pairs: Places) -> Singles:
    """The largest absolute studentised gap of each flip; shape (FLIPS,)."""
    means = np.stack([sample.means for sample in samples]).astype(np.float32)
    off = [means[:, part.places] - means[:, part.places].mean(axis=1, keepdims=True) for part in groups]
    off = [deviations / np.float32(part.n) for deviations, part in zip(off, groups, strict=True)]
    variance = np.stack([(deviations**2).sum(axis=1) for deviations in off], axis=1)
    rng, found = np.random.default_rng(_SEED), np.zeros(FLIPS, dtype=np.float32)
    first, second = pairs
    for rows in blocks(FLIPS, means.shape[1]):
        flips = (1 - 2 * rng.integers(0, 2, (rows.stop - rows.start, means.shape[1]), dtype=np.int8)).astype(np.float32)
        each = [deviations @ flips[:, part.places].T for deviations, part in zip(off, groups, strict=True)]
        sums = np.stack(each, axis=1)
        for row, of_groups in enumerate(variance):
            both = (of_groups[first] + of_groups[second])[:, None]
            scale = np.divide(1, np.sqrt(both), out=np.zeros_like(both), where=both > 0)
            largest = np.abs((sums[row][first] - sums[row][second]) * scale).max(axis=0)
            np.maximum(found[rows], largest, out=found[rows])
    return found
