"""The families of learning curve shapes that are averaged over, each on a grid of its parameters.

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

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from advisor.verdict.sample import Floats

FAMILIES = {"logistic": 1.0, "power law": 1.0, "exponential": 1.0, "logarithm": 1.0, "step": 0.25}
"""How likely each is before anything is measured, beside the others; steps are rare (LCDB)."""
_BELOW, _ABOVE = 8.0, 8.0
"""The grid of places reaches from the smallest size / 8 to the largest size * 8."""
_STEEP = 15.0

_Missing = Callable[[Floats, Floats, Floats], Floats]
"""What is still missing at n under two parameters, in any unit; falls with n."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """All candidate shapes over the measured sizes.

    Attributes:
        sizes: the smallest and the largest measured one.
        members: for each family its function of the missing part, and its two parameters; shape (shapes of the family,
            1) each.
        prior: prior probabilities; shape (shapes,), with sum 1.
        room: the rise of each beyond the largest measured size until its end, in units of its rise until then; the
            logarithm ends at the farthest size considered; shape (shapes,).
    """

    sizes: Floats
    members: Mapping[str, tuple[_Missing, Floats, Floats]]
    prior: Floats
    room: Floats

    def rise(self, n: Floats) -> Floats:
        """The relative rise at numbers of training examples; shape (shapes, sizes)."""
        found = []
        for missing, a, b in self.members.values():
            ends = missing(a, b, self.sizes)
            found.append((ends[:, :1] - missing(a, b, n)) / (ends[:, :1] - ends[:, 1:]))
        return np.concatenate(found)

    def by_family(self, values: Floats) -> Mapping[str, float]:
        """The sum over the shapes of each family."""
        edges = np.cumsum([len(a) for _, a, _ in self.members.values()])[:-1]
        return {name: float(part.sum()) for name, part in zip(self.members, np.split(values, edges), strict=True)}


def shapes(sizes: Floats, farthest: float) -> Shapes:
    """Build the shapes for measured sizes (two at least, rising), used up to the farthest size."""
    first, last = float(sizes[0]), float(sizes[-1])
    places = np.geomspace(first / _BELOW, last * _ABOVE, 49)
    offsets = np.concatenate([[0.0], np.geomspace(first / 2, last, 5)])
    steps = np.geomspace(first, last, 12 * len(sizes) + 1)[1:-1]
    families: dict[str, tuple[_Missing, Floats, Floats]] = {
        "logistic": (_logistic, places, np.geomspace(0.4, 4.0, 9)),
        "power law": (_power, offsets, np.geomspace(0.1, 2.0, 9)),
        "exponential": (_exponential, places, np.geomspace(0.3, 2.0, 7)),
        "logarithm": (_logarithm, offsets, np.zeros(1)),
        "step": (_logistic, steps, np.full(1, _STEEP)),
    }
    members, prior, room = {}, [], []
    for name, (missing, one, other) in families.items():
        a, b = (grid.reshape(-1, 1) for grid in np.meshgrid(one, other, indexing="ij"))
        far = farthest if name == "logarithm" else np.inf
        start, stop, end = missing(a, b, np.array([first, last, far])).T
        # Not those of which all the rise lies beyond the sizes, or before them.
        inside = (start - end >= 1e-9) & (start - stop >= 1e-6 * (start - end))
        members[name] = (missing, a[inside], b[inside])
        prior.append(np.full(inside.sum(), FAMILIES[name] / inside.size))
        room.append(((stop - end) / np.where(inside, start - stop, 1.0))[inside])
    weights = np.concatenate(prior)
    return Shapes(np.array([first, last]), members, weights / weights.sum(), np.concatenate(room))


def _logistic(half: Floats, steepness: Floats, n: Floats) -> Floats:
    found: Floats = 1 / (1 + (n / half) ** steepness)
    return found


def _power(offset: Floats, exponent: Floats, n: Floats) -> Floats:
    found: Floats = (n + offset) ** -exponent
    return found


def _exponential(scale: Floats, power: Floats, n: Floats) -> Floats:
    found: Floats = np.exp(-((n / scale) ** power))
    return found


def _logarithm(offset: Floats, _: Floats, n: Floats) -> Floats:
    found: Floats = -np.log(n + offset)
    return found
