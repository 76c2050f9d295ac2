"""What probes measured of the very approaches, joined with what is expected of them.

A probe fits an approach to fewer examples than there will be, and judges it on others than the test set has; so its
reading is taken as uncertain as `WIDER` times its interval. Expectation and reading are then weighed by their
precision, as angles. What that says of how approaches stand to each other is weighed in `level.told_apart`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import NormalDist

from advisor.advise.expected import Expected
from advisor.advise.level import half
from advisor.advise.readings import Probes, Reading
from advisor.advise.scale import angle, around, quality

NEARLY_ALL = 0.75
"""Share of the training examples with which an approach has to have been probed for its reading to be of that one."""
LEARN_NOTHING = ("zero-shot", "rag")
FEWEST = 16  # examples that a reading has to rest on
WIDER = 2.5
MOSTLY = 0.5  # weight of the reading from which on what comes of it is called measured
_Z = NormalDist().inv_cdf(0.975)
_LEAST = 0.02  # no standard deviation is taken to be smaller


def observed(expected: Mapping[str, Expected], probes: Probes | None, train: int) -> dict[str, Expected]:
    """The expectations, with the readings of these very approaches taken in.

    Args:
        expected: by spec; what is measured already stays as it is.
        train: training examples that the approaches will have.
    """
    readings = {
        one.name: one
        for one in (probes.readings if probes else ())
        if one.name in expected and expected[one.name].basis != "measured" and _tells(one, expected[one.name], train)
    }
    found = dict(expected)
    for spec, reading in readings.items():
        found[spec] = _joined(expected[spec], reading)
    return found


def _tells(reading: Reading, one: Expected, train: int) -> bool:
    """Whether it is of this very approach, or of one that knew less and still did better than expected."""
    enough = reading.train >= NEARLY_ALL * train or reading.name in LEARN_NOTHING
    return reading.n >= FEWEST and (enough or reading.value > one.value)


def _joined(one: Expected, reading: Reading) -> Expected:
    before, seen = (half(one) / _Z) ** 2, _variance(reading)
    share = before / (before + seen)
    value = quality(angle(one.value) + share * (angle(reading.value) - angle(one.value)))
    low, high = around(value, _Z * math.sqrt(before * seen / (before + seen)))
    why = f"measured at {reading.value:.2f} on {reading.n} examples, joined with what was {one.basis}"
    basis = "measured" if share >= MOSTLY else one.basis
    return replace(one, value=value, low=low, high=high, basis=basis, why=why)


def _variance(reading: Reading) -> float:
    return max(_LEAST, WIDER * (angle(reading.high) - angle(reading.low)) / (2 * _Z)) ** 2
