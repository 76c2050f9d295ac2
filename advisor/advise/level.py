"""One table of two kinds of knowledge: how good each approach is, and how they stand to each other.

Expected one by one, approaches are ordered by the kinds of tasks that each was measured on as much as by what they are
worth here. Their differences on the same tasks order them better, but leave open how good they all are. So the first
tell the level that all share, and the second what each has more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from advisor.advise.expected import Expected
from advisor.advise.scale import angle, around

_LEAST = 1e-3  # no interval is narrower


def level(found: Mapping[str, Expected]) -> float:
    """Of the reference: the mean of what each approach says of it, weighed by how sure value and edge are; 0 where no
    edge is known."""
    known = [one for one in found.values() if one.edge is not None]
    if not known:
        return 0.0
    weights = [1 / (max(_LEAST, half(one)) ** 2 + one.unsure**2) for one in known]
    return float(np.average([one.value - (one.edge or 0.0) for one in known], weights=weights))


def half(one: Expected) -> float:
    """Of the width of its 95 % interval, an angle, as it is where no end of the scale cuts it off."""
    low, middle, high = map(angle, (one.low, one.value, one.high))
    return max(high - middle, middle - low)


def told_apart(alone: Mapping[str, Expected], seen: Mapping[str, Expected], reference: str) -> dict[str, Expected]:
    """The expectations before anything was measured, with edges that take in what was.

    How far a measured approach lies from what is expected of the reference is a second opinion of its edge; the two are
    weighed by their precision.

    Args:
        alone, seen: before and after readings were joined.
    """
    found, middle = dict(alone), seen.get(reference)
    for spec, one in seen.items():
        edge = alone[spec].edge
        if middle is None or edge is None or spec == reference or one is alone[spec]:
            continue
        apart, unsure = one.value - middle.value, math.hypot(half(one), half(middle))
        learned, direct = (1 / max(_LEAST, within) ** 2 for within in (alone[spec].unsure, unsure))
        share = direct / (learned + direct)
        found[spec] = replace(alone[spec], edge=edge + share * (apart - edge), unsure=(learned + direct) ** -0.5)
    return found


def placed(one: Expected, shared: float, within: float) -> Expected:
    """The expectation at its distance from the level; unchanged where its edge is not known.

    Args:
        within: half the width of its 95 % interval, an angle.
    """
    if one.edge is None:
        return one
    value = min(1.0, max(0.0, shared + one.edge))
    low, high = around(value, within)
    return replace(one, value=value, low=low, high=high)
