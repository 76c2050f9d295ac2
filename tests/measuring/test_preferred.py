"""Preferences held out are weighed of every finished row that tells likelihoods, once, and go on after a kill."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.measuring.comparing import compare
from advisor.measuring.lines import lines
from advisor.measuring.preferred import AT_ONCE
from advisor.measuring.reading import read_comparison, record_path
from advisor.models import Capabilities
from advisor.tasks import Preference, Task

PAIRS = tuple(Preference(f"ask {n}", f"a good answer {n}", f"a bad {n}") for n in range(2 * AT_ONCE + 3))


@pytest.fixture
def preferring(numbers: Task) -> Task:
    return replace(numbers, preferences_held_out=PAIRS)


def test_every_row_that_asks_by_prompts_is_weighed_and_no_figure_depends_on_it(preferring, scorer, tmp_path):
    found = compare(preferring, scorer, ["zero-shot", "few-shot", "majority", "zero-shot:cot=true"], out=tmp_path)
    weighed = {run.spec: len(run.preferred.pairs) for run in found.runs}
    assert weighed == {"zero-shot": 35, "few-shot": 35, "majority": 0, "zero-shot:cot=true": 0}
    assert found.runs[0].preferred.pairs[0] == (-1.0, -2.0)
    assert found.task.preferences_held_out == 35
    path = record_path(next(tmp_path.glob("*/answers.jsonl")).parent, "zero-shot", 0)
    kinds = [line["type"] for line in lines(path)]
    assert kinds[-4:] == ["finished", "preferred", "preferred", "preferred"]
    asked = len(scorer.scored)
    assert asked == 70
    assert compare(preferring, scorer, ["zero-shot"], out=tmp_path).runs[0] == found.runs[0]
    assert len(scorer.scored) == asked


def test_after_a_kill_only_the_rest_is_weighed(preferring, scorer, tmp_path):
    whole = compare(preferring, scorer, ["zero-shot"], out=tmp_path)
    path = record_path(next(tmp_path.glob("*/answers.jsonl")).parent, "zero-shot", 0)
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[:-1]))
    scorer.scored.clear()
    assert compare(preferring, scorer, ["zero-shot"], out=tmp_path).runs == whole.runs
    assert scorer.scored == [(p.chosen, p.rejected) for p in PAIRS[2 * AT_ONCE :]]


def test_a_model_that_tells_no_likelihoods_is_not_asked(preferring, scorer, tmp_path):
    scorer.can = Capabilities(score=False, rows_at_once=16)
    assert compare(preferring, scorer, ["zero-shot"], out=tmp_path).runs[0].preferred.pairs == ()
    assert read_comparison(tmp_path).runs[0].status == "ok"
    assert scorer.scored == []
