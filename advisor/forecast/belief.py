"""The joint estimate of all approaches' qualities: a shared level, differences between approaches, and probe readings.

Predicted one by one, approaches are ordered by the kinds of tasks that each was measured on as much as by their quality
here. Their differences on the same tasks order them better, but leave the level open. So the former give the level that
all share, and the latter each approach's difference to it.

A probe reading of an approach is combined with that by precision weighting, and moves its difference to the others as
far as its value. It moves no other approach: what it says of the task is in the expectations already, which were
learned with readings as features. Measurements confirm that (benchmarks/LOG.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from advisor.forecast.expected import Basis, Expected
from advisor.forecast.scale import LEAST, MOST, angle, around, beside, quality
from advisor.pilot.readings import ProbeReading

WIDER = 2.5
"""A probe fits an approach to fewer examples than there will be, and judges it on others than the test set has; so its
reading is taken as uncertain as this many times its interval."""
MOSTLY = 0.5  # weight of a reading from which on what comes of it is called measured
_NARROWEST = 1e-3  # no interval is narrower
_LEAST_READ = 0.04  # half the interval of a reading at least


@dataclass(frozen=True, slots=True)
class Belief:
    """The estimate of one approach on the arcsine scale; `half` and `apart` are half widths of 95 % intervals.

    Attributes:
        middle, half: the expected quality and the half width of its interval.
        ahead, apart: the difference to the reference and its half width; None where that was not learned.
        basis, why, tried, tasks: see `Expected`.
    """

    spec: str
    middle: float
    half: float
    ahead: float | None
    apart: float
    basis: Basis
    why: str
    tried: bool = True
    tasks: int | None = None

    @classmethod
    def of(cls, one: Expected) -> Belief:
        """Turn an estimate by rules or by counting into a belief, without a known difference to the reference."""
        low, middle, high = map(angle, (one.low, one.value, one.high))
        half = max(high - middle, middle - low)  # as it is where no end of the scale cuts it off
        return cls(one.spec, middle, half, None, 0.0, one.basis, one.why, one.tried, one.tasks)


def level(found: Mapping[str, Belief]) -> float:
    """The reference's quality on the arcsine scale: the precision-weighted mean of what each approach implies for it; 0
    where no difference is known.
    """
    known = [one for one in found.values() if one.ahead is not None]
    if not known:
        return 0.0
    weights = [1 / (max(_NARROWEST, one.half) ** 2 + one.apart**2) for one in known]
    return float(np.average([one.middle - (one.ahead or 0.0) for one in known], weights=weights))


def placed(one: Belief, shared: float, within: float) -> Belief:
    """Place an approach at its difference from the shared level, with half width `within`; unchanged where the
    difference is unknown.
    """
    if one.ahead is None:
        return one
    return replace(one, middle=min(MOST, max(LEAST, shared + one.ahead)), half=within)


def joined(found: Mapping[str, Belief], readings: Mapping[str, ProbeReading]) -> dict[str, Belief]:
    """Update the beliefs by probe readings of the same approaches, each weighted by its precision."""
    return {spec: _with(one, readings[spec]) if spec in readings else one for spec, one in found.items()}


def _with(one: Belief, reading: ProbeReading) -> Belief:
    own = min(one.half, one.apart or one.half) ** 2  # by which it is unsure by itself, the others not with it
    noise = max(_LEAST_READ, WIDER * (angle(reading.high) - angle(reading.low)) / 2) ** 2
    weight = own / (own + noise)
    moved = weight * (angle(reading.value) - one.middle)
    return replace(
        one,
        middle=one.middle + moved,
        half=math.sqrt(one.half**2 - weight * own),
        ahead=None if one.ahead is None else one.ahead + moved,
        apart=math.sqrt(max(0.0, one.apart**2 - weight * own)),
        basis="measured" if weight >= MOSTLY else one.basis,
        tasks=None if weight >= MOSTLY else one.tasks,
        why=f"measured at {reading.value:.2f} on {reading.n} examples, joined with what was {one.basis}",
    )


def expectations(found: Mapping[str, Belief], reference: str) -> dict[str, Expected]:
    """Convert beliefs from the arcsine scale to qualities."""
    return {spec: _expected(one, found.get(reference)) for spec, one in found.items()}


def _expected(one: Belief, reference: Belief | None) -> Expected:
    value = quality(one.middle)
    low, high = around(value, one.half)
    told = Expected(one.spec, value, low, high, one.basis, one.why, tried=one.tried, tasks=one.tasks)
    if one.ahead is None:
        return told
    middle, spread = (one.middle - one.ahead, one.half) if reference is None else (reference.middle, reference.half)
    ahead, unsure = beside(quality(middle), spread, one.ahead, one.apart)
    return replace(told, edge=ahead, unsure=unsure)
