"""Approaches without a language model: the most frequent answer, the nearest example's, a linear head."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from advisor.approaches import Prediction, parse
from advisor.tasks import Example, Query, Task

ASKED = ("the machine ate my card", "please note my new address", "my parcel is late", "hello", "")
QUERIES = [Query(str(i), text) for i, text in enumerate(ASKED)]


def predicted(spec: str, task: Task, model: Any) -> list[Prediction]:
    return parse(spec).fit(task.for_fitting(), model, 0).predict(QUERIES)


def test_majority_always_gives_the_most_frequent_answer(tickets: Task, model: Any) -> None:
    assert [p.text for p in predicted("majority", tickets, model)] == ["card"] * 5
    assert [p.id for p in predicted("majority", tickets, model)] == ["0", "1", "2", "3", "4"]


def test_majority_takes_the_first_of_equally_frequent_answers(desk: Task, model: Any) -> None:
    assert predicted("majority", desk, model)[0].text == "within five days"
    assert predicted("majority", replace(desk, train=desk.train[::-1]), model)[0].text == "unanswerable"


def test_majority_counts_answers_as_they_are_compared(model: Any) -> None:
    answers = ["no", "Да.", "да", "-5", "5", "no", "ДА", "\u200bда"]
    train = tuple(Example(str(n), f"q{n}", answer) for n, answer in enumerate(answers))
    assert predicted("majority", Task("t", "qa", "Answer.", "token_f1", train=train), model)[0].text == "Да."


def test_nearest_copies_the_answer_of_the_most_similar_example(tickets: Task, model: Any) -> None:
    assert [p.text for p in predicted("nearest", tickets, model)[:3]] == ["card", "address", "lost parcel"]


def test_nearest_takes_the_first_in_train_of_equally_similar_ones(model: Any) -> None:
    train = (Example("1", "red", "first"), Example("2", "red", "second"))
    task = Task("t", "qa", "Answer.", "token_f1", train=train)
    assert parse("nearest").fit(task, model, 0).predict([Query("q", "red")])[0].text == "first"


@pytest.mark.parametrize("labels", [("card", "address"), ("card", "address", "lost parcel")])
@pytest.mark.parametrize("c", [0.3, 10.0])
def test_a_head_predicts_as_scikit_learn_does(tickets: Task, model: Any, labels: tuple[str, ...], c: float) -> None:
    train = tuple(e for e in tickets.train if e.target in labels)
    found = predicted(f"head:c={c}", replace(tickets, labels=labels, train=train), model)
    learner = LogisticRegression(C=c, max_iter=2000)
    learner.fit(model.embedder.embed([e.input for e in train]), [e.target for e in train])
    vectors = model.embedder.embed(ASKED)
    assert [p.text for p in found] == list(learner.predict(vectors))
    assert np.allclose([p.confidence for p in found], learner.predict_proba(vectors).max(axis=1), atol=1e-5)


def test_a_head_counts_its_weights(tickets: Task, model: Any) -> None:
    facts = parse("head").fit(tickets, model, 0).facts
    assert facts.trainable_parameters == 3 * (model.embedder.dimension + 1)
    assert facts.artifact_bytes == 4 * facts.trainable_parameters


@pytest.mark.parametrize("spec", ["majority", "nearest", "head"])
def test_none_of_them_asks_the_language_model(tickets: Task, model: Any, spec: str) -> None:
    predicted(spec, tickets, model)
    assert model.prompts == []
