"""Reasoning before the answer, in a call of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from advisor.approaches import parse
from advisor.approaches.answering import REASONING
from advisor.approaches.workload import Lengths
from advisor.models import Capabilities, Prompt
from advisor.tasks import Outline, Query, Task


def thinks(prompt: Prompt) -> str:
    """Reasons where it is asked to, else answers what it reasoned."""
    return f"it says {prompt.input}" if prompt.reasoning == "" else f"so {prompt.reasoning or 'nothing'}\nmore"


def by_reasoning(prompt: Prompt, choice: str) -> float:
    return float(bool(prompt.reasoning) and choice in str(prompt.reasoning))


@pytest.mark.parametrize("spec", ["zero-shot:cot=true", "few-shot:k=2,cot=true"])
def test_a_label_is_read_behind_the_reasoning(spec: str, tickets: Task, make_model: Callable[..., Any]) -> None:
    model = make_model(scoring=by_reasoning, writing=thinks)
    predictor = parse(spec).fit(tickets.for_fitting(), model, 0)
    (answer,) = predictor.predict([Query("q", "note my address")])
    assert answer.text == "address"
    reasoned, asked = model.prompts[-2:]
    assert (reasoned.reasoning, asked.reasoning) == ("", "it says note my address")
    assert reasoned.context == asked.context
    assert answer.usage.reasoning_tokens == 5
    assert answer.usage.prompt_tokens == 2 * model._size(asked)
    assert any("on 0 of" in note and "cut off" in note for note in predictor.facts.notes)


def test_reasoning_may_take_lines_and_an_answer_keeps_its_cap(desk: Task, make_model: Callable[..., Any]) -> None:
    model = make_model(writing=lambda p: "one\ntwo " * 40 if p.reasoning == "" else "yes " * 90)
    predictor = parse("rag:cot=true").fit(desk.for_fitting(), model, 0)
    assert any("in up to 128 tokens" in note for note in predictor.facts.notes)
    answer = predictor.predict([Query("q", "where is the canteen")])[0]
    asked = model.prompts[-1]
    assert asked.reasoning is not None
    assert "\n" in asked.reasoning
    assert asked.context.passages
    assert answer.usage.reasoning_tokens > answer.usage.completion_tokens == model.decodings[-1].max_tokens
    assert model.decodings[-2].max_tokens == min(REASONING, model.context_window // 4)
    assert answer.evidence


def test_reasoning_that_was_cut_off_is_answered_and_counted(tickets: Task, make_model: Callable[..., Any]) -> None:
    model = make_model(writing=lambda p: "card " * 500, scoring=by_reasoning)
    predictor = parse("zero-shot:cot=true").fit(tickets.for_fitting(), model, 0)
    assert any("on 9 of 9 training examples" in note for note in predictor.facts.notes)
    answer = predictor.predict([Query("q", "?")])[0]
    assert (answer.text, answer.failure) == ("card", "")


def test_a_model_that_reasons_nothing_is_asked_as_without(tickets: Task, make_model: Callable[..., Any]) -> None:
    model = make_model(writing=lambda p: "")
    predictor = parse("zero-shot:cot=true").fit(tickets.for_fitting(), model, 0)
    predictor.predict([Query("q", "my parcel")])
    assert model.prompts[-1].reasoning is None


def test_a_model_that_only_writes_reasons_as_well(tickets: Task, make_model: Callable[..., Any]) -> None:
    model = make_model(writing=thinks, can=Capabilities())
    predictor = parse("zero-shot:cot=true").fit(tickets.for_fitting(), model, 0)
    assert predictor.predict([Query("q", "note my address")])[0].text == "address"
    assert predictor.facts.labels_by == "text"


def test_a_conversation_holds_what_was_reasoned_as_a_turn() -> None:
    plain, asked, behind = (Prompt("Sort.", "my card", ("card",), reasoning=r) for r in (None, "", "It is a card."))
    assert plain.messages()[1:] == [{"role": "user", "content": "my card\nAnswer:"}]
    question = "my card\nThink step by step."
    assert asked.messages()[1:] == [{"role": "user", "content": f"{question}\nReasoning:"}]
    assert behind.messages()[1:] == [
        {"role": "user", "content": question},
        {"role": "assistant", "content": "It is a card."},
        {"role": "user", "content": "Answer:"},
    ]


def test_its_tokens_are_foreseen(desk: Task) -> None:
    outline, lengths = Outline.of(desk), Lengths.of(desk, None)
    plain, reasoned = (parse(spec).load(outline, lengths) for spec in ("zero-shot", "zero-shot:cot=true"))
    assert plain and reasoned
    assert reasoned.written > plain.written + 100
    assert reasoned.prompt > 2 * plain.prompt
