"""A profile with and without a model and an embedder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from advisor.approaches.mislabelled import suspects
from advisor.models import Vectors
from advisor.profiling import Profile, profile
from advisor.tasks import Document, Example, Task
from tests.models.axes import WordAxes

TOPICS = ("red", "green", "blue")


class Counter:
    """A model that knows how to count: a token is a character."""

    name = "counter"
    context_window = 20
    embedder = None

    def count_tokens(self, text: str) -> int:
        return len(text)


class Topics(WordAxes):
    words = TOPICS


class Noise(Topics):
    """An embedder that knows nothing."""

    name = "noise"

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.random.default_rng(0).normal(size=(len(texts), 5))
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def sorting(wrong: dict[int, str]) -> Task:
    """Ninety things of three colours, of which some carry the wrong label; places are made."""
    train = tuple(
        Example(str(n), f"thing number {n} is {TOPICS[n % 3]}", wrong.get(n, TOPICS[n % 3])) for n in range(90)
    )
    test = tuple(Example(f"t{n}", f"item {n} looks {TOPICS[n % 3]}", TOPICS[n % 3]) for n in range(30))
    return Task("t", "classification", "Name the colour.", "accuracy", labels=TOPICS, train=train, test=test)


def codes(found: Profile) -> set[str]:
    return {finding.code for finding in found.findings}


def unchecked(found: Profile) -> str:
    return " | ".join(check.what for check in found.unchecked)


def test_without_a_model_it_says_what_was_not_looked_at() -> None:
    found = profile(sorting({}))
    assert found.tokens is found.labels is None
    assert "tokens" in unchecked(found) and "label errors" in unchecked(found)
    assert found.description.labels == 3


def test_labels_that_their_neighbours_contradict_are_found_at_their_lines() -> None:
    found = profile(sorting({4: "blue", 30: "green"}), embedder=Topics())
    (finding,) = [finding for finding in found.findings if finding.code == "likely-label-error"]
    assert finding.lines == {"train": [5, 31]}
    assert finding.sights[0].text.startswith(("green -> red?", "blue -> green?"))
    assert found.labels is not None and found.labels.judged == 120
    assert found.labels.accuracy == pytest.approx(118 / 120)


class ReadsFour(Topics):
    """Reads four words of a text."""

    window = 4

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def test_inputs_that_the_embedder_cuts_are_told() -> None:
    found = profile(sorting({}), embedder=ReadsFour())
    assert found.labels is not None and (found.labels.unread, found.labels.window) == (90, 4)
    assert "labels by the ends of 90 of 120 inputs" in unchecked(found)


def test_right_labels_are_not_suspected() -> None:
    assert "likely-label-error" not in codes(profile(sorting({}), embedder=Topics()))


def test_an_embedder_that_knows_nothing_suspects_nothing_and_says_so() -> None:
    found = profile(sorting({4: "blue"}), embedder=Noise())
    assert "likely-label-error" not in codes(found)
    assert "a classifier on noise is right on" in unchecked(found)


def test_a_task_without_labels_has_none_to_judge() -> None:
    task = Task("t", "qa", "i", "token_f1", train=(Example("1", "a", "b"),), test=(Example("2", "c", "d"),))
    found = profile(task, embedder=Topics())
    assert found.labels is None
    assert "only the labels of a classification" in found.unchecked[1].hint
    assert "label errors" not in unchecked(profile(task))


def test_classes_too_small_to_be_judged_are_left_out() -> None:
    found = profile(sorting({0: "pink"}), embedder=Topics())
    assert found.labels is not None and found.labels.judged == 119


def test_a_suspect_needs_the_classifier_and_its_neighbours() -> None:
    vectors = np.array([[1, 0]] * 12 + [[0, 1]] * 12, dtype=np.float32)
    labels = np.array([0] * 12 + [1] * 12)
    labels[3] = 1
    sure = np.where(np.arange(24)[:, None] < 12, [[0.9, 0.1]], [[0.1, 0.9]])
    sure[3] = 0.95, 0.05
    assert suspects(vectors, labels, sure) == [3]
    assert suspects(vectors, labels, 0.5 + (sure - 0.5) / 4) == []  # not sure enough
    mixed = labels.copy()
    mixed[:3] = 1  # its neighbours carry the label too
    assert 3 not in suspects(vectors, mixed, sure)


def test_tokens_and_what_exceeds_the_window() -> None:
    task = Task(
        "t",
        "qa",
        "12345",
        "token_f1",
        train=(Example("1", "12345678", "123"), Example("2", "1234567890", "123456")),
        test=(Example("3", "1234", "1"),),
        documents=(Document("a", "", "1" * 21), Document("b", "", "1" * 20)),
    )
    found = profile(task, model=Counter())  # type: ignore[arg-type]
    tokens = found.tokens
    assert tokens is not None
    assert (tokens.instruction, tokens.examples) == (5, (16, 21, 10))
    assert (tokens.too_long, tokens.documents_too_long) == (pytest.approx(1 / 3), 0.5)
    assert tokens.inputs is not None and tokens.inputs.largest == 10
    (finding,) = [finding for finding in found.findings if finding.code == "example-exceeds-window"]
    assert finding.lines == {"train": [2]}
    assert "tokens" not in unchecked(found)


def test_an_answer_that_no_window_holds_is_not_called_a_long_input() -> None:
    """Sixteen characters of answer behind five of instruction, in a window of twenty."""
    train = (Example("1", "12", "1234567890123456"), Example("2", "12", "123456789012345"), Example("3", "1", "1"))
    task = Task("t", "generation", "12345", "rouge_l", train=train, test=(Example("4", "1234", "2"),))
    found = profile(task, model=Counter())  # type: ignore[arg-type]
    lines = {finding.code: finding.lines for finding in found.findings if "window" in finding.code}
    assert lines == {"answer-exceeds-window": {"train": [1]}, "example-exceeds-window": {"train": [2]}}
    (said,) = [finding for finding in found.findings if finding.code == "answer-exceeds-window"]
    assert "1 of 4 answers" in said.what and "15 of 20 tokens" in said.what and "lora" in said.meaning
