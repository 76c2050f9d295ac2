"""An endpoint that answers a typed question with a probability for every option."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import advisor
from advisor.approaches import parse
from advisor.errors import NotApplicable
from advisor.models import Capabilities, Decided, Decoding, Embedder, Generation, LanguageModel, Prompt
from advisor.tasks import Query, Task


class Judge(LanguageModel):
    """Gives each label named in an input 90 %; refuses what is empty."""

    name = "judge"
    context_window = 1000
    can = Capabilities(decide=True)

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.asked: list[Prompt] = []

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Any = None) -> list[Generation]:
        raise AssertionError("it only decides")

    def decide(self, prompts: Sequence[Prompt], choices: Sequence[str]) -> list[Decided]:
        self.asked += prompts
        return [self._decided(prompt.input, choices) for prompt in prompts]

    def _decided(self, text: str, choices: Sequence[str]) -> Decided:
        if not text:
            return Decided((), 5, 0, 0.1, failure="refused")
        named = [choice for choice in choices if choice.split()[-1] in text] or choices
        other = 0.1 / max(len(choices) - 1, 1)
        return Decided(tuple(0.9 if c == named[0] else other for c in choices), 30, 1, 0.1, cached_tokens=20)


def test_the_most_probable_label_with_its_probability(tickets: Task, model: Any) -> None:
    judge = Judge(model.embedder)
    predictor = parse("decision").fit(tickets.for_fitting(), judge, 0)
    named, refused = predictor.predict([Query("a", "note my address"), Query("b", "")])
    assert (named.text, named.confidence) == ("address", pytest.approx(0.9))
    assert (named.usage.prompt_tokens, named.usage.cached_tokens) == (30, 20)
    assert (refused.text, refused.failure, refused.confidence) == ("", "refused", None)
    assert judge.asked[-1].labels == tickets.labels
    assert judge.asked[-1].task.startswith("Sort the ticket.")


def test_where_a_model_scores_zero_shot_does_it_already(tickets: Task, make_model: Callable[..., Any]) -> None:
    with pytest.raises(NotApplicable, match="zero-shot does this already"):
        parse("decision").fit(tickets, make_model(), 0)
    for can in (Capabilities(), Capabilities(score=True, remote=True)):
        with pytest.raises(NotApplicable, match="scripted has no endpoint for decisions"):
            parse("decision").fit(tickets, make_model(can=can), 0)
    with pytest.raises(NotApplicable, match="answers no typed questions"):
        make_model().decide([], [])


def test_it_is_compared_like_any_other_and_skipped_with_its_reason(tickets: Task, model: Any, tmp_path: Path) -> None:
    runs = advisor.compare(tickets, Judge(model.embedder), ["decision"], out=tmp_path / "a").runs
    assert [(run.status, len(run.predictions)) for run in runs] == [("ok", 4)]
    (skipped,) = advisor.compare(tickets, model, ["decision"], out=tmp_path / "b").runs
    assert skipped.status == "skipped"
    assert "zero-shot does this already" in str(skipped.error)


def test_it_is_for_labels(desk: Task, tickets: Task) -> None:
    assert "the task has none" in parse("decision").unsuited(desk)
    assert not parse("decision").unsuited(tickets)
    assert not parse("decision").suggested(tickets)


def test_the_temperature_changes_no_answer_and_is_kept(tickets: Task, model: Any, tmp_path: Path) -> None:
    judge = Judge(model.embedder)
    predictor = parse("decision").fit(tickets.for_fitting(), judge, 0)
    asked = [Query("a", "note my address")]
    before = predictor.predict(asked)[0]
    predictor.temperature = 3.0
    predictor.save(tmp_path)
    after = parse("decision").restore(tmp_path, tickets.brief, judge).predict(asked)[0]
    assert after.text == before.text
    assert (after.confidence or 0) < (before.confidence or 0)
