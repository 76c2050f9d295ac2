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


def read_before(on: str) -> dict[str, object]:
    """Of these very trainings: what another seed might give is the business of the contrasts."""
    return {"config": {"cpt": {"on": on}}, "trains_model": False}


def test_whether_facts_were_trained_in_and_what_retrieval_gives_beside_that(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    shown: dict[str, object] = {"shows": "nothing"}
    runs = [
        run("zero-shot", nested(200, 0.3), **shown),
        run("cpt", nested(200, 0.3), **shown, **read_before("documents")),
        run("lora:rank=8", nested(200, 0.5), trains_model=False, **shown),
        run("cpt:epochs=20+lora:rank=8", nested(200, 0.9), **shown, **read_before("both")),
        run("rag:k=3", nested(200, 0.7), shows="documents"),
        run("rag:k=3+lora:rank=8", nested(200, 0.95), shows="documents", trains_model=False),
        run("rag:k=3+cpt+lora:rank=8", nested(200, 0.55), shows="documents", **read_before("documents")),
        run("cpt:on=inputs", nested(200, 0.02), **shown, **read_before("inputs")),
    ]
    found = {item.name: item for item in decide(comparison(runs)).diagnosis}
    assert found["trained in by cpt"].meaning == (
        "The facts were not shown to be trained in: cpt, which read the documents before, is not shown to differ from "
        "zero-shot."
    )
    assert found["trained in by cpt:epochs=20+lora:rank=8"].estimate.value == pytest.approx(0.4)
    assert found["trained in by cpt:epochs=20+lora:rank=8"].meaning == (
        "Facts were trained in: cpt:epochs=20+lora:rank=8, which read the documents before, is better by 0.400 than "
        "lora:rank=8, with no document in the prompt of either."
    )
    assert found["retrieval beside cpt"].meaning == (
        "Documents that are retrieved (rag:k=3) give 0.400 more than documents that were trained in (cpt)."
    )
    assert found["retrieval beside cpt:epochs=20+lora:rank=8"].estimate.value == pytest.approx(0.05)
    assert found["added by cpt to rag:k=3+cpt+lora:rank=8"].meaning.startswith(
        "Reading raw text before (rag:k=3+cpt+lora:rank=8) took 0.400 from rag:k=3+lora:rank=8"
    )
    assert found["added by cpt to cpt:on=inputs"].meaning == (
        "Reading raw text before (cpt:on=inputs) took 0.280 from zero-shot."
    )


def test_training_is_told_of_what_read_nothing_before(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    runs = [
        run("zero-shot", nested(200, 0.3), shows="nothing"),
        run("lora", nested(200, 0.4), shows="nothing", trains_model=True),
        run("cpt+lora", nested(200, 0.5), shows="nothing", config={"cpt": {"on": "documents"}}, trains_model=True),
    ]
    found = {item.name: item.meaning for item in decide(comparison(runs)).diagnosis}
    assert found["added by training"].startswith("Training (lora)")
    assert "trained in by cpt+lora" in found


def test_of_several_models_each_has_facts_of_its_own(
    run: Callable[..., Run], comparison: Callable[..., Comparison]
) -> None:
    runs = [
        run(f"{spec}@{alias}", nested(200, share), shows="nothing", model=alias, **more)
        for alias, shares in {"small": (0.3, 0.6), "big": (0.5, 0.5)}.items()
        for spec, share, more in zip(("zero-shot", "cpt"), shares, ({}, read_before("documents")), strict=True)
    ]
    found = {item.name: item for item in decide(comparison(runs)).diagnosis}
    assert found["trained in by cpt (small)"].estimate.value == pytest.approx(0.3)
    assert found["trained in by cpt (big)"].meaning.startswith("The facts were not shown to be trained in: cpt@big")
