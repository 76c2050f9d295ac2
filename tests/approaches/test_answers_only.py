"""A model that gives answers and nothing else: what it can take part in, and what is said where it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import advisor
from advisor.approaches.labels import label_in
from advisor.errors import NotApplicable
from advisor.models import Decoding, Embedder, Generation, LanguageModel, Prompt
from advisor.tasks import Task


class Told(LanguageModel):
    """Says what a rule makes of the conversation that it is shown."""

    name = "told"
    context_window = 2048

    def __init__(self, embedder: Embedder, rule: Callable[[list[dict[str, str]]], str]) -> None:
        self.embedder = embedder
        self.rule = rule
        self.heard: list[list[dict[str, str]]] = []

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Any = None) -> list[Generation]:
        self.heard += [prompt.messages() for prompt in prompts]
        return [Generation(decoding.ended(self.rule(p.messages())), 20, 3, 0.01, 0.02) for p in prompts]


def sorted_out(messages: list[dict[str, str]]) -> str:
    """Chats about the label whose words stand in the question."""
    asked = messages[-1]["content"]
    label = next((label for label in ("card", "address", "parcel") if label in asked), "other")
    return f"I think it is about the {'Lost PARCEL' if label == 'parcel' else label}.\nAnything else?"


def from_documents(messages: list[dict[str, str]]) -> str:
    """Copies the sentence of the documents that shares most words with the question."""
    asked, _, query = messages[-1]["content"].partition("Query: ")
    words = set(re.findall(r"\w+", query.lower()))
    return max(asked.split("\n\n"), key=lambda text: len(words & set(re.findall(r"\w+", text.lower()))))


def test_a_classification_is_read_from_written_answers(tickets: Task, model: Any, tmp_path: Path) -> None:
    told = Told(model.embedder, sorted_out)
    specs = ["majority", "nearest", "zero-shot", "few-shot:k=3", "lora"]
    comparison = advisor.compare(tickets, told, specs, out=tmp_path)
    runs = {run.spec: run for run in comparison.runs}
    assert {spec: run.status for spec, run in runs.items()} == dict.fromkeys(specs[:4], "ok") | {"lora": "skipped"}
    said = {p.id: p.text for p in runs["zero-shot"].predictions}
    assert said == {
        "q0": "card",
        "q1": "address",
        "q2": "lost parcel",
        "q3": "card",
    }
    assert "gives no likelihoods of labels" in " ".join(runs["zero-shot"].notes)
    assert "not here to be trained" in str(runs["lora"].error)
    shots = [message for message in told.heard[-1] if message["role"] == "assistant"]
    assert len(shots) == 3
    assert all(shot["content"].startswith("Answer: ") for shot in shots)
    report = advisor.report(advisor.decide(comparison))
    assert "told" in report
    assert "zero-shot" in report


def test_documents_stand_in_the_conversation(desk: Task, model: Any, tmp_path: Path) -> None:
    told = Told(model.embedder, from_documents)
    comparison = advisor.compare(desk, told, ["zero-shot", "few-shot", "rag:k=2"], out=tmp_path)
    found = {run.spec: {p.id: p.text for p in run.predictions} for run in comparison.runs}
    assert "reception desk" in found["rag:k=2"]["q1"]
    assert "reception desk" not in found["zero-shot"]["q1"]
    assert told.heard[0][0] == {"role": "system", "content": "Answer."}
    assert advisor.report(advisor.decide(comparison), "markdown").startswith("# ")


def test_what_it_cannot_do_is_said(model: Any) -> None:
    told = Told(model.embedder, sorted_out)
    with pytest.raises(NotApplicable, match="told gives answers only"):
        told.score([Prompt("Sort.", "x")], ["a", "b"])
    with pytest.raises(NotApplicable, match="told does not say how likely a text is"):
        told.log_likelihoods(["a text"])


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Card.", "card"),
        ("the answer is dark blue, not blue", "dark blue"),
        ("blue or dark blue", "blue"),
        ("bluecard", "bluecard"),
        ("nothing of it", "nothing of it"),
        ("", ""),
    ],
)
def test_the_label_that_an_answer_names(text: str, label: str) -> None:
    assert label_in(text, ("card", "blue", "dark blue")) == label


def test_labels_of_a_script_without_spaces_are_found_within_a_sentence() -> None:
    assert label_in("这是天气问题", ("天气", "新闻")) == "天气"


def test_a_model_that_scores_need_not_say_so(model: Any) -> None:
    class Scoring(Told):
        def score(self, prompts: Any, choices: Any, adaptation: Any = None) -> Any:
            return []

    assert Scoring(model.embedder, sorted_out).can.score
    assert not Told(model.embedder, sorted_out).can.score


def test_a_model_that_cannot_be_trained_is_not_advised_to_be(desk: Task, model: Any) -> None:
    estimate = advisor.recommend(desk, Told(model.embedder, from_documents))
    assert not any("lora" in option.spec for option in estimate.options)
