"""Several embedders compared by what they find, and the one that is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import parse, spec_of
from advisor.errors import UserError
from advisor.models import Vectors
from advisor.tasks import Document, Example, Limits, Outline, Query, Task
from rag import Rag
from rag.embedder_choice import PASSAGES
from tests.rag.conftest import RetrievingModel, WordEmbedder
from tests.rag.test_search import Reader

COUNT = 1500  # documents


@pytest.fixture
def stock() -> Task:
    """Many documents, and a question to every fiftieth; the answer stands in it word for word."""
    texts = [f"Room {n % 50} is empty." if n % 50 else f"The thing{n} weighs {n} kilos." for n in range(COUNT)]
    documents = tuple(Document(f"d{n}", "", text) for n, text in enumerate(texts))
    asked = tuple(
        Example(f"q{n}", f"How heavy is the thing{n}?", f"{n} kilos", evidence=(f"d{n}",)) for n in range(0, COUNT, 50)
    )
    return Task("stock", "qa", "Answer.", "token_f1", train=asked, documents=documents)


class Half(WordEmbedder):
    """To it, all texts about every other thing look alike."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = super().embed(texts)
        vectors[[row for row, text in enumerate(texts) if "00" in text]] = 1 / self.dimension**0.5
        return vectors


@pytest.fixture
def embedders(monkeypatch: pytest.MonkeyPatch) -> dict[str, WordEmbedder]:
    """Loaded by name, as entry points load them."""
    known: dict[str, WordEmbedder] = {
        "half": Half("half", dimension=4096),
        "words": WordEmbedder("words", dimension=4096),
        "twin": WordEmbedder("twin", dimension=4096),
    }

    def load(name: str, loading: Any) -> WordEmbedder:
        return known.setdefault(name, WordEmbedder(name))

    monkeypatch.setattr("advisor.models.load.plugin", lambda group, name, what: load)
    return known


@pytest.fixture
def model() -> RetrievingModel:
    return RetrievingModel(WordEmbedder("own"))


def _queries(task: Task) -> list[Query]:
    return [example.query for example in task.train]


def test_the_one_that_finds_more_is_taken_kept_and_brought_back(
    stock: Task, model: RetrievingModel, embedders: dict[str, WordEmbedder], tmp_path: Path
) -> None:
    approach = Rag(k=1, retriever="dense", embedders="half;words")
    source = approach.build(stock, model, 0)
    assert source.facts.resolved["rag"] == {"embedder": "words"}
    compared, taken = (note for note in source.facts.notes if "compared on" in note or "taken" in note)
    assert "2 embedders were compared on 30 training questions with evidence, searched for among 1,000 of" in compared
    assert "words: answers shown 0.97, recall 0.97, MRR 0.97, nDCG 0.97, " in compared
    assert " bytes" in compared
    assert "What was taken is words, which showed more answers than the first, half," in taken
    assert source.embedder is embedders["words"]
    assert sum(map(len, embedders["half"].seen)) == PASSAGES + 30  # and no more, however many documents there are
    assert len(source.index.searcher.chunks) == COUNT
    source.save(tmp_path)
    again = approach.restore(tmp_path, stock.brief, model)
    assert again.contexts(_queries(stock)) == source.contexts(_queries(stock))
    again.save(tmp_path)
    assert approach.restore(tmp_path, stock.brief, model).embedder is embedders["words"]
    changed = [*stock.documents[1:], Document("new", "", "The kiwi weighs little.")]
    (found,) = source.reindexed(changed, model).contexts([Query("1", "the kiwi")])
    assert found.passages[0].source == "new"


def test_the_first_stays_where_no_other_finds_more(
    stock: Task, model: RetrievingModel, embedders: dict[str, WordEmbedder]
) -> None:
    for first, second in (("twin", "words"), ("words", "half")):
        source = Rag(k=1, retriever="dense", embedders=f"{first} ; {second}").build(stock, model, 0)
        assert source.facts.resolved["rag"] == {"embedder": first}
        assert any(f"What was taken is {first}, the first named" in note for note in source.facts.notes)


def test_weak_evidence_is_said_to_be_weak(
    stock: Task, model: RetrievingModel, embedders: dict[str, WordEmbedder]
) -> None:
    bare = replace(stock, train=tuple(replace(example, evidence=()) for example in stock.train))
    source = Rag(k=1, retriever="dense", embedders="half;words").build(bare, model, 0)
    assert any("compared on" in note and "weak" in note for note in source.facts.notes)
    assert source.facts.resolved["rag"] == {"embedder": "words"}


def test_too_few_questions_compare_nothing(
    desk: Task, labelled: Task, model: RetrievingModel, embedders: dict[str, WordEmbedder], tmp_path: Path
) -> None:
    for task in (desk, labelled):
        source = Rag(embedders="twin;words").build(task, model, 0)
        assert any("No embedders were compared" in note for note in source.facts.notes)
        assert source.facts.resolved["rag"] == {"embedder": "twin"}
        assert embedders["words"].seen == []
        (folder := tmp_path / task.name).mkdir()
        source.save(folder)
        again = Rag(embedders="twin;words").restore(folder, task.brief, model)
        assert again.contexts(_queries(task)) == source.contexts(_queries(task))


def test_a_search_comes_behind_the_embedder(
    stock: Task, model: RetrievingModel, embedders: dict[str, WordEmbedder], tmp_path: Path
) -> None:
    approach = Rag(k=1, retriever="dense", embedders="half;words", search=4)
    model = Reader(model.embedder)
    source = approach.build(stock, model, 0)
    resolved = source.facts.resolved["rag"]
    assert resolved["embedder"] == ("" if resolved.get("retriever") == "bm25" else "words")
    assert any("settings were tried" in note and "retriever=bm25" in note for note in source.facts.notes)
    source.save(tmp_path)
    again = approach.restore(tmp_path, stock.brief, model)
    assert again.contexts(_queries(stock)) == source.contexts(_queries(stock))


def test_one_elsewhere_is_refused_where_texts_stay(
    stock: Task, model: RetrievingModel, embedders: dict[str, WordEmbedder]
) -> None:
    here = replace(stock, limits=Limits(local_only=True))
    with pytest.raises(UserError, match="embedder openai:e: would send texts"):
        Rag(embedders="words;openai:e").build(here, model, 0)
    assert embedders["words"].seen == []


def test_specs_name_several() -> None:
    spec = "rag:embedders=embedded;http://127.0.0.1:8000/v1#e5+lora"
    assert spec_of(parse(spec)) == spec


def test_what_they_read_is_foreseen(stock: Task) -> None:
    outline = Outline.of(stock)
    plain, compared = (Rag(embedders=names).load(outline).indexed for names in ("", "a;b"))
    assert plain < compared <= 3 * plain


@pytest.mark.parametrize(
    ("spec", "seen"),
    [
        ("rag:embedders=words", "does not name several"),
        ("rag:embedders=words;words", "does not name several"),
        ("rag:embedders=words;", "does not name several"),
        ("rag:embedders=words;twin,embedder=half", "embedders that it is to be chosen"),
        ("rag:embedders=words;twin,retriever=bm25", "embeds nothing"),
    ],
)
def test_parameters_that_do_not_fit(spec: str, seen: str) -> None:
    with pytest.raises(UserError, match=seen):
        parse(spec)
