"""`rag` that names its sources, and that does not answer what it finds nothing for, from fitting to restoring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from advisor.approaches import Adapted, Citation, Facts, Prediction, TrainingSet, Tuned, Tuner, parse
from advisor.errors import NotApplicable
from advisor.models import Adaptation, Capabilities, LanguageModel, Prompt
from advisor.tasks import Document, Example, Query, Task
from rag import Rag

TOPICS = ("refunds", "parking", "badges", "canteen", "travel", "laptops", "printers", "holidays")


@pytest.fixture
def office() -> Task:
    """Eight documents; questions that repeat their words, and as many about nothing in them."""
    documents = tuple(
        Document(t, t.title(), f"The rule of {t} is rule {n} of the house.") for n, t in enumerate(TOPICS)
    )
    known = tuple(
        Example(f"k{n}", f"what is the rule of {t} of the house", f"rule {n}", evidence=(t,))
        for n, t in enumerate(TOPICS)
    )
    unknown = tuple(Example(f"u{n}", f"who painted picture {n}", "unanswerable") for n in range(8))
    return Task("office", "qa", "Answer.", "token_f1", train=(*known, *unknown), documents=documents)


def first_passage(prompt: Prompt) -> str:
    """The rule in the first passage, with that passage's number."""
    words = prompt.context.passages[0].text.split()
    return f"rule {words[words.index('is') + 2]} [1]"


def fitted(spec: str, task: Task, model: LanguageModel) -> Any:
    return parse(spec).fit(task, model, 0)


def texts(predictions: Sequence[Prediction]) -> list[str]:
    return [prediction.text for prediction in predictions]


QUERIES = [Query("1", "what is the rule of parking of the house"), Query("2", "who painted picture 12")]


def test_answers_name_their_passages(office: Task, make_model: Callable[..., Any], tmp_path: Path) -> None:
    model = make_model(writing=first_passage)
    predictor = fitted("rag:cite=true", office, model)
    found = predictor.predict(QUERIES)[0]
    assert (found.text, found.citations, found.miscited) == ("rule 1", (Citation(1, "parking"),), 0)
    assert found.passages[found.citations[0].number - 1].source == "parking"
    prompt = model.prompts[-1]
    assert "[2]" in prompt.task and "[1] Parking: The rule of parking" in model.prompts[0].asked
    assert model.decodings[-1].max_tokens > fitted("rag", office, model).asker.decoding.max_tokens
    predictor.save(tmp_path)
    restored = parse("rag:cite=true").restore(tmp_path, office.brief, make_model(writing=first_passage))
    assert restored.predict(QUERIES)[0].citations == found.citations


def test_without_cite_nothing_is_taken_off(office: Task, make_model: Callable[..., Any]) -> None:
    model = make_model(writing=first_passage)
    found = fitted("rag", office, model).predict(QUERIES)[0]
    assert (found.text, found.citations) == ("rule 1 [1]", None)
    assert "[1] Parking" not in model.prompts[0].asked


@pytest.mark.parametrize("retriever", ["dense", "bm25"])
def test_what_scores_too_low_is_not_asked(
    retriever: str, office: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    model, spec = make_model(writing=first_passage), f"rag:abstain=score,retriever={retriever},cite=true"
    predictor = fitted(spec, office, model)
    model.prompts.clear()
    answered, declined = predictor.predict(QUERIES)
    assert (answered.text, declined.text) == ("rule 1", "unanswerable")
    assert [prompt.input for prompt in model.prompts] == [QUERIES[0].input]
    assert (declined.usage.prompt_tokens, declined.usage.shown, declined.citations) == (0, 0, ())
    assert declined.usage.ttft_seconds is not None
    least = predictor.facts.resolved["rag"]["abstain_below"]
    assert any(f"below {least:.4g}" in note and "8 of them unanswerable" in note for note in predictor.facts.notes)
    predictor.save(tmp_path)
    restored = parse(spec).restore(tmp_path, office.brief, make_model(writing=first_passage))
    assert restored.facts == predictor.facts
    assert texts(restored.predict(QUERIES)) == ["rule 1", "unanswerable"]


def test_all_may_be_declined_at_once(office: Task, make_model: Callable[..., Any]) -> None:
    predictor = fitted("rag:abstain=score", office, make_model(writing=first_passage))
    assert texts(predictor.predict(QUERIES[1:])) == ["unanswerable"]
    assert predictor.predict([]) == []


def test_questions_without_their_evidence_stand_in_for_unanswerable_ones(
    office: Task, make_model: Callable[..., Any]
) -> None:
    answerable = replace(office, train=tuple(e for e in office.train if e.evidence))
    predictor = fitted("rag:abstain=score,k=1,cite=true", answerable, make_model(writing=first_passage))
    assert any("answerable ones without their evidence" in note for note in predictor.facts.notes)
    assert texts(predictor.predict(QUERIES)) == ["rule 1", "unanswerable"]


def likely(prompt: Prompt, choice: str) -> float:
    """Sure of itself where the question is about a rule, else of nothing."""
    if choice == "unanswerable":
        return -2.0
    return -0.5 if "rule" in prompt.input else -40.0


def test_what_is_less_likely_than_unanswerable_is_withheld(
    office: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    model = make_model(writing=first_passage, scoring=likely)
    predictor = fitted("rag:abstain=probability,cite=true", office, model)
    plain = fitted("rag:cite=true", office, model).predict(QUERIES)
    found = predictor.predict(QUERIES)
    assert texts(found) == ["rule 1", "unanswerable"]
    assert [one.citations for one in found] == [(Citation(1, "parking"),), ()]
    assert found[0].usage.prompt_tokens > plain[0].usage.prompt_tokens  # it was read once more to compare
    predictor.save(tmp_path)
    again = parse("rag:abstain=probability,cite=true").restore(tmp_path, office.brief, model)
    assert texts(again.predict(QUERIES)) == texts(found)


@pytest.mark.parametrize("can", [Capabilities(), Capabilities(score=True, remote=True)])
def test_a_model_without_likelihoods_of_answers_cannot(
    can: Capabilities, office: Task, make_model: Callable[..., Any]
) -> None:
    with pytest.raises(NotApplicable, match="abstain=probability"):
        fitted("rag:abstain=probability", office, make_model(writing=first_passage, can=can))


class Learned(Tuned):
    """Nothing; it only has to be there."""

    facts = Facts(trainable_parameters=1)

    @property
    def adaptation(self) -> Adaptation:
        """The base weights."""
        return None  # type: ignore[return-value]

    def save(self, folder: Path) -> None:
        """Nothing to keep."""


LESSONS: list[TrainingSet] = []


@dataclass(frozen=True)
class Listens(Tuner):
    """Keeps what it was to learn."""

    name: ClassVar[str] = "listens"

    def tune(self, training: TrainingSet, model: LanguageModel, seed: int) -> Tuned:
        """Keep the examples."""
        LESSONS.append(training)
        return Learned()

    def restore(self, folder: Path, model: LanguageModel) -> Tuned:
        """Nothing was kept."""
        return Learned()


def test_a_tuner_learns_to_cite_and_to_decline(office: Task, make_model: Callable[..., Any]) -> None:
    LESSONS.clear()
    Adapted(Rag(abstain="trained", cite=True, miss=0.5), Listens()).fit(office, make_model(writing=first_passage), 1)
    by_input = {example.prompt.input: example for example in LESSONS[0].examples}
    assert len(by_input) == len(office.train)
    learned = [by_input[example.input].answer for example in office.train if example.evidence]
    assert 0 < learned.count("unanswerable") < len(learned)
    for example in office.train:
        lesson = by_input[example.input]
        shown = [n for n, p in enumerate(lesson.prompt.context.passages, 1) if p.source in example.evidence]
        assert lesson.prompt.context.numbered
        assert lesson.answer == (f"{example.target} [{shown[0]}]" if shown else "unanswerable")
