"""A real adapter trained on answers that name their passages, from fitting to restoring."""

from __future__ import annotations

from pathlib import Path

from advisor.approaches import parse
from advisor.models.local.engine import LocalModel
from advisor.tasks import Document, Example, Query, Task

SPEC = "rag:k=2,abstain=trained,cite=true+lora:rank=2,epochs=1"


def test_sources_are_trained_and_come_back(llama: LocalModel, tmp_path: Path) -> None:
    colours = {"grass": "green", "sky": "blue", "rose": "red", "coal": "black"}
    documents = tuple(Document(thing, thing, f"The {thing} is {colour}.") for thing, colour in colours.items())
    train = tuple(Example(t, f"which colour has the {t}", c, evidence=(t,)) for t, c in colours.items())
    task = Task("colours", "qa", "Answer.", "token_f1", train=train, documents=documents)
    predictor = parse(SPEC).fit(task, llama, 0)
    queries = [Query("1", "which colour has the sky"), Query("2", "who painted it")]
    found = predictor.predict(queries)
    assert all(one.citations is not None and one.miscited >= 0 for one in found)
    assert predictor.facts.trainable_parameters > 0
    predictor.save(tmp_path)
    again = parse(SPEC).restore(tmp_path, task.brief, llama)
    assert [(p.text, p.citations) for p in again.predict(queries)] == [(p.text, p.citations) for p in found]


def test_an_answer_can_be_compared_with_none(llama: LocalModel, tmp_path: Path) -> None:
    documents = (Document("sky", "", "The sky is blue."), Document("grass", "", "The grass is green."))
    train = tuple(Example(d.id, f"which colour has the {d.id}", d.text, evidence=(d.id,)) for d in documents)
    task = Task("colours", "qa", "Answer.", "token_f1", train=train, documents=documents)
    predictor = parse("rag:k=1,abstain=probability").fit(task, llama, 0)
    (note,) = (note for note in predictor.facts.notes if "without their evidence" in note)
    assert "4 training questions, 2 of them unanswerable" in note
    predictor.save(tmp_path)
    again = parse("rag:k=1,abstain=probability").restore(tmp_path, task.brief, llama)
    query = [Query("1", "which colour has the sky")]
    assert [p.text for p in again.predict(query)] == [p.text for p in predictor.predict(query)]
