"""Figures in words: durations, money, sizes, quality. An unknown figure reads "unknown", never 0."""

from __future__ import annotations

import math

from advisor.verdict import words
from advisor.verdict.cells import Interval
from advisor.verdict.decision import LatencySummary

UNKNOWN = "unknown"


BUSY = "~"
"""Stands behind a figure of time or money from a busy machine."""


def marked(text: str, busy: bool) -> str:
    """A figure with the mark of a busy machine where it applies."""
    return text + BUSY if busy and text and text != UNKNOWN else text


def known(value: float | None) -> float | None:
    """The value; None where it is None, infinite or not a number."""
    return value if value is not None and math.isfinite(value) else None


def decimals(value: float | None, digits: int = 3, signed: bool = False) -> str:
    """A figure with fixed decimals and without a negative zero: `0.612`; with a sign `+0.043`."""
    if known(value) is None or value is None:
        return UNKNOWN
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}.{digits}f}"


def quality(interval: Interval | None) -> str:
    """A value with its interval: `0.612 [0.51, 0.71]`."""
    if interval is None or known(interval.value) is None:
        return UNKNOWN
    if known(interval.low) is None or known(interval.high) is None:
        return decimals(interval.value)
    return f"{decimals(interval.value)} [{decimals(interval.low, 2)}, {decimals(interval.high, 2)}]"


def percent(share: float) -> str:
    """A share in per cent: `80 %`, `12.5 %`."""
    return f"{amount(round(100 * share, 1))} %"


def p_value(p: float | None) -> str:
    """A p-value to three decimals: `0.012`, `<0.001`."""
    if known(p) is not None and p is not None and p < 0.001:
        return "<0.001"
    return decimals(p)


def significant(value: float, digits: int = 2) -> float:
    """The value rounded to so many significant digits."""
    return float(f"{value:.{digits - 1}e}")


def count(value: float | None) -> str:
    """A whole number with thousands marked: `10,000`."""
    return UNKNOWN if known(value) is None else f"{value:,.0f}"


def amount(value: float | None) -> str:
    """A number as a person writes it: `10,000`, `7`, `0.5`."""
    if known(value) is None or value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def money(usd: float | None) -> str:
    """US dollars: `$0.0042`, `$1,234`."""
    return UNKNOWN if usd is None or known(usd) is None else words.usd(usd)


def total(fit: float | None, index: float | None) -> float | None:
    """Seconds until the first query can be answered: fitting, plus indexing where there is any."""
    return None if fit is None else fit + (index or 0.0)


def duration(seconds: float | None, compact: bool = False) -> str:
    """Seconds in words: `3.2 s`, `1 min 40 s`, `2 h 5 min`; compact: `1.7 min`, `2.1 h`."""
    return UNKNOWN if seconds is None or known(seconds) is None else words.duration(seconds, compact)


def milliseconds(ms: float | None) -> str:
    """Milliseconds with about two significant digits at least: `0.03`, `8.1`, `412`."""
    return UNKNOWN if ms is None or known(ms) is None else words.milliseconds(ms)


def latency(summary: LatencySummary | None, compact: bool = False) -> str:
    """Median and 95th percentile in milliseconds: `81 / 120`; compact: `81/120`."""
    if summary is None or known(summary.p50) is None or known(summary.p95) is None:
        return UNKNOWN
    both = ["<1" if ms < 1 else milliseconds(ms) for ms in (summary.p50, summary.p95)]
    return ("/" if compact else " / ").join(both)


def size(octets: float | None) -> str:
    """Bytes in the largest fitting unit: `1.2 GB` (powers of 1000)."""
    if known(octets) is None or octets is None:
        return UNKNOWN
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if octets >= 0.9995 * scale:
            return f"{_three(octets / scale)} {unit}"
    return f"{octets:.0f} B"


def parameters(number: float | None) -> str:
    """A number of weights: `135 M`, `1.5 B`; `unknown` where unknown or recorded as 0."""
    if known(number) is None or not number:
        return UNKNOWN
    for unit, scale in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * scale:
            return f"{_three(number / scale)} {unit}"
    return f"{number:.0f}"


def rate(flops: float) -> str:
    """Operations a second: `84 GFLOP/s`, `1.2 TFLOP/s`."""
    unit, scale = ("TFLOP/s", 1e12) if flops >= 0.9995e12 else ("GFLOP/s", 1e9)
    return f"{_three(flops / scale)} {unit}"


def _three(value: float) -> str:
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"
