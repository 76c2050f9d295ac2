"""An embedder with a memory: the same bits, the same seconds, and nothing from it for a text alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from advisor.models import Vectors
from advisor.models.clock import clock
from advisor.models.embeddings import CachedEmbedder
from advisor.models.store import fresh

TEXTS = ["the sea is blue", "grass", "a rose", "\ud800 half a character"]


@dataclass
class Slow:
    """Takes its time, and gives other bits at each call."""

    name: str = "slow"
    revision: str = "1"
    dimension: int = 8
    seconds: float = 0.05
    asked: list[list[str]] = field(default_factory=list)

    calls: ClassVar[int] = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        type(self).calls += 1
        time.sleep(self.seconds)
        self.asked.append(list(texts))
        return np.random.default_rng(self.calls).normal(size=(len(texts), 8)).astype(np.float32)


def test_the_same_texts_come_back_bit_for_bit(kept: Path) -> None:
    slow = Slow()
    first = CachedEmbedder(slow).embed(TEXTS)
    again = CachedEmbedder(slow).embed(tuple(TEXTS))
    assert again.dtype == np.float32
    assert again.tobytes() == first.tobytes()
    assert len(slow.asked) == 1


def test_on_the_cold_clock_it_takes_what_it_took(kept: Path) -> None:
    embedder = CachedEmbedder(Slow(seconds=0.2))
    clock.drain()
    seconds = []
    for _ in range(2):
        began, really = clock.now(), time.perf_counter()
        embedder.embed(TEXTS)
        seconds.append(clock.now() - began)
        passed = time.perf_counter() - really
    assert seconds[0] >= 0.2
    assert seconds[1] == pytest.approx(seconds[0], abs=0.002)
    assert passed < 0.1
    assert clock.drain().reused == {"embeddings": pytest.approx(seconds[0], abs=0.002)}


def test_a_text_alone_is_always_computed(kept: Path) -> None:
    slow = Slow()
    embedder = CachedEmbedder(slow)
    for _ in range(2):
        assert embedder.embed(["grass"]).shape == (1, 8)
    assert len(slow.asked) == 2
    assert not kept.exists()


@pytest.mark.parametrize(
    ("embedder", "texts"),
    [
        (CachedEmbedder(Slow(name="other")), TEXTS),
        (CachedEmbedder(Slow(revision="2")), TEXTS),
        (CachedEmbedder(Slow(), lambda: {"dtype": "bfloat16"}), TEXTS),
        (CachedEmbedder(Slow()), TEXTS[::-1]),
        (CachedEmbedder(Slow()), TEXTS[:3]),
        (CachedEmbedder(Slow()), ["the sea is bluegrass", "", *TEXTS[2:]]),
    ],
)
def test_whatever_can_change_a_bit_is_computed_anew(kept: Path, embedder: CachedEmbedder, texts: list[str]) -> None:
    first = CachedEmbedder(Slow()).embed(TEXTS)
    assert embedder.embed(texts)[: len(first)].tobytes() != first.tobytes()


@pytest.mark.parametrize("damage", ["torn", "changed", "empty", "another kind", "a pickle"])
def test_a_damaged_entry_is_computed_anew(kept: Path, damage: str) -> None:
    slow = Slow()
    CachedEmbedder(slow).embed(TEXTS)
    (path,) = kept.rglob("*.npz")
    data = path.read_bytes()
    match damage:
        case "torn":
            path.write_bytes(data[:-40])
        case "changed":
            middle = data.index(b"NUMPY") + 130
            path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
        case "empty":
            path.write_bytes(b"")
        case "another kind":
            path.write_bytes(b"no archive")
        case "a pickle":
            np.savez(path, vectors=np.array([{}], dtype=object), seconds=1.0)
    second = CachedEmbedder(slow).embed(TEXTS)
    assert len(slow.asked) == 2
    assert CachedEmbedder(slow).embed(TEXTS).tobytes() == second.tobytes()
    assert len(slow.asked) == 2


def test_switched_off_or_fresh_all_is_computed(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    embedder = CachedEmbedder(slow)
    embedder.embed(TEXTS)
    with fresh():
        embedder.embed(TEXTS)
    monkeypatch.setenv("ADVISOR_CACHE", "off")
    embedder.embed(TEXTS)
    assert len(slow.asked) == 3


def test_it_is_otherwise_the_embedder_itself() -> None:
    embedder = CachedEmbedder(Slow())
    assert (embedder.name, embedder.revision, embedder.dimension) == ("slow", "1", 8)
