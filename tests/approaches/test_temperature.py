"""Temperature scaling of confidences: chosen on held-out examples, kept, and without effect on the answers."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.approaches import parse
from advisor.approaches.linear import LinearClassifier
from advisor.approaches.temperature import CALIBRATED_ON, chosen_temperature, scaled
from advisor.errors import NotApplicable
from advisor.models import Prompt
from advisor.tasks import Example, Query, Task

WHAT = "the labels' probabilities"


def drawn(temperature: float, size: int) -> list[tuple[list[float], int]]:
    """Log probabilities of which the right label is as likely as they say at `temperature`."""
    rng = random.Random(2)
    rows = []
    for _ in range(size):
        logs = [rng.gauss(0, 2) for _ in range(3)]
        rows.append((logs, rng.choices(range(3), scaled(logs, temperature))[0]))
    return rows


def loss(rows: list[tuple[list[float], int]], temperature: float) -> float:
    return -sum(math.log(scaled(logs, temperature)[right]) for logs, right in rows) / len(rows)


def test_confidences_that_are_too_high_are_cooled_down() -> None:
    rows = drawn(2.5, 400)
    temperature, note = chosen_temperature(rows, WHAT, dev=False)
    assert 2.0 < temperature < 3.2
    assert f"temperature {temperature:.2f}" in note and "400 training examples" in note
    assert f"and {loss(rows, 1.0):.3f} as they come" in note
    near = [loss(rows, temperature * factor) for factor in (0.9, 1.0, 1.1)]
    assert min(near) == near[1]  # the likeliest


def test_confidences_that_are_right_stay() -> None:
    temperature, note = chosen_temperature(drawn(1.0, 400), WHAT, dev=True)
    assert temperature == pytest.approx(1.0, abs=0.15)
    assert "400 dev examples" in note
    few, note = chosen_temperature(drawn(3.0, 8), WHAT, dev=True)
    assert few == 1.0
    assert "too few" in note


def test_what_is_right_and_no_label_says_nothing() -> None:
    rows = drawn(2.5, 200)
    without, note = chosen_temperature([*rows, ([0.0, 0.0, 0.0], -1)], WHAT, dev=True)
    assert "200 dev examples" in note
    assert without == chosen_temperature(rows, WHAT, dev=True)[0]


def test_scaled_is_softmax() -> None:
    assert scaled([math.log(0.5), math.log(0.3), math.log(0.2)], 1.0) == pytest.approx([0.5, 0.3, 0.2])
    assert scaled([math.log(0.8), math.log(0.2)], 2.0)[0] == pytest.approx(2 / 3)
    assert sum(scaled([0.0, -1e4], 0.1)) == pytest.approx(1.0)


def certain(prompt: Prompt, choice: str) -> float:
    """Sure of the first word of what is asked, which is right in two of three."""
    return 9.0 * prompt.input.startswith(choice)


@pytest.fixture
def reviews() -> Task:
    """Three in ten of the inputs begin with the wrong label."""

    def examples(kind: str, count: int) -> tuple[Example, ...]:
        rows = [("good", "bad")[n % 2] for n in range(count)]
        said = [label if n % 10 < 7 else {"good": "bad", "bad": "good"}[label] for n, label in enumerate(rows)]
        return tuple(
            Example(f"{kind}{n}", f"{word} {kind} {n}", label)
            for n, (word, label) in enumerate(zip(said, rows, strict=True))
        )

    return Task(
        "reviews", "classification", "Judge.", "accuracy", ("good", "bad"), examples("t", 60), (), examples("q", 20)
    )


QUERIES = [Query("1", "good book"), Query("2", "bad book")]


def test_answers_stay_and_confidences_come_down(reviews: Task, make_model: Callable[..., Any], tmp_path: Path) -> None:
    model = make_model(scoring=certain)
    plain = parse("zero-shot").fit(reviews.for_fitting(), model, 0)
    approach = parse("zero-shot:calibrate=true")
    calibrated = approach.fit(reviews.for_fitting(), model, 0)
    before, after = plain.predict(QUERIES), calibrated.predict(QUERIES)
    assert [p.text for p in after] == [p.text for p in before] == ["good", "bad"]
    assert before[0].confidence == pytest.approx(1.0, abs=1e-3)
    assert after[0].confidence == pytest.approx(0.7, abs=0.05)
    assert "(Guo et al. 2017), chosen on 60 training examples" in calibrated.facts.notes[-1]
    calibrated.save(tmp_path)
    restored = approach.restore(tmp_path, reviews.brief, model)
    assert [p.confidence for p in restored.predict(QUERIES)] == [p.confidence for p in after]
    assert restored.facts.notes == calibrated.facts.notes


def test_it_is_chosen_on_dev_where_there_is_one_and_never_on_test(
    reviews: Task, make_model: Callable[..., Any]
) -> None:
    model = make_model(scoring=certain)
    dev = tuple(replace(e, id=f"d{e.id}", input=e.input.replace(" t ", " dev ")) for e in reviews.train * 4)
    parse("zero-shot:calibrate=true").fit(replace(reviews, dev=dev).for_fitting(), model, 0)
    asked = [prompt.input for prompt in model.prompts if len(prompt.input.split()) == 3]
    assert len(asked) == CALIBRATED_ON
    assert all(" dev " in text for text in asked)


def test_the_answers_are_those_of_the_row_without_it(reviews: Task, make_model: Callable[..., Any]) -> None:
    """The reading is chosen on the same few examples, however many the temperature is chosen on."""
    notes = [
        parse(spec).fit(reviews.for_fitting(), make_model(scoring=certain), 0).facts.notes[0]
        for spec in ("zero-shot", "zero-shot:calibrate=true")
    ]
    assert notes[0] == notes[1] and "of 48 training examples" in notes[0]


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("zero-shot:calibrate=true+lora", "calibrate needs dev examples: the weights learn from those of train"),
        ("few-shot:k=2,calibrate=true", ""),
    ],
)
def test_weights_that_learned_from_train_need_dev(reviews: Task, spec: str, why: str) -> None:
    assert parse(spec).unsuited(reviews) == why
    assert not parse(spec).unsuited(replace(reviews, dev=reviews.train[:2]))


def test_it_is_for_labels_whose_likelihoods_are_told(reviews: Task, desk: Task, make_model: Callable[..., Any]) -> None:
    approach = parse("zero-shot:calibrate=true")
    assert "the task has none" in approach.unsuited(desk)
    model = make_model()
    model.can = replace(model.can, score=False)
    with pytest.raises(NotApplicable, match="no likelihoods of labels"):
        approach.fit(reviews.for_fitting(), model, 0)


def vectors(size: int, seed: int) -> tuple[Any, list[str]]:
    """Two clouds that overlap, in so many directions that a weak penalty learns them by heart."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, size)
    found = rng.normal(size=(size, 30))
    found[:, 0] += labels
    return found, ["no" if label else "yes" for label in labels]


@pytest.mark.parametrize("by", ["dev", "folds"])
def test_a_classifier_keeps_its_temperature_in_its_weights(by: str, tmp_path: Path) -> None:
    train, test = vectors(80, 1), vectors(2_000, 2)
    plain = LinearClassifier.fitted(*train, c=1e4)
    calibrated, note = plain.calibrated(*vectors(200, 3)) if by == "dev" else plain.cross_calibrated(*train, c=1e4)
    calibrated.save(tmp_path)
    before, after = plain.shares(test[0]), LinearClassifier.load(tmp_path).shares(test[0])
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()
    right = np.array([plain.labels.index(label) for label in test[1]])
    losses = [-np.log(np.maximum(shares[range(2_000), right], 1e-9)).mean() for shares in (before, after)]
    assert losses[1] < 0.66 < 1.0 < losses[0]
    assert "the classifier's probabilities at temperature" in note


def test_a_head_is_calibrated(tickets: Task, model: Any) -> None:
    train = tuple(replace(e, id=f"{e.id}-{n}") for n in range(4) for e in tickets.train)
    predictor = parse("head:calibrate=true").fit(replace(tickets, train=train).for_fitting(), model, 0)
    plain = parse("head").fit(replace(tickets, train=train).for_fitting(), model, 0)
    asked = [example.query for example in tickets.test]
    assert [p.text for p in predictor.predict(asked)] == [p.text for p in plain.predict(asked)]
    assert "36 training examples" in " ".join(predictor.facts.notes)
