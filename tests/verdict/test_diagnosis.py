"""The table read as a diagnosis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from advisor.measuring.records import Comparison, Run
from advisor.verdict import decide

SHARES = {
    "majority": 0.2,
    "zero-shot": 0.4,
    "few-shot:k=4": 0.5,
    "few-shot:k=8": 0.6,
    "rag:k=3": 0.7,
    "lora": 0.8,
    "rag:k=3+lora": 0.9,
    "oracle": 0.95,
}


def nested(n: int, share: float) -> list[str]:
    return ["yes" if i < round(n * share) else "no" for i in range(n)]


def test_every_finding_in_its_order(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> None:
    runs = [run(spec, nested(200, share)) for spec, share in SHARES.items()]
    findings = decide(comparison(runs)).diagnosis
    assert [(f.name, round(f.estimate.value, 6)) for f in findings] == [
        ("known without help", 0.4),
        ("above the majority class", 0.2),
        ("added by examples", 0.2),
        ("added by retrieval", 0.3),
        ("added by training", 0.4),
        ("lost by retrieval", 0.25),
        ("lost by the reader", 0.05),
    ]
    for finding in findings:
        assert finding.estimate.low < finding.estimate.value < finding.estimate.high
        assert finding.meaning.endswith(".")
    assert "few-shot:k=8" in findings[2].meaning
    assert findings[-1].estimate.low == pytest.approx(1 - 0.973, abs=0.01)


def test_a_difference_that_is_not_shown_is_said_to_be_none(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    runs = [run("zero-shot", nested(20, 0.5)), run("majority", nested(20, 0.45)), run("few-shot", nested(20, 0.5))]
    findings = {f.name: f.meaning for f in decide(comparison(runs)).diagnosis}
    assert "not shown to differ" in findings["above the majority class"]
    assert "changed nothing that this test set shows" in findings["added by examples"]


def test_the_constant_answer_is_a_class_of_a_classification_alone(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    found = comparison([run("zero-shot", nested(20, 0.5)), run("majority", nested(20, 0.45))], metric="token_f1")
    decision = decide(replace(found, task=replace(found.task, kind="qa")))
    item = next(item for item in decision.diagnosis if item.name == "above the most frequent answer")
    assert "always giving the most frequent answer (majority)" in item.meaning
    assert any("always gives the most frequent answer" in said for said in decision.recommendation.against)


def unread(run: Run, examples: int) -> Run:
    """The same, with context of which nothing reached the prompt of so many examples."""
    cramped = [replace(p, dropped=3, shown=0) if i < examples else p for i, p in enumerate(run.predictions)]
    return replace(run, predictions=tuple(cramped))


def test_what_reached_no_prompt_is_not_lost_in_reading(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    runs = [run("zero-shot", nested(20, 0.5))]
    runs += [unread(run(spec, nested(20, 0.5)), 20) for spec in ("few-shot", "rag", "oracle")]
    found = {f.name: f.meaning for f in decide(comparison(runs)).diagnosis}
    for name, spec in (
        ("added by examples", "few-shot"),
        ("added by retrieval", "rag"),
        ("lost by the reader", "oracle"),
    ):
        assert found[name].startswith(f"Nothing of the context of {spec} fitted into any prompt")
    assert "oracle and rag" in found["lost by retrieval"]


def test_where_only_some_prompts_had_room_the_finding_says_how_many(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    runs = [run("zero-shot", nested(20, 0.5)), unread(run("oracle", nested(20, 0.6)), 3)]
    meaning = {f.name: f.meaning for f in decide(comparison(runs)).diagnosis}["lost by the reader"]
    assert "lost in reading" in meaning
    assert "3 prompts of 20 of oracle" in meaning


def test_only_what_ran_is_diagnosed(run: Callable[..., Run], comparison: Callable[..., Comparison]) -> None:
    names = [f.name for f in decide(comparison([run("rag", nested(20, 0.5)), run("lora", nested(20, 0.6))])).diagnosis]
    assert names == []


def test_what_reasons_first_speaks_for_reasoning_alone(
    run: Callable[..., Run], comparison: Callable[..., Comparison], answers: Callable[..., list[str]]
) -> None:
    shown = {"shows": "nothing", "config": {"zero-shot": {"cot": True}}}
    runs = [run("zero-shot", answers(300, 0.5), shows="nothing"), run("zero-shot:cot=true", answers(300, 0.9), **shown)]
    found = {item.name: item for item in decide(comparison(runs)).diagnosis}
    assert found["known without help"].estimate.value == pytest.approx(0.5)
    assert found["added by reasoning"].meaning == (
        "Reasoning before the answer (zero-shot:cot=true) added 0.400 to zero-shot."
    )
