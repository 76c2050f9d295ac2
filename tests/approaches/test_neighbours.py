"""The nearest training examples: the same as a full sort gives, in bounded memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from advisor.approaches import neighbours
from advisor.approaches.neighbours import Neighbours
from advisor.models import Vectors
from advisor.tasks import Example


@dataclass(frozen=True)
class Listed:
    """An embedder that knows the vector of each text."""

    vectors: dict[str, Vectors]
    name: str = "listed"
    revision: str = "1"
    dimension: int = 4

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self.vectors[text] for text in texts])


def of(seed: int, rows: int, different: int) -> tuple[Neighbours, list[str]]:
    """Examples of which many have the very same vector, and some the very same input."""
    rng = np.random.default_rng(seed)
    known = rng.integers(-2, 3, size=(different, 4)).astype(np.float32)
    inputs = [f"text {rng.integers(different)}" for _ in range(rows)]
    embedder = Listed({f"text {i}": vector for i, vector in enumerate(known)})
    return Neighbours.of([Example(str(i), text, "a") for i, text in enumerate(inputs)], embedder), inputs


def sorted_in_full(found: Neighbours, texts: Sequence[str], k: int, apart: bool) -> list[list[Example]]:
    expected = []
    for text, row in zip(texts, found.embedder.embed(texts) @ found.vectors.T, strict=True):
        order = [found.examples[int(i)] for i in np.argsort(-row, kind="stable")]
        expected.append([e for e in order if not (apart and e.input == text)][:k])
    return expected


@pytest.mark.parametrize("at_once", [1, 37, 2**24])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("k", [1, 2, 8, 300])
def test_they_are_those_of_a_full_sort_ties_included(
    k: int, apart: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "_FLOATS_AT_ONCE", at_once)
    for seed in range(5):
        found, inputs = of(seed, 40, 12)
        assert found.search(inputs, k, apart_from_itself=apart) == sorted_in_full(found, inputs, k, apart)


def test_where_all_inputs_are_the_same_nothing_is_left_of_it_but_itself() -> None:
    found, inputs = of(0, 5, 1)
    assert found.search(inputs[:1], 3) == [list(found.examples[:3])]
    assert found.search(inputs[:1], 3, apart_from_itself=True) == [[]]


def test_memory_is_bounded_whatever_is_asked_for() -> None:
    """2,000 texts against 20,000 examples are 160 MB of similarities."""
    found, inputs = of(0, 20_000, 1000)
    tracemalloc.start()
    found.search(inputs[:2000], 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150e6
