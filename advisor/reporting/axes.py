"""Axes of pictures, with round places on them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from advisor.reporting import figures
from advisor.reporting.pictures import Axis

ROOM = 0.06
"""The share of an axis that stays free at its ends."""
_CLOCK = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400)
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most so many multiples of a round step within the ends, rising."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    for step in (factor * scale for scale in (power, 10 * power) for factor in _STEPS):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [round(number * step, 12) + 0.0 for number in range(first, last + 1)]
    return [low, high]


def time_ticks(end: float, most: int = 6) -> list[float]:
    """Seconds from 0 at steps that a clock has."""
    step = next((step for step in _CLOCK if end / step <= most), 86_400.0 * math.ceil(end / 86_400 / most))
    return [number * step for number in range(int(end / step) + 1)]


def log_ticks(left: float, right: float) -> list[float]:
    """Three places at least, where there are so many, between two powers of ten; their exponents are given."""
    inside: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [s * 10.0**power for power in range(math.floor(left), math.ceil(right) + 1) for s in steps]
        inside = [t for t in ticks if left <= math.log10(t) <= right]
        if len(inside) >= 3:
            return inside
    return inside if len(inside) == 2 else [10**left, 10**right]


def linear_axis(title: str, values: Iterable[float], signed: bool = False) -> Axis:
    """An axis on which all values have a place; those that are infinite or no numbers are left out."""
    found = [value for value in values if math.isfinite(value)]
    low, high = min(found), max(found)
    if high - low < 0.02:
        low, high = low - 0.01, high + 0.01
    room = ROOM * (high - low)
    low, high = low - room, high + room
    ticks = linear_ticks(low, high)
    digits = 2 if all(abs(tick - round(tick, 2)) < 1e-9 for tick in ticks) else 3
    return Axis(title, low, high, tuple((tick, figures.decimals(tick, digits, signed)) for tick in ticks))


def share_axis(title: str) -> Axis:
    """An axis of shares, from 0 to 1."""
    return Axis(title, 0.0, 1.0, tuple((tick, f"{tick:.1f}") for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)))
