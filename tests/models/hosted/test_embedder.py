"""Embedders behind a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from advisor.errors import Interrupted, UserError
from advisor.models.clock import clock
from advisor.models.hosted.loading import load_embedder
from advisor.models.hosted.patience import Patience
from advisor.models.load import Loading

QUICK = Patience(request_seconds=2.0, tries=3, first_wait=0.001, longest_wait=0.1, in_a_row=3, gone_seconds=0.0)


@pytest.fixture
def embedder(server: Any) -> Iterator[Any]:
    made = load_embedder(server.name, Loading(concurrency=3), QUICK)
    yield made
    made.calls.close()


def test_vectors_are_of_length_one_and_in_order(server: Any, embedder: Any) -> None:
    assert server.requests == []
    clock.drain()
    texts = ["x" * n for n in range(150)]
    vectors = embedder.embed(texts)
    assert vectors.dtype == np.float32 and vectors.shape == (150, 4)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)
    lengths = vectors[:, 0] / vectors[:, 1] * 3
    assert np.allclose(lengths, [1, *range(1, 150)], rtol=1e-4)  # an empty text is sent as a blank
    calls = clock.drain().calls
    assert calls["embedded"] == 5 * 150 and not calls["prompt"]
    assert sorted(len(one.body["input"]) for one in server.requests) == [22, 64, 64]
    assert (embedder.dimension, embedder.revision, embedder.name) == (4, "", server.name)


def test_nothing_to_embed_gives_nothing(embedder: Any) -> None:
    assert embedder.embed([]).shape == (0, 4)


def test_a_text_that_is_too_long_is_read_as_far_as_it_goes(server: Any, embedder: Any) -> None:
    server.embeds_at_most = 10
    assert embedder.embed(["short", "much too long a text"]).shape == (2, 4)
    assert max(map(len, server.requests[-1].body["input"])) <= 10


def test_its_faults_are_those_of_a_model(server: Any, embedder: Any) -> None:
    server.fault = lambda number: "garbage" if number == 1 else None
    assert embedder.embed(["a"]).shape == (1, 4)
    server.fault = lambda number: "shape"
    with pytest.raises(Interrupted):
        embedder.embed(["a"])
    server.fault, server.key = lambda number: None, "right"
    with pytest.raises(UserError, match="takes no such key"):
        embedder.embed(["a"])


def test_it_is_refused_where_no_text_may_leave_the_machine() -> None:
    with pytest.raises(UserError, match=r"embedder https://far.example/v1#e: would send texts to another machine"):
        load_embedder("https://far.example/v1#e", Loading(offline=True))
