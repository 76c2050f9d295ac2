"""Approaches without a language model: the most frequent answer, the nearest example's, a linear head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from advisor.approaches import Prediction, parse
from advisor.approaches.neighbours import Neighbours
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


def test_a_head_keeps_labels_of_any_length_and_character(tickets: Task, model: Any, tmp_path: Path) -> None:
    odd = ("ends in nought\x00", "  blank ", "x" * 1_000_000, "line\nbreak", "\u202eturned", "\ud83d")
    train = tuple(replace(e, target=odd[i % len(odd)]) for i, e in enumerate(tickets.train))
    task = replace(tickets, train=train, labels=odd)
    fitted = parse("head").fit(task, model, 0)
    fitted.save(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1_200_000
    again = parse("head").restore(tmp_path, task, model)
    queries = [e.query for e in tickets.test]
    assert [p.text for p in again.predict(queries)] == [p.text for p in fitted.predict(queries)]
    assert {p.text for p in again.predict(queries)} <= set(odd)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 40])
def test_neighbours_are_those_of_a_full_sort_and_equal_ones_come_in_their_order(k: int, model: Any) -> None:
    texts = [" ".join(["red", "green", "blue"][: 1 + i % 3]) for i in range(30)]
    examples = [Example(str(i), text, f"answer {i}") for i, text in enumerate(texts)]
    found = Neighbours.of(examples, model.embedder)
    for apart in (False, True):
        (best,) = found.search(["red green"], k, apart_from_itself=apart)
        similarity = model.embedder.embed(["red green"]) @ model.embedder.embed(texts).T
        order = [examples[i] for i in np.argsort(-similarity[0], kind="stable")]
        expected = [e for e in order if not (apart and e.input == "red green")][:k]
        assert [(e.input, e.target) for e in best] == [(e.input, e.target) for e in expected]
