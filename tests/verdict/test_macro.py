"""The interval of macro F1 where labels have few test examples."""

from __future__ import annotations

import tracemalloc
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from advisor.measuring.metrics import confusion
from advisor.measuring.records import Answer
from advisor.verdict import decide
from advisor.verdict.macro import rare_labels
from advisor.verdict.resampling import Bootstrap
from advisor.verdict.sample import Sample
from advisor.verdict.statistics import Contrasts

Make = Callable[..., Any]


def sample(true: Sequence[str], given: Sequence[str]) -> Sample:
    labels = sorted({*true, *given})
    scores = np.array([[float(a == b) for a, b in zip(true, given, strict=True)]])
    return Sample("x", scores, (confusion(given, [[label] for label in true], labels),))


def interval(true: Sequence[str], given: Sequence[str]) -> Any:
    found = sample(true, given)
    return Bootstrap([found]).interval(found)


def test_one_example_of_a_label_leaves_its_half_of_the_metric_open() -> None:
    """All is right, but of the second label there is one example: that is no 98 %."""
    all_right = ["calm"] * 199 + ["storm"]
    found = interval(all_right, all_right)
    assert found.value == found.high == 1.0
    assert found.low < 0.75


def test_with_enough_examples_of_each_label_the_interval_is_that_of_the_resamples() -> None:
    rng = np.random.default_rng(0)
    true = ["calm", "storm"] * 200
    given = [label if rng.random() < 0.8 else {"calm": "storm", "storm": "calm"}[label] for label in true]
    found = interval(true, given)
    assert 0.07 < found.high - found.low < 0.095  # about as wide as that of the accuracy, 0.085


def test_a_label_missed_by_chance_may_be_known_after_all() -> None:
    true = ["calm"] * 40 + ["storm"] * 2
    found = interval(true, ["calm"] * 42)
    assert found.high - found.value > 0.2
    assert found.low > 0.3


def test_labels_that_are_rare_are_named_rarest_first() -> None:
    answers = [Answer((label,)) for label in ["b"] * 2 + ["a"] * 1 + ["c"] * 5]
    assert rare_labels(answers) == {"a": 1, "b": 2}
    assert list(rare_labels(answers)) == ["a", "b"]


def test_one_label_written_in_two_unicode_forms_is_one_label() -> None:
    answers = [Answer((unicodedata.normalize("NFC" if i % 2 else "NFD", "café"),)) for i in range(8)]
    assert rare_labels(answers) == {}


@pytest.mark.parametrize(("metric", "said"), [("macro_f1", True), ("accuracy", False)])
def test_the_report_names_them(run: Make, comparison: Make, answers: Make, metric: str, said: bool) -> None:
    measured = comparison([run("zero-shot", answers(60, 0.7))], metric=metric, targets=["no"] * 57 + ["yes"] * 3)
    caveats = " ".join(decide(measured).recommendation.caveats)
    assert ("yes (3) has fewer than 5 test examples" in caveats) is said


def test_many_labels_take_no_more_memory_than_their_examples() -> None:
    rng, n, labels = np.random.default_rng(3), 3000, 3000
    names = [f"{i:05}" for i in range(labels)]
    true = [names[i] for i in rng.integers(0, labels, n)]
    drawn = []
    for share in (0.5, 0.9):
        given = [t if rng.random() < share else names[rng.integers(labels)] for t in true]
        counts = confusion(given, [[label] for label in true], names)
        scores = np.array([[float(a == b) for a, b in zip(true, given, strict=True)]])
        drawn.append(Sample(str(share), scores, (counts,)))
        assert drawn[-1].quality == pytest.approx(f1_score(true, given, average="macro", zero_division=0.0))
        some = rng.integers(0, n, 3)
        for left_out, without in zip(some, counts.without_each()[some], strict=True):
            rest = np.delete(np.arange(n), left_out)
            assert counts.take(rest).macro_f1()[0] == pytest.approx(without)
    tracemalloc.start()
    try:
        assert Contrasts(drawn).between("0.9", "0.5").shown
        assert tracemalloc.get_traced_memory()[1] < 400e6
    finally:
        tracemalloc.stop()
