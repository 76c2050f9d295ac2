"""Words in their language, fusions of words and vectors, and what is done with what was found."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.approaches import parse, spec_of
from advisor.errors import UserError
from advisor.models import Embedder, LanguageModel, Passage, Prompt, Vectors
from advisor.tasks import Document, Example, GroundedQuery, Query, Task
from rag import Bm25, Chunk, Dense, Hybrid, Oracle, Rag, Searcher, document_chunks
from rag.bm25 import STEMMED, terms_in, terms_of
from rag.hybrid import Fusion
from rag.refining import AtLeast, Distinct, Diverse
from tests.rag.conftest import QUESTIONS, TOPICS

PLACES = ["harbour", "station", "museum", "library", "castle", "garden", "market", "theatre", "bridge", "tower"]
ENGLISH = [
    f"The {place} was opened in {1900 + 7 * n} and visitors are walking to the {PLACES[n * 3 % 10]} after that. "
    f"Opening hours of the {place} depend on the season, and the guides speak {n % 4 + 1} languages."
    for n, place in enumerate(PLACES * 4)
]
ASKED = ["When did the museum open?", "walking visitors", "guide at the towers in 1963", "languages of the castles"]


@dataclass
class Chances:
    """Random vectors, the same for the same text."""

    name: str = "chances"
    revision: str = "1"
    dimension: int = 32

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = [np.random.default_rng(sum(map(ord, text))).standard_normal(self.dimension) for text in texts]
        vectors = np.asarray(rows, dtype=np.float32).reshape(len(texts), self.dimension)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@dataclass
class Astray:
    """Takes every question to the document before the right one."""

    name: str = "astray"
    revision: str = "1"
    dimension: int = 64

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            number = int(re.findall(r"m(\d+)", text)[0])
            vectors[row, number - text.startswith("Where")] = 1
        return vectors


def _chunks(texts: Sequence[str]) -> list[Chunk]:
    return list(document_chunks([Document(str(n), "", text) for n, text in enumerate(texts)], 160, 0))


def _ranked(searcher: Searcher, texts: Sequence[str], k: int = 10) -> list[list[int]]:
    return [[int(passage.source) for passage in row] for row in searcher.search(texts, k)]


def test_ranks_are_those_of_bm25s(embedder: Embedder) -> None:
    bm25s, stemmer = pytest.importorskip("bm25s"), pytest.importorskip("Stemmer").Stemmer("english")
    ours = Bm25(_chunks(ENGLISH), embedder)
    assert ours.language == "en"
    theirs = bm25s.BM25(method="lucene")
    form = {"stopwords": "en", "stemmer": stemmer, "token_pattern": r"(?u)\b\w+\b", "show_progress": False}
    theirs.index(bm25s.tokenize(ENGLISH, **form), show_progress=False)
    for text, scores in zip(ASKED, ours.scores(ASKED), strict=True):
        asked = bm25s.tokenize([text], return_ids=False, **form)[0]
        np.testing.assert_allclose(scores, theirs.get_scores(asked), atol=1e-5)


def test_ranks_of_single_words_are_those_of_rank_bm25(embedder: Embedder) -> None:
    library = pytest.importorskip("rank_bm25")
    chunks = _chunks(ENGLISH)
    ours, theirs = Bm25(chunks, embedder), library.BM25Plus([terms_in("en")(c.text) for c in chunks], delta=0)
    for word in ("opening", "castles", "1963", "walks", "4"):
        scores = np.asarray(theirs.get_scores(terms_in("en")(word)))
        best = [int(at) for at in np.argsort(-scores.round(6), kind="stable")[:10] if scores[at] > 0]
        assert _ranked(ours, [word])[0] == best
        assert best


@pytest.mark.parametrize(
    ("language", "text", "terms"),
    [
        ("en", "The visitors were walking to it", ["visitor", "were", "walk"]),
        ("de", "Die Straßen sind für alle Häuser gesperrt", ["strass", "haus", "gesperrt"]),
        ("fr", "les voitures rouges", ["voitur", "roug"]),
        ("ru", "книги на столах", ["книг", "стол"]),
        ("pl", "domami", ["dom"]),  # stemmed, without a list of stop words
        ("en", "To be or not to be", ["to", "be", "or", "not", "to", "be"]),  # nothing else
        ("en", "The 打印机 works", ["打印", "印机", "work"]),
        ("zh", "打印机的纸", ["打印", "印机", "机的", "的纸"]),
        ("und", "The visitors", ["the", "visitors"]),
        ("en", "", []),
    ],
)
def test_words_in_their_language(language: str, text: str, terms: list[str]) -> None:
    assert terms_in(language)(text) == terms


@pytest.mark.parametrize("language", STEMMED)
def test_each_language_has_what_it_names(language: str) -> None:
    assert terms_in(language)("a b c") != []


def test_words_are_found_in_other_forms(model: LanguageModel, tmp_path: Path) -> None:
    texts = [
        "Die Drucker im dritten Stock brauchen Kartuschen der Firma.",
        "Der Garten wird am Abend geschlossen und bewacht.",
    ]
    task = Task("t", "qa", "i", "token_f1", documents=tuple(Document(str(n), "", t) for n, t in enumerate(texts)))
    rag = Rag(k=1, retriever="bm25")
    source = rag.build(task, model, 0)
    source.save(tmp_path)
    assert json.loads((tmp_path / "language.json").read_text()) == {"language": "de"}
    for one in (source, rag.restore(tmp_path, task.brief, model)):
        contexts = one.contexts([Query("1", "Kartusche"), Query("2", "die Gärten"), Query("3", "und der die")])
        assert [[p.source for p in context.passages] for context in contexts] == [["0"], ["1"], []]
    (tmp_path / "language.json").write_text("[]")
    with pytest.raises(UserError, match=r"language\.json: it cannot be read"):
        rag.restore(tmp_path, task.brief, model)
    (tmp_path / "language.json").unlink()  # as an older version left it: words as they are
    assert rag.restore(tmp_path, task.brief, model).contexts([Query("1", "Kartusche")])[0].passages == ()


def test_ranks_fuse_as_in_langchain(embedder: Embedder) -> None:
    ensemble = pytest.importorskip("langchain_classic.retrievers.ensemble")
    from langchain_core.documents import Document as Found
    from langchain_core.retrievers import BaseRetriever

    class Listed(BaseRetriever):
        searcher: Any

        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Found]:
            return [Found(p.source) for p in self.searcher.search([query], len(ENGLISH))[0]]

    hybrid = Hybrid(_chunks(ENGLISH), Chances())
    for weight in (0.5, 0.3, 0.8):
        hybrid.fusion = Fusion("ranks", weight)
        parts = [Listed(searcher=hybrid.dense), Listed(searcher=hybrid.words)]
        theirs = ensemble.EnsembleRetriever(retrievers=parts, weights=[weight, 1 - weight], c=60)
        for text in ASKED:
            expected = theirs.invoke(text)
            found = hybrid.search([text], len(ENGLISH))[0]
            scores = {passage.source: passage.score or 0.0 for passage in found}
            in_their_order = [scores[document.page_content] for document in expected]
            np.testing.assert_allclose(in_their_order, sorted(scores.values(), reverse=True), atol=1e-7)


@pytest.mark.parametrize("fuse", ["scores", "ranks"])
def test_a_weight_at_its_end_is_one_searcher_alone(fuse: Any) -> None:
    hybrid = Hybrid(_chunks(ENGLISH), Chances())
    hybrid.fusion = Fusion(fuse, 1.0)
    assert _ranked(hybrid, ASKED) == _ranked(hybrid.dense, ASKED)
    hybrid.fusion = Fusion(fuse, 0.0)
    words = _ranked(hybrid.words, ASKED)
    assert [row[: len(found)] for row, found in zip(_ranked(hybrid, ASKED), words, strict=True)] == words


def _questions(count: int) -> Task:
    """Documents that only words tell apart, where the vectors are those of `Astray`."""
    documents = tuple(Document(f"d{n}", "", f"The machine called m{n} stands in hall {n % 7}.") for n in range(count))
    train = tuple(Example(f"e{n}", f"Where is m{n}?", "there", evidence=(f"d{n}",)) for n in range(count))
    return Task("t", "qa", "i", "token_f1", train=train, documents=documents)


def test_a_weight_is_learned_from_training_questions(model: Any, tmp_path: Path) -> None:
    rag = parse("rag:retriever=hybrid,weight=learned").builder  # type: ignore[attr-defined]
    astray = replace(model, embedder=Astray())
    task = _questions(40)
    source = rag.build(task, astray, 0)
    weight = source.facts.resolved["rag"]["weight"]
    assert weight < 0.5
    assert any(f"{weight}, was learned from 40 training questions" in note for note in source.facts.notes)
    source.save(tmp_path)
    again = rag.restore(tmp_path, task.brief, astray)
    assert again.facts == source.facts
    assert again.index.searcher.fusion == Fusion("scores", weight)
    queries = [example.query for example in task.train]
    assert again.contexts(queries) == source.contexts(queries)
    (tmp_path / "fusion.json").write_text('{"fuse": 3')
    with pytest.raises(UserError, match=r"fusion\.json: it cannot be read"):
        rag.restore(tmp_path, task.brief, astray)


def test_no_weight_is_learned_from_a_few_questions(desk: Task, labelled: Task, model: LanguageModel) -> None:
    for task in (desk, labelled):
        source = Rag(retriever="hybrid", weight="learned", fuse="ranks").build(task, model, 0)
        assert source.facts.resolved == {"rag": {"weight": 0.5}}
        assert any("a weight is learned from at least 30" in note for note in source.facts.notes)


def test_where_vectors_and_words_are_as_good_nothing_is_learned(model: Any) -> None:
    documents = tuple(Document(f"d{n}", "", f"machine m{n}") for n in range(30))
    train = tuple(Example(f"e{n}", f"machine m{n}", "there", evidence=(f"d{n}",)) for n in range(30))
    task = Task("t", "qa", "i", "token_f1", train=train, documents=documents)
    source = Rag(retriever="hybrid", weight="learned").build(task, model, 0)
    assert source.facts.resolved == {"rag": {"weight": 0.5}}


@pytest.mark.parametrize(
    ("wrong", "seen"),
    [
        ({"fuse": "votes"}, "fuse=votes is unknown"),
        ({"weight": 1.2}, "weight=1.2 is no share"),
        ({"weight": "guessed"}, "weight=guessed is unknown"),
        ({"retriever": "dense", "weight": 0.3}, "retriever=dense fuses nothing"),
        ({"retriever": "bm25", "fuse": "ranks"}, "retriever=bm25 fuses nothing"),
        ({"diversity": 1.0}, "diversity=1.0 is no share"),
        ({"fetch": 0}, "fetch=0"),
    ],
)
def test_parameters_that_say_nothing(wrong: dict[str, Any], seen: str) -> None:
    with pytest.raises(UserError, match=seen):
        Rag(**{"retriever": "hybrid", **wrong})


def test_specs_of_weights() -> None:
    spec = "rag:fuse=ranks,weight=learned"
    assert spec_of(parse(spec)) == spec
    assert spec_of(parse("rag:retriever=hybrid,weight=0.3")) == "rag:weight=0.3"
    with pytest.raises(UserError, match=r"weight' is 'half', not float\|learned"):
        parse("rag:retriever=hybrid,weight=half")


TWINS = [*TOPICS.values()] * 2


@pytest.mark.parametrize("kind", [Dense, Bm25, Hybrid])
def test_scores_fall_and_are_given(kind: type[Searcher], embedder: Embedder) -> None:
    for row in kind(_chunks(TWINS), embedder).search(list(QUESTIONS.values()), 5):
        scores = [passage.score for passage in row]
        assert None not in scores
        assert scores == sorted(scores, key=lambda score: -(score or 0.0))


@pytest.mark.parametrize("kind", [Dense, Bm25, Hybrid])
def test_passages_that_differ_take_the_place_of_twins(kind: type[Searcher], embedder: Embedder) -> None:
    plain = kind(_chunks(TWINS), embedder)
    asked = list(QUESTIONS.values())
    best = _ranked(plain, asked, 2)
    assert all(first % 8 == second % 8 for first, second in best)
    assert _ranked(Diverse(plain, 0.0, 16), asked, 2) == best
    differing = _ranked(Diverse(plain, 0.6, 16), asked, 2)
    assert [row[0] for row in differing] == [row[0] for row in best]
    others = [len({at % 8 for at in row}) > 1 for row in _ranked(plain, asked, 16)]
    assert sum(others) > 2
    assert [len({at % 8 for at in row}) for row in differing] == [1 + there for there in others]
    assert _ranked(Diverse(plain, 0.6, 16), asked, 0) == [[]] * 8
    within = [[str(n), str(n + 8)] for n in range(8)]
    assert Diverse(plain, 0.6, 16).search(asked, 2, within=within) == plain.search(asked, 2, within=within)


@pytest.mark.parametrize("kind", [Dense, Bm25, Hybrid])
def test_passages_differ_also_where_none_is_found(kind: type[Searcher], embedder: Embedder) -> None:
    diverse = Diverse(kind(_chunks(TWINS), embedder).updated([]), 0.3, 16)
    assert diverse.search(["", "visitors"], 3) == [[], []]
    unknown = Diverse(Bm25(_chunks(TWINS), embedder), 0.3, 16).search(["xyzzy", "", "visitors"], 3)
    assert [bool(row) for row in unknown] == [False, False, True]


def test_a_classifier_reads_passages_that_differ(desk: Task, model: Any) -> None:
    train = tuple(replace(e, target="yes" if n % 2 else "no") for n, e in enumerate(desk.train))
    task = replace(desk, kind="classification", metric="accuracy", labels=("yes", "no"), train=train)
    source = Rag(retriever="bm25", diversity=0.3).build(task, model, 0)
    assert source.contexts([Query("", "")])[0].passages == ()  # as the reading of labels is chosen


@pytest.mark.filterwarnings("error")
def test_scores_that_differ_by_nothing_leave_the_order(embedder: Embedder) -> None:
    class Alike(Dense):
        """Its scores are one number in single precision."""

        def search(self, *asked: Any, **limits: Any) -> list[list[Passage]]:
            return [[Passage(t, "", t, score=0.5 + n * 1e-12) for n, t in enumerate(("one", "two", "three"))]]

    found = Diverse(Alike(_chunks(["one", "two", "three"]), embedder), 0.1, 3).search(["one"], 3)
    assert [passage.source for passage in found[0]] == ["one", "two", "three"]


def test_least_may_leave_nothing(desk: Task, model: LanguageModel) -> None:
    far, near = Query("far", "xyzzy plugh"), Query("near", desk.train[0].input)
    source = Rag(least=0.3).build(desk, model, 0)
    nothing, something = source.contexts([far, near])
    assert nothing.passages == ()
    assert something.passages[0].source == "refunds"
    assert all(passage.score is not None and passage.score >= 0.3 for passage in something.passages)
    assert Prompt("Answer.", far.input, context=nothing).asked == far.input
    asked = Example("t", "xyzzy plugh", "five", evidence=("travel",))
    right = Rag(least=0.3, miss=0).build(desk, model, 0).training_contexts([asked], 0)
    assert [passage.source for passage in right[0].passages] == ["travel"]  # the right one is put in all the same


def test_least_needs_scores() -> None:
    class Silent(Searcher):
        """Gives no scores."""

        def search(self, texts: Sequence[str], k: int, within: Any = None, without: Any = None) -> list[list[Passage]]:
            return [[Passage("a", "", "text")] for _ in texts]

    with pytest.raises(UserError, match="gives no scores"):
        AtLeast(Silent([], Chances()), 0.3).search(["text"], 1)


def test_passages_of_several_chunks_come_once(embedder: Embedder) -> None:
    chunks = [
        Chunk(f"{source}#{n}", source, "", f"all of {source}", f"{source} part {n} " + "word " * n)
        for source in ("a", "b", "c") for n in range(30)
    ]  # fmt: skip
    found = Distinct(Dense(chunks, embedder)).search(["a part", "b part"], 2)
    assert [next(passage.source for passage in row) for row in found] == ["a", "b"]
    assert [len({passage.text for passage in row}) for row in found] == [2, 2]
    assert len(Distinct(Dense(chunks, embedder)).search(["word"], 9)[0]) == 3
    only = Distinct(Dense(chunks, embedder)).search(["a", "a"], 5, within=[["b"], ["c", "a"]])
    assert [sorted({passage.source for passage in row}) for row in only] == [["b"], ["a", "c"]]


def test_refinements_go_together(manual: Task, model: LanguageModel, tmp_path: Path) -> None:
    rag = Rag(chunk=12, overlap=0, parent=60, retriever="hybrid", diversity=0.4, least=0.2, fetch=10)
    source = rag.build(manual, model, 0)
    source.save(tmp_path)
    queries = [Query("1", "refunds"), Query("2", "carry over holiday"), Query("3", "xyzzy")]
    again = rag.restore(tmp_path, manual.brief, model)
    assert again.contexts(queries) == source.contexts(queries)
    assert again.training_contexts(manual.train, 3) == source.training_contexts(manual.train, 3)
    assert again.facts == source.facts
    for context in source.contexts(queries):
        assert len(set(context.passages)) == len(context.passages) <= 3


def test_the_oracle_shows_the_same_passages_as_rag(manual: Task, model: LanguageModel) -> None:
    cut: dict[str, Any] = {"chunk": 12, "overlap": 0, "parent": 60, "split": "sentences"}
    shown = (
        Oracle(k=9, **cut).build(manual, model, 0).contexts([GroundedQuery("q", "refunds", ("manual",))])[0].passages
    )
    known = {(c.source, c.text) for c in Rag(**cut).build(manual, model, 0).index.searcher.chunks}
    assert {(p.source, p.text) for p in shown} <= known


def test_a_retriever_from_python_has_its_own_settings(model: Any) -> None:
    from langchain_core.retrievers import BaseRetriever

    class Nothing(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Any]:
            return []

    with pytest.raises(UserError, match="diversity, least would say nothing"):
        Rag(diversity=0.3, least=0.1).with_retriever(Nothing(), "mine")


def test_words_without_a_language_stay_as_they_are(embedder: Embedder) -> None:
    numbers = _chunks([f"{n} 4711 x{n}" for n in range(5)])
    assert terms_in(Bm25(numbers, embedder).language)("x1 4711") == terms_of("x1 4711")
