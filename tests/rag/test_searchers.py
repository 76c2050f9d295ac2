"""Searchers by name: vectors, words, both, and those that other packages bring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.approaches import Lengths, parse, spec_of
from advisor.errors import UserError
from advisor.forecast.foresight import foresee
from advisor.models import Embedder, LanguageModel, Vectors
from advisor.pilot import Rates
from advisor.tasks import Document, Example, GroundedQuery, Outline, Query, Task
from rag import Oracle, PassageIndex, Rag, Searcher, document_chunks
from rag.bm25 import terms_of
from rag.registry import OWN

KINDS: tuple[type[Searcher], ...] = tuple(OWN.values())


@dataclass
class Letters:
    """Texts with the same letters are similar; it cannot tell one part number from another."""

    name: str = "letters"
    revision: str = "1"
    dimension: int = 26

    def embed(self, texts: Sequence[str]) -> Vectors:
        counts = np.array([[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts], dtype=np.float32)
        counts = counts.reshape(len(texts), 26)
        norms = np.linalg.norm(counts, axis=1, keepdims=True)
        return np.asarray(counts / np.where(norms > 0, norms, 1), dtype=np.float32)


class Refusing:
    """Says who it is, and embeds nothing."""

    name, revision, dimension = "refusing", "1", 8

    def embed(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError("nothing is to be embedded")


@pytest.fixture
def parts() -> Task:
    """Pages that differ by a number, and a question to each."""
    numbers = ["4711", "4712", "0815", "9001"]
    documents = tuple(Document(n, "Part", f"Part number {n} is kept in the store room.") for n in numbers)
    train = tuple(Example(f"q{n}", f"where is {n}", "in the store room", evidence=(n,)) for n in numbers)
    return Task("parts", "qa", "Answer.", "token_f1", train=train, documents=documents)


def _first(source: Any, texts: Sequence[str]) -> list[str]:
    contexts = source.contexts([Query(str(n), text) for n, text in enumerate(texts)])
    return [context.passages[0].source if context.passages else "" for context in contexts]


def test_words_find_a_rare_term_that_vectors_miss(parts: Task, model: Any) -> None:
    blind = replace(model, embedder=Letters())
    asked = [example.input for example in parts.train]
    right = [example.evidence[0] for example in parts.train]
    found = {name: _first(Rag(retriever=name).build(parts, blind, 0), asked) for name in OWN}
    assert found["dense"] != right
    assert found["bm25"] == found["hybrid"] == right


def test_both_together_find_what_only_one_of_them_finds(model: Any) -> None:
    documents = (Document("near", "", "aaaa bbbb"), Document("rare", "", "zq7 hhhh"), Document("far", "", "mmmm nnnn"))
    task = Task("t", "qa", "i", "token_f1", documents=documents)
    source = Rag(k=2, retriever="hybrid").build(task, replace(model, embedder=Letters()), 0)
    assert sorted(p.source for p in source.contexts([Query("q", "zq7 ab")])[0].passages) == ["near", "rare"]
    assert _first(source, ["bbaa"]) == ["near"]  # no word is known, so that vectors decide


@pytest.mark.parametrize("name", OWN)
def test_what_was_saved_finds_the_same(
    name: str, manual: Task, model: LanguageModel, embedder: Any, tmp_path: Path
) -> None:
    built = Rag(chunk=40, overlap=5, retriever=name).build(manual, model, 0)
    built.save(tmp_path)
    embedder.seen.clear()
    again = Rag(chunk=40, overlap=5, retriever=name).restore(tmp_path, manual, model)
    assert embedder.seen == []
    assert again.facts == built.facts
    queries = [Query("1", "refunds"), Query("2", "carry over holiday")]
    assert again.contexts(queries) == built.contexts(queries)
    assert again.training_contexts(manual.train, 3) == built.training_contexts(manual.train, 3)
    assert not [path for path in tmp_path.iterdir() if path.read_bytes().startswith(b"\x80")]  # how pickles begin


SCRIPT = """
import sys, zlib
from pathlib import Path
import numpy as np
from rag import PassageIndex, document_chunks
from advisor.tasks import Document

class Embedder:
    name, revision, dimension = "hashed", "1", 64
    def embed(self, texts):
        vectors = np.zeros((len(texts), 64), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, zlib.crc32(word.encode()) % 64] += 1
        return vectors

folder, name, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
if what == "save":
    texts = [f"page {n} of the {w} manual" for n, w in enumerate("pump valve motor fan pump valve".split())]
    chunks = document_chunks([Document(str(n), "", text) for n, text in enumerate(texts)], 160, 0)
    index = PassageIndex.over(chunks, Embedder(), retriever=name)
    index.save(folder)
else:
    index = PassageIndex.restore(folder, Embedder())
print(index.search(["the valve manual", "page 3", "nothing"], 4, without=[["1"], [], []]))
"""


@pytest.mark.parametrize("name", OWN)
def test_another_process_finds_the_same_passages(name: str, tmp_path: Path) -> None:
    def run(what: str, seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path), name, what],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("save", "1") == run("restore", "2")


@pytest.mark.parametrize("kind", KINDS)
def test_equally_good_passages_come_in_the_order_of_the_documents(kind: type[Searcher], embedder: Embedder) -> None:
    chunks = list(document_chunks([Document(str(n), "", "same words") for n in range(40)], 160, 0))
    found = kind(chunks, embedder).search(["same words"] * 3, 5)
    assert [[passage.source for passage in row] for row in found] == [["0", "1", "2", "3", "4"]] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_each_text_has_sources_of_its_own(kind: type[Searcher], embedder: Embedder) -> None:
    chunks = list(document_chunks([Document(n, "", f"word {n}") for n in "abcd"], 160, 0))
    built = kind(chunks, embedder)
    within = built.search(["word a", "zzz"], 9, within=[["b", "unknown"], ["d", "c"]], without=[[], ["d"]])
    assert [[passage.source for passage in row] for row in within] == [["b"], ["c"]]
    without = built.search(["word a", "word a"], 1, without=[["a", "b"], []])
    assert [row[0].source for row in without] == ["c", "a"]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_search_and_more_asked_than_there_is(kind: type[Searcher], embedder: Embedder) -> None:
    assert kind([], embedder).search(["word"], 3) == [[]]
    chunks = list(document_chunks([Document("a", "", ""), Document("b", "", "?!"), Document("c", "", "word")], 9, 0))
    found = kind(chunks, embedder).search(["word"], 50)[0]
    assert found[0].source == "c"
    assert len(found) <= 3
    wordless = kind(chunks[:2], embedder).search(["word", "?"], 2, within=[["b"], ["a"]])
    assert [[passage.source for passage in row] for row in wordless] == [["b"], ["a"]]


def test_words_alone_embed_nothing(desk: Task, labelled: Task, model: Any, tmp_path: Path) -> None:
    refusing = replace(model, embedder=Refusing())
    rag = Rag(retriever="bm25")
    source = rag.build(desk, refusing, 0)
    questions = [example.input for example in desk.train]
    assert _first(source, questions) == [document.id for document in desk.documents]
    source.training_contexts(desk.train, 0)
    assert source.embedder is None
    assert source.facts.index_seconds and source.facts.artifact_bytes > sum(len(d.text) for d in desk.documents)
    source.save(tmp_path)
    other = replace(model, embedder=Letters())
    assert _first(rag.restore(tmp_path, desk, other), questions) == _first(source, questions)
    examples = rag.build(labelled, refusing, 0)
    shown = examples.training_contexts(labelled.train[:1], 0)[0]
    assert [passage.source for passage in shown.passages] == ["3", "4", "5"]  # neither itself nor its like
    assert rag.load(Outline.of(desk)).indexed == 0 < Rag(retriever="hybrid").load(Outline.of(desk)).indexed


def test_what_words_alone_cost_is_foreseen_without_embedding(desk: Task) -> None:
    lengths = Lengths.of(replace(desk, test=desk.train), lambda text: len(text.split()))
    words, both = (
        foresee(parse(f"rag:retriever={name}"), Outline.of(desk), lengths, Rates(embed=100.0), None)
        for name in ("bm25", "hybrid")
    )
    assert words.prompt_tokens == both.prompt_tokens
    assert words.work.to_index == 0 < both.work.to_index
    assert words.work.per_query < both.work.per_query


def test_no_passage_is_shown_where_no_word_is_known(desk: Task, model: LanguageModel) -> None:
    source = Rag(retriever="bm25").build(desk, model, 0)
    assert [context.passages for context in source.contexts([Query("q", "xyzzy"), Query("r", "")])] == [(), ()]
    asked = Example("t", "xyzzy", "five", evidence=("travel",))
    never = Rag(retriever="bm25", miss=0).build(desk, model, 0).training_contexts([asked], 0)
    assert [passage.source for passage in never[0].passages] == ["travel"]  # the right one is put in all the same


def test_the_oracle_ranks_by_words_too(manual: Task, model: Any) -> None:
    source = Oracle(k=2, chunk=40, overlap=5, retriever="bm25").build(manual, replace(model, embedder=Refusing()), 0)
    (context,) = source.contexts([GroundedQuery("q", "which toner cartridges", ("manual",))])
    assert "K40" in context.passages[0].text
    assert [p.source for p in source.contexts([GroundedQuery("q", "zzz", ("leaflet",))])[0].passages] == ["leaflet"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Straße ﬁnden, E-42!", ["strasse", "finden", "e", "42"]),
        ("Wi_Fi हिन्दी", ["wi", "fi", "हिन्दी"]),
        ("打印机K40坏", ["打印", "印机", "k40", "坏"]),
        ("", []),
    ],
)
def test_words_in_any_script(text: str, terms: list[str]) -> None:
    assert terms_of(text) == terms


def test_an_index_tells_its_retriever(desk: Task, model: LanguageModel, tmp_path: Path) -> None:
    Rag(retriever="bm25").build(desk, model, 0).save(tmp_path)
    kept = json.loads((tmp_path / "index.json").read_text())
    assert (kept["retriever"], kept["embedder"]) == ("bm25", None)
    (tmp_path / "documents.jsonl").write_text('{"schema": 1}\n{"number": 0}\n')
    with pytest.raises(UserError, match=r"documents\.jsonl: line 2 lacks"):
        Rag(retriever="bm25").restore(tmp_path, desk, model)


def test_specs_name_a_retriever() -> None:
    assert spec_of(parse("rag:retriever=bm25,k=5")) == "rag:k=5,retriever=bm25"
    assert spec_of(parse("rag:retriever=hybrid")) == "rag"
    with pytest.raises(UserError, match="retriever 'bm26' is unknown") as caught:
        parse("rag:retriever=bm26+lora")
    assert caught.value.hint.startswith("did you mean 'bm25'? installed are dense, bm25, hybrid")


OVERLAP = '''
"""Ranks chunks by how many words they share with the text."""

import numpy as np
from rag import Scorer


class Overlap(Scorer):
    """Counts shared words."""

    nothing = 0.0

    def __init__(self, chunks, embedder):
        super().__init__(chunks, embedder)
        self.words = [set(chunk.embedded.lower().split()) for chunk in chunks]

    def scores(self, texts):
        for text in texts:
            asked = set(text.lower().split())
            yield np.array([len(asked & words) for words in self.words], dtype=np.float32)


class Short(Overlap):
    """Forgets the last text."""

    def search(self, texts, k, within=None, without=None):
        return super().search(texts[:-1], k)


def helper():
    """No searcher."""
'''


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Installs a package with searchers under `tmp_path`, for the time of a test."""

    def install(points: dict[str, str]) -> None:
        (tmp_path / "overlap_searcher.py").write_text(OVERLAP, encoding="utf-8")
        info = tmp_path / "overlap_searcher-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: overlap-searcher\nVersion: 1.0\n")
        lines = [f"{name} = {where}" for name, where in points.items()]
        (info / "entry_points.txt").write_text("[advisor.searchers]\n" + "\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def test_another_package_brings_a_searcher(
    brought: Callable[[dict[str, str]], None], desk: Task, model: Any, tmp_path: Path
) -> None:
    brought({"overlap": "overlap_searcher:Overlap", "dense": "overlap_searcher:Overlap"})
    approach = parse("rag:retriever=overlap+lora")
    assert spec_of(approach) == "rag:retriever=overlap+lora"
    rag, refusing = Rag(retriever="overlap"), replace(model, embedder=Refusing())
    source = rag.build(desk, refusing, 0)
    assert _first(source, ["visitors park behind the barrier", "xyzzy"]) == ["parking", ""]
    assert source.training_contexts(desk.train, 0)
    (tmp_path / "kept").mkdir()
    source.save(tmp_path / "kept")
    again = rag.restore(tmp_path / "kept", desk, refusing)
    assert _first(again, ["visitors park behind the barrier", "xyzzy"]) == ["parking", ""]
    assert Rag().build(desk, model, 0).embedder is not None  # a name of our own means nothing else


@pytest.mark.parametrize(
    ("where", "seen"),
    [
        ("overlap_searcher:Nowhere", "cannot be loaded: AttributeError"),
        ("no_such_module:Overlap", "cannot be loaded: ModuleNotFoundError"),
        ("overlap_searcher:helper", "is registered as retriever 'mine' but is none"),
    ],
)
def test_a_broken_searcher_is_said_when_it_is_named(
    brought: Callable[[dict[str, str]], None], where: str, seen: str
) -> None:
    brought({"mine": where})
    with pytest.raises(UserError, match=seen):
        parse("rag:retriever=mine")


def test_a_searcher_that_answers_for_fewer_texts(
    brought: Callable[[dict[str, str]], None], desk: Task, embedder: Embedder
) -> None:
    brought({"fewer": "overlap_searcher:Short"})
    index = PassageIndex.over(document_chunks(desk.documents, 160, 0), embedder, retriever="fewer")
    with pytest.raises(UserError, match="retriever 'fewer' gave 1 results for 2 texts"):
        index.search(["one", "two"], 1)
