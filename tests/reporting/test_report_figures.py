"""Figures in words."""

from __future__ import annotations

import pytest

from advisor.reporting import figures
from advisor.reporting.statements import settings
from advisor.verdict.cells import Interval
from advisor.verdict.decision import LatencySummary

NAN = float("nan")


@pytest.mark.parametrize(
    ("seconds", "words", "compact"),
    [
        (None, "unknown", "unknown"),
        (NAN, "unknown", "unknown"),
        (0.0, "<0.1 s", "<0.1 s"),
        (0.31, "0.3 s", "0.3 s"),
        (9.97, "10 s", "10 s"),
        (59.4, "59 s", "59 s"),
        (59.7, "1 min", "1.0 min"),
        (100, "1 min 40 s", "1.7 min"),
        (3599.8, "1 h", "1.0 h"),
        (7500, "2 h 5 min", "2.1 h"),
        (40000, "11 h 6 min", "11 h"),
        (100000, "1 d 3 h", "1.2 d"),
    ],
)
def test_durations(seconds: float | None, words: str, compact: str) -> None:
    assert figures.duration(seconds) == words
    assert figures.duration(seconds, compact=True) == compact


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        (None, "unknown"),
        (NAN, "unknown"),
        (0.0, "$0"),
        (3e-8, "<$0.0001"),
        (0.00421, "$0.0042"),
        (0.0996, "$0.10"),
        (1.234, "$1.23"),
        (9.97, "$9.97"),
        (1234.0, "$1,234"),
        (-0.5, "-$0.50"),
    ],
)
def test_money(usd: float | None, words: str) -> None:
    assert figures.money(usd) == words


def test_quality_and_differences() -> None:
    assert figures.quality(Interval(0.6123, 0.511, 0.709)) == "0.612 [0.51, 0.71]"
    assert figures.quality(Interval(0.6123, NAN, 0.709)) == "0.612"
    assert figures.quality(None) == "unknown"
    assert figures.decimals(-0.0001, signed=True) == "0.000"
    assert figures.decimals(0.0432, signed=True) == "+0.043"
    assert figures.decimals(-0.0001, 2) == "0.00"
    assert figures.p_value(0.0004) == "<0.001"
    assert figures.p_value(None) == "unknown"


def test_the_other_figures() -> None:
    assert figures.latency(LatencySummary(81.2, 1240.7, 30.0, 20)) == "81 / 1,241"
    assert figures.latency(LatencySummary(0.004, 3.21, 0.0, 20), compact=True) == "<1/3.2"
    assert figures.latency(LatencySummary(NAN, NAN, NAN, 0)) == "unknown"
    assert figures.size(1_310_000_000) == "1.31 GB"
    assert figures.size(999_900) == "1 MB"
    assert figures.parameters(134_515_008) == "135 M"
    assert figures.parameters(0) == "unknown"
    assert figures.amount(12.4) == "12.4" and figures.amount(10000) == "10,000"


def test_settings_in_words() -> None:
    values: dict[str, object] = {"batch": 16, "limit": None, "gpu": {"name": "H100", "gb": 80.0}}
    values |= {"cached": True, "specs": ["a", "b"]}
    assert settings(values.items()) == "batch 16, gpu (name H100, gb 80), cached yes, specs a b"
