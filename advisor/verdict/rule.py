"""The decision rule on arrays: for the measurements, and for many draws of possible ones.

The best takes the first place. A cheaper approach takes it over only if it is shown to be worse than the best by less
than the margin, never because the test set is too small to tell them apart. Among those that qualify, the cheapest wins
that is settled against every rival: shown better than it, or cheaper and shown no worse by the margin. If none is
settled, the best is named provisionally.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.verdict.sample import Floats

Bools = NDArray[np.bool_]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Costs:
    """The costs of the approaches, as far as the rule needs them.

    Attributes:
        cheaper: whether the approach of the row is cheaper than that of the column; shape (approaches, approaches).
        order: the approaches, cheapest first; shape (approaches,).
    """

    cheaper: Bools
    order: Places


@dataclass(frozen=True)
class Chosen:
    """The choice in each draw.

    Attributes:
        approach: position of the chosen one; shape (draws,).
        settled: against every rival; shape (draws,).
    """

    approach: Places
    settled: Bools


@dataclass(frozen=True)
class Bars:
    """Thresholds on a measured difference, first minus second; each of shape (approaches, approaches).

    Attributes:
        better: above which the first is shown to be better than the second.
        no_worse: above which it is shown to be worse by less than the margin.
    """

    better: Floats
    no_worse: Floats

    def choose(self, quality: Floats, costs: Costs) -> Chosen:
        """Choose in every draw; `quality` has the shape (draws, approaches)."""
        gaps = quality[:, :, None] - quality[:, None, :]
        return apply(quality, gaps > self.better, gaps > self.no_worse, costs)


def apply(quality: Floats, better: Bools, no_worse: Bools, costs: Costs) -> Chosen:
    """Choose in every draw.

    Args:
        quality: shape (draws, approaches).
        better: whether the approach of the row is shown to be better than that of the column; shape (draws,
            approaches, approaches).
        no_worse: whether it is shown to be worse by less than the margin; same shape.
    """
    draws, size = quality.shape
    every = np.arange(draws)
    best = quality.argmax(axis=1)
    cheap = costs.cheaper & no_worse
    itself = np.eye(size, dtype=bool)
    settled: Bools = np.all(better | cheap | itself, axis=2)
    chosen = best.copy()
    taken = np.zeros(draws, dtype=bool)
    for approach in costs.order:
        takes = ~taken & settled[:, approach] & cheap[every, approach, best]
        chosen[takes] = approach
        taken |= takes
    return Chosen(chosen, settled[every, chosen])
