"""Metrics against the official implementations, and SQuAD's by hand from the rules of its script."""

from __future__ import annotations

import random

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.chrf import CHRF
from sklearn.metrics import accuracy_score, f1_score

from advisor.errors import UserError
from advisor.measure import metrics
from advisor.tasks import METRICS

TEXTS = [
    "The refund takes five working days.",
    "refunds are taking 5 days",
    "",
    "Straße nach Genève",
    "no no no",
    "Running runners ran; the refunded refund.",
]


@pytest.mark.parametrize(
    ("text", "targets", "exact", "f1"),
    [
        ("Paris", ["Paris"], 1, 1),
        ("the Eiffel Tower!", ["Eiffel tower"], 1, 1),
        ("An apple a day", ["apple day"], 1, 1),
        ("U.S.A.", ["USA"], 1, 1),
        ("well-known", ["wellknown"], 1, 1),
        ("well known", ["well-known"], 0, 0),
        ("Genève", ["geneve"], 0, 0),
        ("“Paris”", ["Paris"], 0, 0),  # only ASCII punctuation is removed
        ("in Paris France", ["Paris"], 0, 2 * (1 / 3) * 1 / (1 / 3 + 1)),
        ("no no no", ["no"], 0, 2 * (1 / 3) * 1 / (1 / 3 + 1)),
        ("no no", ["no no no no"], 0, 2 * 1 * 0.5 / 1.5),
        ("cat dog", ["bird", "dog"], 0, 2 / 3),
        ("theater", ["the ater"], 0, 0),
        ("", ["Paris"], 0, 0),
        ("", [""], 1, 1),
        ("the", [""], 1, 1),  # both normalise to nothing
        ("the", ["a", "Paris"], 0, 0),  # an empty target counts only where there is no other
        ("Paris", ["the"], 0, 0),
        ("Unanswerable.", ["unanswerable"], 1, 1),
        ("unanswerable question", ["unanswerable"], 0, 0),
        ("unanswerable", ["an unanswerable question"], 0, 0),
        ("an unanswerable riddle", ["unanswerable question"], 0, 0.5),
        ("two  \t days\n", ["two days"], 1, 1),
    ],
)
def test_squad_metrics_follow_the_official_rules(text: str, targets: list[str], exact: float, f1: float) -> None:
    assert metrics.score("exact_match", text, targets) == exact
    assert metrics.score("token_f1", text, targets) == pytest.approx(f1)


def test_rouge_l_is_that_of_the_package_with_stemming_and_the_best_target() -> None:
    official = RougeScorer(["rougeL"], use_stemmer=True)
    for text in TEXTS:
        targets = [t for t in TEXTS if t != text][:3]
        expected = max(official.score(t, text)["rougeL"].fmeasure for t in targets)
        assert metrics.score("rouge_l", text, targets) == pytest.approx(expected)


def test_chrf_is_that_of_sacrebleu_scaled_to_one() -> None:
    for text in TEXTS:
        targets = [t for t in TEXTS if t != text][:3]
        expected = CHRF().sentence_score(text, targets).score / 100
        assert metrics.score("chrf", text, targets) == pytest.approx(expected)
    assert metrics.score("chrf", "the same", ["the same"]) == pytest.approx(1)


def test_accuracy_ignores_white_space_around_a_label_and_nothing_else() -> None:
    assert metrics.score("accuracy", " refund \n", ["refund"]) == 1
    assert metrics.score("accuracy", "Refund", ["refund"]) == 0
    assert metrics.score("accuracy", "b", ["a", "b"]) == 1


def test_macro_f1_and_accuracy_are_those_of_scikit_learn() -> None:
    rng = random.Random(3)
    for labels, n in (("ab", 40), ("abcdefgh", 25), ("abc", 3)):
        true = [rng.choice(labels) for _ in range(n)]
        predicted = [rng.choice([t, *labels, "other"]) for t in true]
        targets = [(t,) for t in true]
        expected = f1_score(true, predicted, average="macro", zero_division=0)
        assert metrics.aggregate("macro_f1", predicted, targets) == pytest.approx(expected)
        assert metrics.aggregate("accuracy", predicted, targets) == pytest.approx(accuracy_score(true, predicted))


def test_macro_f1_takes_any_acceptable_label_as_true() -> None:
    assert metrics.aggregate("macro_f1", ["a", "b"], [("b", "a"), ("b",)]) == 1
    assert metrics.score("macro_f1", "a", ["b", "a"]) == 1


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("{}", "{}", 1),
        ('{"city": "Bern"}', '{"city": "bern "}', 1),
        ('Here you are: ```json\n{"city": "Bern"}\n``` done', '{"city": "Bern"}', 1),
        ('{"tags": ["a", "b"]}', '{"tags": ["b", "c"]}', 0.5),
        ('{"n": 3, "ok": true}', '{"n": "3", "ok": "true"}', 1),
        ('{"city": "Bern", "zip": "3000"}', '{"city": "Bern"}', 2 / 3),
        ('{"who": {"name": "Ada"}}', '{"who": {"name": "ADA"}}', 1),
        ('{"a": "x"}', '{"b": "x"}', 0),
        ("{}", '{"a": "x"}', 0),
        ('{"a": "x"}', "{}", 0),
        ("no JSON at all", "{}", 0),
        ('{"a": "x"', '{"a": "x"}', 0),
        ("[1, 2]", '{"a": "x"}', 0),
        ("{" * 5000, '{"a": "x"}', 0),
        ('{"a":' * 3000, '{"a": "x"}', 0),
    ],
)
def test_json_f1_compares_key_value_pairs(text: str, target: str, expected: float) -> None:
    assert metrics.score("json_f1", text, [target]) == pytest.approx(expected)


def test_json_f1_takes_the_best_target() -> None:
    assert metrics.score("json_f1", '{"a": "y"}', ['{"a": "x"}', '{"a": "y"}']) == 1


@pytest.mark.parametrize("metric", [m for m in METRICS if m != "macro_f1"])
def test_the_aggregate_is_the_mean_of_scores_between_0_and_1(metric: str) -> None:
    texts, targets = ['{"a": "x"}', '{"a": "z"}'], [['{"a": "x"}'], ['{"a": "y"}']]
    each = metrics.scores(metric, texts, targets)
    assert each[0] == pytest.approx(1)
    assert 0 <= each[1] < 1
    assert metrics.aggregate(metric, texts, targets) == pytest.approx(float(np.mean(each)))


def test_what_cannot_be_judged_is_an_error_and_never_a_score() -> None:
    with pytest.raises(UserError, match="unknown"):
        metrics.score("bleu", "a", ["a"])
    with pytest.raises(UserError, match="without any target"):
        metrics.score("accuracy", "a", [])
    with pytest.raises(UserError, match="no JSON object"):
        metrics.score("json_f1", "{}", ["Bern"])
    with pytest.raises(UserError, match="no test example"):
        metrics.aggregate("accuracy", [], [])
