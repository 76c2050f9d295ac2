"""The shapes that a learning curve may have: the families that are averaged over, each on a grid of its parameters.

Which family a curve is of cannot be told from a few sizes, and what lies beyond the largest of them is decided by it
more than by the noise of the measurement (Viering & Loog 2021, "The Shape of Learning Curves"; Mohr et al. 2022, LCDB).
A shape here rises from 0 at the smallest measured size to 1 at the largest:

- logistic in the log of the size, 1 / (1 + (n / half)^-steepness): Morgan, Mercer & Flodin 1975; with steepness 1 that
  of Michaelis & Menten; with more, the slow start of weights that learn nothing from a handful of examples;
- a power law with an offset, (n + offset)^-exponent (Figueroa et al. 2012);
- an exponential, stretched or not, exp(-(n / scale)^power), which is done sooner than those;
- the logarithm, log(n + offset), which is never done;
- a step, the logistic so steep that between two measured sizes all is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from advisor.decide.sample import Floats

FAMILIES = {"logistic": 1.0, "power law": 1.0, "exponential": 1.0, "logarithm": 1.0, "step": 0.25}
"""How likely each is before anything is measured, beside the others; steps are rare (LCDB)."""
_BELOW, _ABOVE = 8.0, 8.0
"""The grid of places reaches from the smallest size / 8 to the largest size * 8."""
_STEEP = 15.0

_Missing = Callable[[Floats], Floats]
"""What is still missing at n, in any unit; falls with n."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """All shapes over some measured sizes.

    Attributes:
        family: position in `FAMILIES`; shape (shapes,).
        prior: how likely each is before anything is measured; shape (shapes,), sums up to 1.
        room: how far each still rises beyond the largest measured size until its end, in units of its rise until then;
            the end of the logarithm is the farthest size that anything is said of; shape (shapes,).
    """

    sizes: Floats
    family: Floats
    prior: Floats
    room: Floats
    missing: Sequence[_Missing]

    def rise(self, n: Floats) -> Floats:
        """At numbers of training examples; shape (shapes, sizes)."""
        first, last = self.sizes[0], self.sizes[-1]
        ends = np.array([first, last])
        found = []
        for missing in self.missing:
            start, stop = missing(ends)
            found.append((start - missing(n)) / (start - stop))
        return np.array(found)


def shapes(sizes: Floats, farthest: float) -> Shapes:
    """The shapes for measured sizes (two at least, rising), of which nothing is said beyond the farthest."""
    first, last = float(sizes[0]), float(sizes[-1])
    places = np.geomspace(first / _BELOW, last * _ABOVE, 49)
    offsets = np.concatenate([[0.0], np.geomspace(first / 2, last, 5)])
    steps = np.geomspace(first, last, 12 * len(sizes) + 1)[1:-1]
    families: list[list[_Missing]] = [
        [partial(_logistic, half, s) for half in places for s in np.geomspace(0.4, 4.0, 9)],
        [partial(_power, offset, e) for offset in offsets for e in np.geomspace(0.1, 2.0, 9)],
        [partial(_exponential, scale, p) for scale in places for p in np.geomspace(0.3, 2.0, 7)],
        [partial(_logarithm, offset) for offset in offsets],
        [partial(_logistic, half, _STEEP) for half in steps],
    ]
    found, family, prior, room = [], [], [], []
    for number, (name, members) in enumerate(zip(FAMILIES, families, strict=True)):
        far = farthest if name == "logarithm" else np.inf
        for missing in members:
            start, stop, end = missing(np.array([first, last, far]))
            if start - stop < 1e-6 * (start - end) or start - end < 1e-9:
                continue  # all of its rise lies beyond the sizes, or before them
            found.append(missing)
            family.append(number)
            prior.append(FAMILIES[name] / len(members))
            room.append((stop - end) / (start - stop))
    weights = np.array(prior)
    return Shapes(sizes, np.array(family), weights / weights.sum(), np.array(room), found)


def _logistic(half: float, steepness: float, n: Floats) -> Floats:
    found: Floats = 1 / (1 + (n / half) ** steepness)
    return found


def _power(offset: float, exponent: float, n: Floats) -> Floats:
    found: Floats = (n + offset) ** -exponent
    return found


def _exponential(scale: float, power: float, n: Floats) -> Floats:
    found: Floats = np.exp(-((n / scale) ** power))
    return found


def _logarithm(offset: float, n: Floats) -> Floats:
    found: Floats = -np.log(n + offset)
    return found
