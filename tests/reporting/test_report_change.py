"""What a change of the documents did, in every format."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from advisor.measuring.records import Answer, ChangeFacts
from advisor.reporting.decision import decision_report
from advisor.reporting.document import document
from advisor.reporting.grid import fit
from advisor.reporting.markdown import markdown
from advisor.reporting.tables import abstention
from advisor.reporting.terminal import terminal
from advisor.verdict.cells import Abstention, Interval
from advisor.verdict.decision import Decision, Staleness

LOST = Staleness(
    Interval(0.41, 0.32, 0.5), 60, True, 1.5, Interval(-0.21, -0.3, -0.12), paired=58, loses=True, outcome="lost"
)


@pytest.fixture
def changed(full: Decision) -> Decision:
    """The first row lost, of the second only the quality is known, and the others were not measured."""
    first, second, *rest = full.rows
    unknown = Staleness(Interval(0.5, 0.4, 0.6), 60, True)
    change = ChangeFacts("c", {f"q{i}": Answer(("yes",)) for i in range(60)}, 3)
    comparison = replace(full.comparison, change=change)
    return replace(
        full, comparison=comparison, rows=(replace(first, after=LOST), replace(second, after=unknown), *rest)
    )


def test_on_a_screen(changed):
    text = terminal(decision_report(changed), width=200, color=False)
    assert "0.410  [0.32, 0.50]" in text
    assert "-0.210*" in text
    assert "by the change: a loss shown" in text
    assert "60 questions after it; 3 documents" in text
    for line in terminal(decision_report(changed), width=80, color=False).splitlines():
        assert len(line) <= 80


def test_quality_after_the_change_stands_on_a_usual_screen(changed):
    lines = terminal(decision_report(changed), width=100, color=False).splitlines()
    lost = next(line for line in lines if "0.410" in line)
    assert "-0.210*" in lost
    below = lines[lines.index(lost) - 3 : lines.index(lost)]
    assert any("after" in line for line in below)


def test_questions_that_cannot_be_answered_and_were_keep_their_column(full):
    part = Interval(0.5, 0.4, 0.6)
    found = Abstention(20, part, Interval(0.91, 0.8, 0.99), Interval(0.17, 0.1, 0.3), part, part)
    decision = replace(full, rows=tuple(replace(row, abstention=found) for row in full.rows))
    table = abstention(decision)
    seen = [" ".join(column.title).strip() for column in fit(table, 100).columns]
    assert "right abstentions" in seen
    assert "precision" not in seen


def test_on_a_page(changed):
    text = markdown(decision_report(changed), width=80, color=False)
    assert "after the change" in text
    assert "-0.210 [-0.30, -0.12]" in text


def test_for_programs(changed):
    rows = json.loads(json.dumps(document(changed)))["approaches"]
    assert rows[0]["after"] == {
        "quality": {"value": 0.41, "low": 0.32, "high": 0.5, "n": 60},
        "index_seconds": 1.5,
        "difference": {"value": -0.21, "low": -0.3, "high": -0.12, "n": 58},
        "loses": True,
        "outcome": "lost",
        "documents": True,
    }
    assert rows[1]["after"]["difference"] is None
    assert "after" not in rows[2]


def test_without_a_change_there_is_no_word_of_one(full):
    text = terminal(decision_report(full), width=200, color=False) + markdown(
        decision_report(full), width=80, color=False
    )
    assert "by the change" not in text
    assert "after the change" not in text
