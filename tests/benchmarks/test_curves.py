"""The intervals of learning curves hold a known truth about as often as they say."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def curves(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark, which is not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import curves

    return curves


def test_the_interval_of_a_crossing_holds_the_truth_as_often_as_it_says(curves: ModuleType) -> None:
    """200 runs: by chance alone, 95 % would be seen as less than 91 % once in 150 times."""
    found = curves.simulate(curves.CASES[0], runs=200, resamples=200)
    assert found.truth == pytest.approx(143, abs=1)
    assert found.crossing >= 0.91
    assert found.wrong <= 0.05
    assert found.gains >= 0.9
    assert found.bounded > 0.5  # not by saying nothing
    assert found.octaves < 2.5


def test_one_that_never_passes_is_not_said_to(curves: ModuleType) -> None:
    (case,) = [case for case in curves.CASES if case.name == "no crossing"]
    found = curves.simulate(case, runs=40, resamples=200)
    assert found.truth is None
    assert found.wrong <= 0.05


def test_the_table_has_a_row_for_each_case(curves: ModuleType) -> None:
    found = [curves.simulate(case, runs=2, resamples=50) for case in curves.CASES]
    text = curves.table(found)
    assert all(f"| {case.name} |" in text for case in curves.CASES)
