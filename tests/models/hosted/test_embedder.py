"""Embedders behind a server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.errors import Interrupted, UserError
from advisor.measuring.comparing import compare
from advisor.measuring.records import facts_of
from advisor.models import LanguageModel, cut_by, note_of_cut
from advisor.models.clock import clock
from advisor.models.hosted.address import place_of
from advisor.models.hosted.loading import load_embedder
from advisor.models.hosted.patience import Patience
from advisor.models.language_model import vectors_beside
from advisor.models.load import Loading
from advisor.tasks import Limits, Task
from advisor.verdict.prices import load_prices

QUICK = Patience(request_seconds=2.0, tries=3, first_wait=0.001, longest_wait=0.1, in_a_row=3, gone_seconds=0.0)


@pytest.fixture
def embedder(server: Any) -> Iterator[Any]:
    made = load_embedder(server.name, Loading(concurrency=3), QUICK)
    yield made
    made.calls.close()


class InProcess(LanguageModel):
    """A model that is not served."""

    name, context_window = "here", 100

    def __init__(self, embedder: Any) -> None:
        self.embedder = embedder

    def generate(self, prompts: Any, decoding: Any, adaptation: Any = None) -> Any:
        raise AssertionError("it is not asked")


@pytest.fixture
def models(server: Any, load_served: Any, hashing_embedder: Any) -> list[Any]:
    """A served model and one that is not."""
    return [load_served(server.name), InProcess(hashing_embedder)]


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
    """It alone, and that is said; those that fit are read whole, however long the longest is."""
    server.embeds_at_most = 10
    texts = ["short", "much too long a text", "just fits!", *(f"fits {n}" for n in range(70))]
    whole = embedder.embed(texts)
    assert whole.shape == (73, 4)
    read = [round(float(one)) for one in 3 * whole[:, 0] / whole[:, 1]]
    assert read[0] == 5 and read[2:] == [len(text) for text in texts[2:]] and 5 < read[1] <= 10
    assert cut_by(embedder, texts) == [False, True, *[False] * 71]
    assert note_of_cut(embedder, texts, "inputs") == ("The embedder read only the beginning of 1 of 73 inputs.",)


def test_a_text_that_is_too_long_in_other_words_does_not_make_requests_smaller(server: Any, embedder: Any) -> None:
    server.embeds_at_most, server.too_long = 10, "`inputs` must have less than 512 tokens. Given: 1000"
    embedder.embed(["x" * n for n in range(1, 33)])
    server.requests.clear()
    embedder.embed([f"fits {n}" for n in range(64)])
    assert [len(one.body["input"]) for one in server.requests] == [64]


def test_a_server_that_takes_fewer_texts_is_given_fewer(server: Any, embedder: Any) -> None:
    server.embeds_texts = 32
    vectors = embedder.embed(["x" * n for n in range(1, 65)])
    assert np.allclose(vectors[:, 0] / vectors[:, 1] * 3, range(1, 65), rtol=1e-4)
    assert [len(one.body["input"]) for one in server.requests] == [64, 32, 32]
    server.requests.clear()
    embedder.embed(["y" * n for n in range(1, 101)])
    assert sorted(len(one.body["input"]) for one in server.requests) == [18, 18, 32, 32]


def test_a_request_that_is_wrong_altogether_is_an_error(server: Any, embedder: Any) -> None:
    server.fault = lambda number: "422"
    with pytest.raises(UserError, match="refuses the request"):
        embedder.embed([str(n) for n in range(64)])
    assert len(server.requests) == 7


def test_no_text_is_asked_twice_in_a_process_but_each_counts(server: Any, embedder: Any) -> None:
    """A text alone is: that is how latency is measured."""
    first = embedder.embed(["a", "bb", "a"])
    assert [one.body["input"] for one in server.requests] == [["a", "bb"]]
    clock.drain()
    again = embedder.embed(["bb", "ccc", "a"])
    assert [one.body["input"] for one in server.requests[1:]] == [["ccc"]]
    assert np.array_equal(again[[2, 0]], first[:2])
    ledger = clock.drain()
    assert ledger.calls["embedded"] == 15 and ledger.reused["embeddings"] > 0
    embedder.embed(["a"])
    assert len(server.requests) == 3


def test_what_is_known_is_bounded(server: Any, embedder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.models.hosted.embedder.KNOWN_BYTES", 10 * 4 * 4)
    texts = [str(n) for n in range(100)]
    assert embedder.embed(texts).shape == (100, 4)
    server.requests.clear()
    embedder.embed(texts[90:])
    assert server.requests == []
    embedder.embed(texts[:10])
    assert len(server.requests) == 1


def test_vectors_outlive_a_kill(server: Any, tmp_path: Path, models: Any) -> None:
    """They are kept beside a model's answers, whether the model itself is served or not."""
    for number, model in enumerate(models):
        path = tmp_path / f"{number}.asked.jsonl"
        asked = []
        for _ in range(2):  # the second stands for a process that begins anew
            server.requests.clear()
            model.embedder = load_embedder(server.name, Loading(), QUICK)
            with model.keeping_answers(path):
                vectors = model.embedder.embed([str(n) for n in range(70)])
            model.embedder.calls.close()
            asked.append((vectors.tolist(), len(server.requests)))
        assert asked[0] == (asked[1][0], 2) and asked[1][1] == 0
        assert vectors_beside(path).exists()


def test_a_finished_run_leaves_no_vectors_behind(server: Any, light_task: Task, models: Any, tmp_path: Path) -> None:
    model = models[1]
    model.embedder = load_embedder(server.name, Loading(), QUICK)
    done = compare(light_task, model, ["head"], out=tmp_path)
    model.embedder.calls.close()
    assert done.runs[0].status == "ok" and server.requests
    assert not list(tmp_path.rglob("*.asked*"))


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


@pytest.fixture
def openais(monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageModel]:
    """A model in this process with an embedder of OpenAI's."""
    pytest.importorskip("openai")
    pytest.importorskip("genai_prices")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-the-test")
    model = InProcess(load_embedder("openai:text-embedding-3-small", Loading()))
    yield model
    model.embedder.calls.close()


def test_an_embedder_of_openai_is_elsewhere_by_its_name(openais: Any, light_task: Task, tmp_path: Path) -> None:
    assert place_of(openais.embedder.name) == "network"
    kept = replace(light_task, limits=Limits(local_only=True))
    with pytest.raises(UserError, match="embedder openai:text-embedding-3-small: would send texts to another machine"):
        compare(kept, openais, ["head"], out=tmp_path)


def test_the_tokens_of_an_embedder_of_openai_are_priced(openais: Any) -> None:
    tariff = load_prices().tariff(facts_of(openais), {})
    assert not tariff.embeds_here
    assert tariff.embedding and tariff.embedding.rates.prompt > 0
