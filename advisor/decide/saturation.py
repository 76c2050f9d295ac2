"""Saturating curves through the qualities that were measured at a few numbers of training examples.

The family is that of Morgan, Mercer & Flodin 1975, one of those compared on learning curves by Mohr, Viering, Loog &
van Rijn 2022 (LCDB):

    q(n) = limit - drop / (1 + (n / half)^steepness)

Far right of `half` it is the power law limit - b * n^-steepness that learning curves are known to follow (Figueroa
et al. 2012; Viering & Loog 2021, "The Shape of Learning Curves"), with steepness 1 it is the power law with an offset,
and with more it has the slow start of weights that learn nothing from a handful of examples, which no power law has.
Quality is taken to lie between 0 and 1 and never to fall as examples are added: an assumption, and the one that
callers have to check (Viering & Loog list curves that do fall).

Given half and steepness the curve is linear in the rest, so that the best curve is found exactly for each point of a
grid over the two (variable projection, Golub & Pereyra 1973), for thousands of resamples at once, without starting
values.

A few sizes cannot settle four parameters. Therefore half and steepness are held, by as much as the noise of the
measurement lets them, to what is usual: steepness about 1, half somewhere around the measured sizes (`_STEEPNESS`,
`_HALF`). In each resample they are held to a value drawn from that range instead of to its centre, so that what the
data leave open is as wide in the intervals as it is in truth (sample-then-optimise; randomised maximum likelihood,
Oliver, He & Reynolds 1996). With two sizes the range of shapes is all there is to the bend; with four it is mostly
the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from advisor.decide.sample import Floats

ASSUMPTION = "Curves are taken to be saturating (Morgan, Mercer & Flodin 1975), between 0 and 1, and never to fall."
_STEEPNESS = 0.6
"""Standard deviation of log steepness around 0: 95 % lie between 0.3 and 3.2."""
_HALF = 2.0
"""Standard deviation of log half around the middle of the measured sizes: a factor of 7 either way."""
_STEEPNESSES = np.geomspace(0.3, 4.0, 13)
_HALVES = 25
_BELOW, _ABOVE = 20.0, 8.0
"""The grid of half reaches from the smallest size / 20 to the largest size * 8."""
_FLOATS_AT_ONCE = 2_000_000


@dataclass(frozen=True, eq=False)
class Fitted:
    """Curves, one for each row of qualities that was fitted.

    Attributes:
        limit, drop, half, steepness: as in the formula; shape (curves,) each.
    """

    limit: Floats
    drop: Floats
    half: Floats
    steepness: Floats

    def at(self, sizes: Sequence[float] | Floats) -> Floats:
        """The quality at numbers of training examples; shape (curves, sizes)."""
        n = np.asarray(sizes, dtype=np.float64)
        fall = _fall(n, self.half[:, None], self.steepness[:, None])
        value: Floats = self.limit[:, None] - self.drop[:, None] * fall
        return np.clip(value, 0.0, 1.0)


def fit(sizes: Sequence[int], qualities: Floats, rng: np.random.Generator) -> Fitted:
    """The best curve for each row of qualities.

    Args:
        sizes: at least two, rising.
        qualities: shape (1 + resamples, sizes). The first row is what was measured; the others are resamples, of
            which the noise of the measurement is estimated.
        rng: draws the shapes to which the resamples are held.
    """
    grid = _Grid(np.asarray(sizes, dtype=np.float64))
    noise = _noise(qualities[1:])
    held = np.concatenate([[grid.centre], rng.choice(grid.size, len(qualities) - 1, p=grid.shares)])
    step = max(1, _FLOATS_AT_ONCE // grid.size)
    parts = [
        grid.best(qualities[start : start + step], noise, held[start : start + step])
        for start in range(0, len(qualities), step)
    ]
    first, gain, chosen = (np.concatenate(part) for part in zip(*parts, strict=True))
    drop = gain / grid.first_fall[chosen]
    return Fitted(first + gain, drop, grid.half[chosen], grid.steepness[chosen])


def _noise(resamples: Floats) -> float:
    """Variance of a quality beyond what all sizes share, which moves the level of a curve and not its shape."""
    sizes = resamples.shape[1]
    apart = resamples - resamples.mean(axis=1, keepdims=True)
    return float(apart.var(axis=0).mean() * sizes / (sizes - 1))


def _fall(n: Floats, half: Floats, steepness: Floats) -> Floats:
    """What is still missing at n, from 1 at none to 0."""
    fall: Floats = 1 / (1 + (n / half) ** steepness)
    return fall


class _Grid:
    """Shapes (half, steepness), and for each the rise from 0 at the smallest size to 1 in the limit."""

    def __init__(self, sizes: Floats) -> None:
        halves = np.geomspace(sizes[0] / _BELOW, sizes[-1] * _ABOVE, _HALVES)
        self.half, self.steepness = (a.ravel() for a in np.meshgrid(halves, _STEEPNESSES, indexing="ij"))
        self.size = len(self.half)
        middle = math.exp(np.log(sizes).mean())
        # Coordinates in which the usual range is a standard normal distribution.
        place = np.stack([np.log(self.half / middle) / _HALF, np.log(self.steepness) / _STEEPNESS])
        self._apart = ((place[:, :, None] - place[:, None]) ** 2).sum(axis=0)
        weight = np.exp(-(place**2).sum(axis=0) / 2)
        self.shares: Floats = weight / weight.sum()
        self.centre = int(weight.argmax())
        fall = _fall(sizes, self.half[:, None], self.steepness[:, None])
        self.first_fall: Floats = fall[:, 0]
        self._rise: Floats = 1 - fall / fall[:, :1]

    def best(self, q: Floats, noise: float, held: NDArray[np.int64]) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Quality at the smallest size, gain from there to the limit, and number of the shape; shape (rows,) each."""
        rise = self._rise
        count = rise.shape[1]
        sum_q, sum_qh, sum_h, sum_hh = q.sum(1)[:, None], q @ rise.T, rise.sum(1), (rise**2).sum(1)
        scatter = sum_hh - sum_h**2 / count
        gain = (sum_qh - sum_q * sum_h / count) / np.maximum(scatter, 1e-300)
        first = (sum_q - gain * sum_h) / count
        fine = (gain >= 0) & (first >= 0) & (first + gain <= 1)

        def misfit(first: Floats, gain: Floats) -> Floats:
            """Sum of squares, short of that of the qualities themselves."""
            value: Floats = (
                count * first**2 + 2 * first * gain * sum_h + gain**2 * sum_hh - 2 * (first * sum_q + gain * sum_qh)
            )
            return value

        # Where the best lies outside, the best inside lies on an edge: flat, from nothing, or up to 1.
        flat = np.broadcast_to(sum_q / count, gain.shape)
        from_nothing = np.clip(sum_qh / np.maximum(sum_hh, 1e-300), 0, 1)
        sum_missing = (count - sum_h) - (sum_q - sum_qh)  # of (1 - q) * (1 - rise)
        up_to_one = np.clip(sum_missing / (count - 2 * sum_h + sum_hh), 0, 1)
        nought = np.zeros_like(gain)
        edges = [(flat, nought), (nought, from_nothing), (1 - up_to_one, up_to_one)]
        costs = np.stack([misfit(*edge) for edge in edges])
        which = costs.argmin(axis=0)
        first = np.where(fine, first, np.choose(which, [edge[0] for edge in edges]))
        gain = np.where(fine, gain, np.choose(which, [edge[1] for edge in edges]))
        cost = np.where(fine, misfit(first, gain), costs.min(axis=0))
        chosen = (cost + max(noise, 1e-9) * self._apart[held]).argmin(axis=1)
        rows = np.arange(len(q))
        return first[rows, chosen], gain[rows, chosen], chosen
