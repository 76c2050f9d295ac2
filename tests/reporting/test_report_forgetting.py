"""What was forgotten, in every format."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from advisor.reporting.decision import decision_report
from advisor.reporting.document import document
from advisor.reporting.markdown import markdown
from advisor.reporting.terminal import terminal
from advisor.verdict.cells import Forgotten, Interval, OtherScore
from advisor.verdict.decision import Decision

LOST = OtherScore("[red] desk", "accuracy", 0.8, 0.6, Interval(-0.2, -0.3, -0.1), 96)
KEPT = OtherScore("trec6", "macro_f1", 0.5, 0.51, Interval(0.01, -0.04, 0.06), 100)
SLIGHT = Interval(-0.0004, -0.0006, -0.0002)


@pytest.fixture
def forgetful(full: Decision) -> Decision:
    """The first row forgot much, of the second only another task was measured, and the rest trains nothing."""
    first, second, *rest = full.rows
    worse = Forgotten(21.4, 28.03, Interval(1.31, 1.27, 1.35), 42, (LOST, KEPT))
    return replace(
        full,
        rows=(
            replace(first, forgotten=worse),
            replace(second, forgotten=Forgotten(None, None, None, 0, (KEPT,))),
            *rest,
        ),
    )


def test_on_a_screen(forgetful):
    text = terminal(decision_report(forgetful), width=100, color=False)
    assert "Forgetting: tuned against untuned weights" in text
    assert "x1.310 [1.270, 1.350]" in text
    flat = " ".join(text.split())
    assert "general text harder to predict: perplexity 21.4 untuned, 28.0 tuned" in flat
    assert "-0.200 [-0.30, -0.10] [red] desk lost: accuracy 0.800 untuned, 0.600 tuned, 96 examples" in flat
    assert flat.count("+0.010 [-0.04, +0.06] trec6 no change shown: macro F1 0.500 untuned, 0.510 tuned") == 2
    for line in terminal(decision_report(forgetful), width=80, color=False).splitlines():
        assert len(line) <= 80


def test_what_is_nothing_as_it_is_written_is_called_nothing(full):
    """However sure its direction is."""
    nothing = Forgotten(21.4, 21.4, Interval(0.9999, 0.9998, 0.99995), 42, (replace(LOST, difference=SLIGHT),))
    rows = (replace(full.rows[0], forgotten=nothing), *full.rows[1:])
    flat = " ".join(terminal(decision_report(replace(full, rows=rows)), width=100, color=False).split())
    assert "x1.000 [1.000, 1.000] general text no easier, no harder to predict" in flat
    assert "[red] desk neither lost nor gained" in flat
    assert "easier to predict:" not in flat and "desk lost" not in flat


def test_on_a_page(forgetful):
    text = markdown(decision_report(forgetful), width=80, color=False)
    assert "## Forgetting: tuned against untuned weights" in text
    assert "1.310 [1.270, 1.350]" in text
    assert "of these very trainings" in " ".join(text.split())


def test_for_programs(forgetful):
    rows = json.loads(json.dumps(document(forgetful)))["approaches"]
    assert rows[0]["forgetting"]["ratio"] == {"value": 1.31, "low": 1.27, "high": 1.35}
    assert rows[0]["forgetting"]["others"][0]["difference"]["value"] == -0.2
    assert rows[1]["forgetting"]["ratio"] is None
    assert "forgetting" not in rows[2]


def test_nothing_stands_there_where_nothing_was_measured(full):
    assert "Forgetting" not in terminal(decision_report(full), width=100, color=False)


def test_a_long_spec_leaves_its_figure_whole(forgetful):
    first, *rest = forgetful.rows
    spec = "lora:rank=8,epochs=1,schedule=cosine,decay=0.01,smoothing=0.1,checkpointing=always,targets=attention"
    for width in (80, 100):
        text = terminal(
            decision_report(replace(forgetful, rows=(replace(first, spec=spec), *rest))), width=width, color=False
        )
        assert "x1.310 [1.270, 1.350]" in text
        assert all(len(line) <= width for line in text.splitlines())
