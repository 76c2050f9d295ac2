"""The noise floor of regret: how much of the best measured quality is selection by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from advisor.verdict.sample import Sample

DRAWS = 200  # of halves, each of which chooses once


def halved(samples: Sequence[Sample]) -> float:
    """The mean quality, on one half of the test examples, of the approach that is best on the other half.

    Choosing by half of the examples is less sure than choosing by all, so this is at most what a choice by all of them
    is worth on others.
    """
    n = samples[0].n
    rng = np.random.default_rng(0)
    worth = []
    for _ in range(DRAWS):
        order = rng.permutation(n)
        chosen_by, judged_by = order[: n // 2], order[n // 2 :]
        reached = np.array([_on(sample, chosen_by) for sample in samples])
        best = np.flatnonzero(reached >= reached.max() - 1e-9)
        worth.append(np.mean([_on(samples[one], judged_by) for one in best]))
    return float(np.mean(worth))


def _on(sample: Sample, rows: NDArray[np.intp]) -> float:
    counts = None if sample.counts is None else tuple(each.take(rows) for each in sample.counts)
    return Sample(sample.spec, sample.scores[:, rows], counts).quality
