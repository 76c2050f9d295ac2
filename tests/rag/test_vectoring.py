"""Vectors of which less is kept, embedders beside the model's, and queries that are embedded in their own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.errors import UserError
from advisor.models import Vectors
from advisor.models.embeddings import CachedEmbedder
from advisor.tasks import Document, Example, Limits, Query, Task
from rag import EmbedderEmbeddings, PassageIndex, Rag, document_chunks
from rag.chunking import Chunk
from rag.flat import FlatVectors, agreement, cut
from rag.stores.contract import Keeping


@dataclass
class Nested:
    """Random directions whose first numbers say most, so that few of them find nearly the same."""

    name: str = "nested"
    revision: str = "1"
    dimension: int = 64

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(list(text.encode())).normal(size=self.dimension) for text in texts]
        fading = 0.9 ** np.arange(self.dimension)
        return np.array(rows, dtype=np.float32).reshape(-1, self.dimension) * fading.astype(np.float32)


CHUNKS = [Chunk(f"s{n}#0", f"s{n}", "", f"passage {n}", f"passage {n}") for n in range(300)]
QUESTIONS = tuple(f"question {n}" for n in range(40))


@pytest.mark.parametrize(
    ("keeping", "size", "least"),
    [
        (Keeping(precision="int8", questions=QUESTIONS), 64, 0.95),
        (Keeping(precision="binary", questions=QUESTIONS), 16, 0.25),
        (Keeping(dimensions=32, questions=QUESTIONS), 128, 0.7),
        (Keeping(precision="int8", dimensions=32, questions=QUESTIONS), 32, 0.7),
    ],
)
def test_less_is_kept_and_it_is_told_what_is_lost(keeping: Keeping, size: int, least: float, tmp_path: Path) -> None:
    full, less = PassageIndex.over(CHUNKS, Nested()), PassageIndex.over(CHUNKS, Nested(), keeping=keeping)
    assert full.facts.notes == ()
    ours, theirs = full.facts.artifact_bytes or 0, less.facts.artifact_bytes or 0
    assert ours - theirs == 300 * (256 - size)
    pairs = zip(full.search(QUESTIONS, 10), less.search(QUESTIONS, 10), strict=True)
    shares = [len({p.source for p in right} & {p.source for p in found}) / 10 for right, found in pairs]
    assert least <= np.mean(shares) < 1
    assert f"{100 * np.mean(shares):.0f} % are found among 10" in less.facts.notes[0]
    assert f"kept in {100 * (size / 256):.0f} % of the bytes" in less.facts.notes[0]
    less.save(tmp_path)
    assert (tmp_path / "index.faiss").stat().st_size < 300 * (size + 20) + 2000
    again = PassageIndex.restore(tmp_path, Nested())
    assert again.search(QUESTIONS, 10) == less.search(QUESTIONS, 10)
    assert again.facts == less.facts
    changed = [*CHUNKS[5:], *(replace(chunk, embedded=f"new {chunk.embedded}") for chunk in CHUNKS[:5])]
    updated = again.updated(changed)
    fewer = [[p for p in row if p.source not in {f"s{n}" for n in range(5)}] for row in less.search(QUESTIONS, 15)]
    old = [f"s{n}" for n in range(5)]
    found = updated.search(QUESTIONS, 5, without=[old] * len(QUESTIONS))
    assert found == [row[:5] for row in fewer]


def test_the_first_numbers_are_made_unit_vectors_again() -> None:
    vectors = np.array([[3, 4, 12], [0, 0, 5]], dtype=np.float32)
    assert np.allclose(cut(vectors, 2), [[0.6, 0.8], [0, 0]])
    assert cut(vectors, 0) is cut(vectors, 3) is vectors


def test_agreement_is_a_mean_share() -> None:
    vectors = np.eye(4, dtype=np.float32)
    kept = FlatVectors(4)
    kept.add(np.arange(4), vectors[[1, 0, 2, 3]])
    assert agreement(vectors, kept, vectors, vectors, 1) == 0.5


def test_vectors_shorter_than_what_is_to_be_kept() -> None:
    with pytest.raises(UserError, match="dimensions=65: the vectors of nested have 64 numbers"):
        PassageIndex.over(CHUNKS, Nested(), keeping=Keeping(dimensions=65))


@dataclass
class Asking:
    """Knows questions from passages: its vectors of these have other signs, so that it finds what it is to find only if
    it is asked as it wants."""

    name: str = "asking"
    revision: str = "1"
    dimension: int = 64
    has_own_queries: bool = True

    def embed(self, texts: Sequence[str]) -> Vectors:
        return Nested().embed(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return Nested().embed([text.removeprefix("ask: ") for text in texts])


@pytest.mark.parametrize("retriever", ["dense", "hybrid"])
def test_queries_are_embedded_as_the_embedder_wants_them(retriever: str) -> None:
    asked = [f"ask: passage {n}" for n in (3, 7)]
    for embedder in (Asking(), CachedEmbedder(Asking())):
        found = PassageIndex.over(CHUNKS, embedder, retriever=retriever).search(asked, 1)
        assert [row[0].source for row in found] == ["s3", "s7"]
    plain = PassageIndex.over(CHUNKS, Asking(has_own_queries=False)).search(asked, 1)
    assert [row[0].source for row in plain] != ["s3", "s7"]
    embeddings = EmbedderEmbeddings(Asking())
    assert embeddings.embed_query("ask: passage 3") == embeddings.embed_documents(["passage 3"])[0]


# embedders by name


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the loaders of embedders were asked for."""
    asked: list[Any] = []

    def load(name: str, loading: Any) -> Any:
        asked.append((name, loading))
        return Nested(name)

    monkeypatch.setattr("advisor.models.load.plugin", lambda group, name, what: load)
    return asked


def test_an_embedder_by_name_is_loaded_once_as_the_model_was(named: list[Any], desk: Task, model: Any) -> None:
    model.loaded_from = {"name": "m", "device": "cpu", "dtype": "float32", "offline": False}
    approach = Rag(embedder="some-embedder")
    for seed in (0, 1):
        source = approach.build(desk, model, seed)
    ((name, loading),) = named
    assert (name, loading.device, loading.dtype, loading.typed) == ("some-embedder", "cpu", "float32", False)
    assert source.embedder is not None
    assert source.embedder.name == "some-embedder"
    assert "Passages are embedded by some-embedder, as the approach says." in source.facts.notes
    assert model.embedder.seen == []


def test_what_was_saved_needs_the_same_embedder(named: list[Any], desk: Task, model: Any, tmp_path: Path) -> None:
    source = Rag(embedder="some-embedder").build(desk, model, 0)
    source.save(tmp_path)
    queries = [Query("1", "refunds")]
    again = Rag(embedder="some-embedder").restore(tmp_path, desk.brief, model)
    assert again.contexts(queries) == source.contexts(queries)
    with pytest.raises(UserError, match="vectors are from some-embedder"):
        Rag().restore(tmp_path, desk.brief, replace(model, embedder=replace(model.embedder, revision="2")))


def test_an_embedder_elsewhere_is_refused_where_texts_stay(named: list[Any], desk: Task, model: Any) -> None:
    away = Rag(embedder="openai:text-embedding-3-small")
    away.build(desk, model, 0)
    with pytest.raises(UserError, match="embedder openai:text-embedding-3-small: would send texts"):
        away.build(replace(desk, limits=Limits(local_only=True)), model, 0)
    model.loaded_from = {"offline": True}
    with pytest.raises(UserError, match="would send texts"):
        away.build(desk, model, 0)


def test_rag_tells_what_was_lost_by_its_training_questions(model: Any) -> None:
    documents = tuple(Document(f"d{n}", "", f"passage {n}") for n in range(50))
    train = tuple(Example(f"q{n}", f"question {n}", "a", evidence=(f"d{n}",)) for n in range(10))
    task = Task("t", "qa", "i", "token_f1", train=train, documents=documents)
    source = Rag(vectors="binary", dimensions=64).build(task, replace(model, embedder=Nested()), 0)
    assert any("mean over 10 training questions" in note for note in source.facts.notes)


@pytest.mark.parametrize("name", ["dense", "hybrid"])
@pytest.mark.parametrize("keeping", [Keeping(precision="int8"), Keeping(dimensions=64), Keeping("qdrant")])
def test_an_emptied_index_knows_how_vectors_are_kept(
    name: str, keeping: Keeping, desk: Task, embedder: Any, tmp_path: Path
) -> None:
    if keeping.store == "qdrant":
        pytest.importorskip("langchain_qdrant")
    chunks = list(document_chunks(desk.documents, 160, 0))
    emptied = PassageIndex.over(chunks, embedder, retriever=name, keeping=keeping).updated([])
    emptied.save(tmp_path)
    for index in (emptied, PassageIndex.restore(tmp_path, embedder)):
        searcher: Any = index.updated(chunks).searcher
        kept = getattr(searcher, "dense", searcher).index.keeping
        assert (kept.store, kept.precision) == (keeping.store, keeping.precision)
        assert kept.dimensions == (keeping.dimensions or embedder.dimension)
        assert kept.copied == (name == "hybrid" and keeping.store == "qdrant")
