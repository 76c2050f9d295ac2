"""Inputs of which an embedder reads only the beginning are counted, wherever an embedder has to do with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.approaches import parse
from advisor.measuring.comparing import compare
from advisor.models import Vectors, cut_by, note_of_cut, shares_of
from advisor.models.embeddings import CachedEmbedder
from advisor.tasks import Example, Task
from advisor.verdict import decide

WINDOW = 20


@dataclass
class ShortSighted:
    """Reads twenty words; a token is a word, in any script that has spaces."""

    window: int | None = WINDOW
    name: str = "short-sighted"
    revision: str = "1"
    dimension: int = 4
    counted: int = 0

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        self.counted += len(texts)
        return [len(text.split()) for text in texts]

    def embed(self, texts: Sequence[str]) -> Vectors:
        read = [" ".join(text.split()[: self.window]) for text in texts]
        rows = np.array([[1, len(text), text.count("a"), text.count("е")] for text in read], dtype=np.float32)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


@pytest.fixture
def tickets_in_russian() -> Task:
    """Every other input is longer than what is read; the answers are labels."""
    kinds = ("карта", "адрес")
    train = tuple(Example(f"r{n}", "Здравствуйте. " * (30 * (n % 2)) + kinds[n % 2], kinds[n % 2]) for n in range(6))
    test = tuple(Example(f"t{n}", "Добрый день. " * (30 * (n % 2)) + kinds[n % 2], kinds[n % 2]) for n in range(4))
    return Task("t", "classification", "Метка.", "accuracy", labels=kinds, train=train, test=test)


def test_only_texts_that_may_be_too_long_are_counted() -> None:
    embedder = ShortSighted()
    texts = ["short", "слово " * 30, "word " * 20, "字" * 9]
    assert cut_by(embedder, texts) == [False, True, False, False]
    assert embedder.counted == 3  # the first has fewer bytes than tokens are read
    assert shares_of(embedder, ["слово " * 30]) == [1.5]


@pytest.mark.parametrize("embedder", [ShortSighted(window=None), CachedEmbedder(ShortSighted(window=None)), object()])
def test_an_embedder_that_does_not_say_cuts_nothing(embedder: Any) -> None:
    assert cut_by(embedder, ["word " * 1000]) == [False]
    assert note_of_cut(embedder, ["word " * 1000], "inputs") == ()


def test_what_is_found_in_the_store_is_counted_as_well(kept: Path) -> None:
    embedder, texts = CachedEmbedder(ShortSighted()), ["word " * 30, "word"]
    for _ in range(2):
        embedder.embed(texts)
        assert note_of_cut(embedder, texts, "inputs") == (
            "The embedder read only the first 20 tokens of 1 of 2 inputs.",
        )


@pytest.mark.parametrize("spec", ["nearest", "head", "few-shot:k=2,select=nearest", "rag:k=1"])
def test_every_approach_that_embeds_says_so(spec: str, tickets_in_russian: Task, make_model: Any) -> None:
    model = make_model()
    model.embedder = ShortSighted()
    predictor = parse(spec).fit(tickets_in_russian.for_fitting(), model, 0)
    what = "passages" if spec.startswith("rag") else "training inputs"
    assert f"The embedder read only the first 20 tokens of 3 of 6 {what}." in predictor.facts.notes
    found = predictor.predict([example.query for example in tickets_in_russian.test])
    assert [prediction.usage.unread for prediction in found] == [False, True, False, True]


def test_what_embeds_nothing_says_nothing(tickets_in_russian: Task, make_model: Any) -> None:
    model = make_model()
    model.embedder = ShortSighted()
    for spec in ("majority", "zero-shot", "few-shot:k=2"):
        predictor = parse(spec).fit(tickets_in_russian.for_fitting(), model, 0)
        found = predictor.predict([example.query for example in tickets_in_russian.test])
        assert not any(prediction.usage.unread for prediction in found)
        assert not any("embedder" in note for note in predictor.facts.notes)


def test_the_report_says_it_once_for_all_and_after_a_second_start(
    tickets_in_russian: Task, make_model: Any, tmp_path: Path
) -> None:
    for _ in range(2):
        model = make_model()
        model.embedder = ShortSighted()
        decision = decide(compare(tickets_in_russian, model, ["nearest", "head"], out=tmp_path / "run"))
        said = [caveat for caveat in decision.recommendation.caveats if "embedder" in caveat]
        assert len(said) == 1
        assert "nearest" in said[0] and "head" in said[0] and "2 test examples of 4" in said[0]
        assert {row.unread for row in decision.rows} == {2}
        assert all(any("3 of 6 training inputs" in note for note in row.notes) for row in decision.rows)


def test_shots_that_reached_the_prompt_are_recorded(tickets_in_russian: Task, make_model: Any) -> None:
    model = make_model()
    model.embedder = ShortSighted()
    predictor = parse("few-shot:k=2,select=nearest").fit(tickets_in_russian.for_fitting(), model, 0)
    found = predictor.predict([example.query for example in tickets_in_russian.test])
    assert [prediction.usage.shown for prediction in found] == [2 - prediction.usage.dropped for prediction in found]
