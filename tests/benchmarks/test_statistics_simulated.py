"""The simulations of the verdict's statistics: that they find what is wrong, and nothing where all is well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from advisor.verdict.sample import Sample
from advisor.verdict.seeds import MACRO_SPREAD, SPREAD
from benchmarks.statistics import contradictions, seeds
from benchmarks.statistics.drawing import Design, Truth, draw, judged
from benchmarks.statistics.experiments import EXPERIMENTS
from benchmarks.statistics.table import Line, write


def test_reports_do_not_contradict_themselves() -> None:
    assert contradictions.contradictory(np.random.default_rng(7), 25) == []


def test_a_contradiction_is_found() -> None:
    rng = np.random.default_rng(8)
    decision = contradictions.simulated_report(rng)
    place = next(i for i, row in enumerate(decision.rows) if row.versus_best is not None)
    row = decision.rows[place]
    assert row.versus_best is not None
    turned = replace(row, versus_best=replace(row.versus_best, shown=not row.versus_best.shown))
    rows = (*decision.rows[:place], turned, *decision.rows[place + 1 :])
    found = list(contradictions.contradictions(replace(decision, rows=rows)))
    assert f"star of {row.spec} against its letters" in found
    assert f"interval of {row.spec} against its p-value" in found


def test_the_truth_is_drawn_as_named() -> None:
    rng = np.random.default_rng(9)
    truths = [Truth(0.9), Truth(0.6, tuned=True, spread=0.05)]
    samples = draw(rng, truths, Design(4000, seeds=40))
    assert samples[0].quality == pytest.approx(0.9, abs=0.02)
    assert samples[1].seeds == 40
    assert samples[1].quality == pytest.approx(0.6, abs=0.04)
    assert seeds.spread(samples[1])["of_seeds"] == pytest.approx(0.05, abs=0.02)
    choice, _ = judged(samples, truths)
    assert choice.chosen is not None
    assert (choice.chosen.spec, choice.alternatives) == ("0", ())


def test_a_bound_is_missed_beyond_chance_only() -> None:
    assert not Line("a", "b", 0.05, 0.06, 400, most=True).missed
    assert Line("a", "b", 0.05, 0.09, 400, most=True).missed
    assert not Line("a", "b", 0.95, 0.5, 400).missed


def test_every_cell_runs_and_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    lines = list(EXPERIMENTS["power"][0](rng, 2))
    write({"power": lines}, (0, 25), tmp_path / "statistics.md")
    text = (tmp_path / "statistics.md").read_text()
    assert text.count("decided for the best") == 5
    assert "Contradictions in 25 simulated reports: **0**" in text


def test_the_prior_is_what_was_measured() -> None:
    found = seeds.measured()
    assert len(found) >= 6
    assert seeds.prior(found) == pytest.approx((SPREAD, MACRO_SPREAD), abs=0.005)


def test_spread_needs_several_seeds() -> None:
    with pytest.raises(ValueError, match="seeds"):
        seeds.spread(Sample("a", np.ones((1, 20))))
