"""Learning curves fitted through qualities at a few training set sizes, by Bayesian model averaging over families.

    q(n) = first + gain * rise(n)

with a rise of one of the `advisor.verdict.shapes`. Quality is taken to lie between 0 and 1 and never to fall as
examples are added: an assumption, and the one that callers have to check (Viering & Loog list curves that do fall).

Given its shape a curve is linear in the rest, so that the best one is found exactly for every shape (variable
projection, Golub & Pereyra 1973), for thousands of resamples at once, without starting values.

A few sizes settle neither the family nor its parameters, and each family has its own beyond them. So no shape is
chosen: each counts by how likely it makes what was measured (Bayesian model averaging, as in the extrapolation of
learning curves by Domhan, Springenberg & Hutter 2015), and to each resample a shape is fitted that is drawn by these
weights. What the data leave open is then as wide in the intervals as it is in truth. With two sizes the shapes are all
there is to the bend; with six it is mostly the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.verdict.sample import Floats
from advisor.verdict.shapes import Shapes, shapes

ASSUMPTION = (
    "Curves are averaged over families (logistic in the log of the size, power law, exponential, logarithm, step), "
    "each weighed by how well it fits; they are taken to lie between 0 and 1 and never to fall."
)
FARTHEST = 4
"""How far beyond the largest measured size a curve is followed, as a factor."""
_INEXACT = 0.01
"""Standard deviation of a true quality around the best curve of a family: none is exactly of one."""


@dataclass(frozen=True, eq=False)
class FittedCurves:
    """Fitted curves, one for each row of qualities.

    Attributes:
        weights: the weights of all shapes; shape (shapes,).
        average: first and gain of the best curve of each shape through the first row; shape (2, shapes).
        curves: first and gain for each other row; shape (2, rows - 1).
        chosen: its shape; shape (rows - 1,).
    """

    shapes: Shapes
    weights: Floats
    average: Floats
    curves: Floats
    chosen: NDArray[np.int64]

    def at(self, sizes: Sequence[float] | Floats) -> Floats:
        """The quality at numbers of training examples; shape (rows, sizes). The first row is the model average."""
        rise = self.shapes.rise(np.asarray(sizes, dtype=np.float64))
        first, gain = self.average[..., None]
        mean = np.clip(self.weights @ np.clip(first + gain * rise, 0.0, 1.0), 0.0, 1.0)  # sums end beyond by a bit
        first, gain = self.curves[..., None]
        return np.vstack([mean, np.clip(first + gain * rise[self.chosen], 0.0, 1.0)])

    @property
    def families(self) -> Mapping[str, float]:
        """The posterior weight of each family."""
        return self.shapes.by_family(self.weights)


def fit(sizes: Sequence[int], qualities: Floats, rng: np.random.Generator) -> FittedCurves:
    """Fit a curve to each row of qualities.

    Args:
        sizes: at least two, rising.
        qualities: shape (1 + resamples, sizes). The first row is what was measured; the others are resamples, of
            which the noise of the measurement is estimated.
        rng: draws the shapes of the resamples.
    """
    measured = np.asarray(sizes, dtype=np.float64)
    known = shapes(measured, FARTHEST * measured[-1])
    rise = known.rise(measured)
    every = np.arange(len(rise))
    first, gain, misfit = _best(rise, known.room, np.broadcast_to(qualities[0], rise.shape))
    noise = _noise(qualities[1:]) + _INEXACT**2
    # Beside the misfit, how large the share of all curves of a shape is that fits as well.
    scatter = ((rise - rise.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    likely = np.log(known.prior) - misfit / (2 * noise) - np.log(scatter) / 2
    weights = np.exp(likely - likely.max())
    weights /= weights.sum()
    chosen = rng.choice(every, len(qualities) - 1, p=weights)
    curves = np.stack(_best(rise[chosen], known.room[chosen], qualities[1:])[:2])
    return FittedCurves(known, weights, np.stack([first, gain]), curves, chosen)


def _noise(resamples: Floats) -> float:
    """The variance of a quality beyond what all sizes share, which moves a curve's level and not its shape."""
    sizes = resamples.shape[1]
    apart = resamples - resamples.mean(axis=1, keepdims=True)
    return float(apart.var(axis=0).mean() * sizes / (sizes - 1))


def _best(rise: Floats, room: Floats, q: Floats) -> tuple[Floats, Floats, Floats]:
    """First, gain and sum of squares of the best curve of each row's shape through the row; shape (rows,) each.

    Args:
        rise: the rise of the shapes at the sizes; shape (rows, sizes).
        room: the rise of each beyond the sizes; shape (rows,).
        q: qualities; shape (rows, sizes).
    """
    count, reach = rise.shape[1], 1 + room
    sum_q, sum_qh = q.sum(axis=1), (q * rise).sum(axis=1)
    sum_h, sum_hh = rise.sum(axis=1), (rise**2).sum(axis=1)
    gain = (sum_qh - sum_q * sum_h / count) / np.maximum(sum_hh - sum_h**2 / count, 1e-300)
    first = (sum_q - gain * sum_h) / count
    fine = (gain >= 0) & (first >= 0) & (first + gain * reach <= 1)
    # Where the best lies outside, the best inside lies on an edge: flat, from nothing, or up to 1.
    flat = sum_q / count
    from_nothing = np.clip(sum_qh / np.maximum(sum_hh, 1e-300), 0, 1 / reach)
    below = reach[:, None] - rise  # q = 1 - gain * below
    up_to_one = np.clip(((1 - q) * below).sum(axis=1) / (below**2).sum(axis=1), 0, 1 / reach)
    zero = np.zeros_like(gain)
    edges = ((flat, zero), (zero, from_nothing), (1 - up_to_one * reach, up_to_one))
    costs = np.stack([_squares(first, gain, rise, q) for first, gain in edges])
    which = costs.argmin(axis=0)
    first = np.where(fine, first, np.choose(which, [edge[0] for edge in edges]))
    gain = np.where(fine, gain, np.choose(which, [edge[1] for edge in edges]))
    return first, gain, _squares(first, gain, rise, q)


def _squares(first: Floats, gain: Floats, rise: Floats, q: Floats) -> Floats:
    found: Floats = ((q - first[:, None] - gain[:, None] * rise) ** 2).sum(axis=1)
    return found
