"""How often a row prefers the better answer, from records made by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from advisor.measuring.further_records import Weighed
from advisor.reporting.decision import decision_report
from advisor.reporting.document import document
from advisor.reporting.terminal import terminal
from advisor.verdict import decide


@pytest.fixture
def weighed(run, comparison):
    """`lora` prefers the better answer of 14 of 40 pairs, `lora+dpo` of as many as is said, in every seed."""

    def make(after: int, seeds: int = 1, **more):
        def pairs(right: int) -> Weighed:
            return Weighed(tuple((-5.0, -6.0 if n < right else -4.0) for n in range(40)), **more)

        runs = [run("lora", ["yes"] * 50, preferred=pairs(14), trains_model=True)]
        runs += [run("lora+dpo", ["yes"] * 50, seed=s, preferred=pairs(after), trains_model=True) for s in range(seeds)]
        found = comparison([*runs, run("zero-shot", ["yes"] * 50)])
        return replace(found, task=replace(found.task, preferences=80, preferences_held_out=40))

    return make


def rows(found):
    return {row.spec: row.preferring for row in decide(found).rows}


def test_accuracy_has_an_interval_and_a_difference_to_the_row_with_one_tuner_fewer(weighed):
    found = rows(weighed(38))
    assert found["zero-shot"] is None
    lora, dpo = found["lora"], found["lora+dpo"]
    assert (lora.accuracy.value, lora.n, lora.versus) == (0.35, 40, "")
    assert lora.accuracy.low == pytest.approx(0.221, abs=1e-3)
    assert dpo.versus == "lora"
    assert dpo.difference.value == pytest.approx(0.6)
    assert dpo.difference.low > 0.25
    assert rows(weighed(38, seeds=3))["lora+dpo"].accuracy.value == pytest.approx(0.95)


def test_in_the_report(weighed):
    decision = decide(weighed(38))
    flat = " ".join(terminal(decision_report(decision), width=100, color=False).split())
    assert "Preferences: held-out accuracy" in flat
    assert "prefers the chosen answer in 0.95 [" in flat
    assert "against lora: more" in flat
    told = json.loads(json.dumps(document(decision)))["approaches"]
    by = {row["spec"]: row.get("preferences") for row in told}
    assert by["lora+dpo"]["value"] == 0.95
    assert by["lora+dpo"]["versus"] == "lora"
    assert by["zero-shot"] is None
    assert "against lora: no change shown" in terminal(decision_report(decide(weighed(15))), width=200, color=False)


def test_what_was_not_measured_is_said(weighed):
    found = weighed(38, error="the server was gone")
    assert any(
        "Preferences were not measured of lora (seed 0): the server was gone" in c
        for c in decide(found).recommendation.caveats
    )
