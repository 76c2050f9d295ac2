"""What the model is asked and where its answers end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from advisor.approaches import parse
from advisor.models import Decoding, Prompt
from advisor.tasks import Example, Query, Task


def decoding(task: Task, model: Any) -> Decoding:
    parse("zero-shot").fit(task, model, 0).predict([Query("q", "anything")])
    found: Decoding = model.decodings[-1]
    return found


def with_targets(task: Task, *targets: str) -> Task:
    return replace(task, train=tuple(Example(str(i), "x", t) for i, t in enumerate(targets)))


def test_the_cap_is_a_quarter_above_the_95th_percentile_of_the_targets(desk: Task, model: Any) -> None:
    targets = [" ".join(["word"] * n) for n in range(1, 21)]
    assert decoding(with_targets(desk, *targets), model).max_tokens == 28  # ceil(1.25 x 19) + 4
    assert decoding(with_targets(desk, "yes"), model).max_tokens == 6


def test_one_endless_target_does_not_set_the_cap(desk: Task, model: Any) -> None:
    targets = ["two words"] * 39 + ["word " * 200]
    assert decoding(with_targets(desk, *targets), model).max_tokens == 7


def test_the_cap_without_targets_and_in_a_small_window(desk: Task, make_model: Callable[..., Any]) -> None:
    assert decoding(with_targets(desk), make_model()).max_tokens == 44
    long = with_targets(desk, "word " * 500)
    assert decoding(long, make_model(context_window=100)).max_tokens == 50
    assert decoding(with_targets(desk, "word " * 5000), make_model(context_window=10_000)).max_tokens == 1024


def test_a_line_break_ends_an_answer_only_if_no_target_has_one(desk: Task, model: Any) -> None:
    assert decoding(with_targets(desk, "one line", "another"), model).stop == ("\n",)
    assert decoding(with_targets(desk, "one line", "two\nlines"), model).stop == ()


@pytest.mark.parametrize("spec", ["zero-shot", "few-shot:k=2", "rag:k=1", "oracle:k=1"])
def test_all_approaches_share_one_decoding_and_one_instruction(desk: Task, model: Any, spec: str) -> None:
    parse(spec).fit(desk.for_fitting(), model, 0).predict([e.query for e in desk.test])
    assert model.decodings == [Decoding(8, ("\n",))]
    assert {(p.instruction, p.labels) for p in model.prompts} == {("Answer.", ())}


def test_labels_are_named_to_the_model_for_a_classification_alone(tickets: Task, model: Any) -> None:
    parse("zero-shot").fit(tickets.for_fitting(), model, 0).predict([e.query for e in tickets.test])
    assert {p.labels for p in model.prompts} == {("card", "address", "lost parcel")}


def test_answers_come_in_the_order_of_the_queries_with_what_they_took(desk: Task, model: Any) -> None:
    predictor = parse("rag:k=2").fit(desk.for_fitting(), model, 0)
    answers = predictor.predict([e.query for e in desk.test])
    assert [a.id for a in answers] == ["q1", "q2", "q3"]
    assert answers[0].text == "A lost badge is blocked at the reception"[: len(answers[0].text)]
    assert answers[0].evidence[0] == "badges"
    assert all(a.usage.prompt_tokens > 10 and a.usage.completion_tokens > 0 for a in answers)


def test_an_oracle_reads_the_evidence_and_rag_never_gets_it(desk: Task, make_model: Callable[..., Any]) -> None:
    """The question names nothing of its document, so that only the evidence can lead there."""
    blind = Example("q", "zzz", "?", evidence=("canteen",))
    shown = {}
    for spec in ("rag:k=1", "oracle:k=1"):
        predictor = parse(spec).fit(desk.for_fitting(), make_model(), 0)
        shown[spec] = predictor.predict([blind.grounded])[0].evidence
    assert shown["oracle:k=1"] == ("canteen",)
    assert shown["rag:k=1"] != ("canteen",)


def test_the_oracle_shows_what_rag_would_where_nothing_holds_the_answer(
    desk: Task, make_model: Callable[..., Any]
) -> None:
    asked = [e.grounded for e in desk.test if e.target == "unanswerable"]
    found = [parse(s).fit(desk.for_fitting(), make_model(), 0).predict(asked) for s in ("rag", "oracle")]
    assert [p.evidence for p in found[0]] == [p.evidence for p in found[1]]
    assert found[0][0].evidence


def test_an_answer_is_what_the_model_wrote_up_to_the_stop(desk: Task, make_model: Callable[..., Any]) -> None:
    def writing(prompt: Prompt) -> str:
        return " unanswerable \nInput: another question"

    predictor = parse("few-shot").fit(desk.for_fitting(), make_model(writing=writing), 0)
    assert [a.text for a in predictor.predict([Query("q", "x")])] == ["unanswerable"]


def test_the_confidence_of_a_label_is_its_share_and_a_free_answer_has_none(
    tickets: Task, desk: Task, model: Any
) -> None:
    label = parse("few-shot").fit(tickets.for_fitting(), model, 0).predict([tickets.test[0].query])[0]
    assert label.confidence is not None
    assert 1 / 3 < label.confidence <= 1
    assert parse("few-shot").fit(desk.for_fitting(), model, 0).predict([desk.test[0].query])[0].confidence is None
