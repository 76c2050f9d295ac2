from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from langchain_core.documents import Document

from advisor.errors import UserError
from advisor.models import Embedder
from rag import EmbedderEmbeddings, FaissStore

TEXTS = ["red apple", "green apple", "green pear", "blue car"]


@pytest.fixture
def store(embedder: Embedder) -> FaissStore:
    metadatas = [{"place": place} for place in range(4)]
    return FaissStore.from_texts(TEXTS, EmbedderEmbeddings(embedder), metadatas, ids=list("abcd"))


def test_scores_are_cosines_best_first(store: FaissStore) -> None:
    found = store.similarity_search_with_score("green apple", k=3)
    assert found[0][0].page_content == "green apple"
    assert [score for _, score in found] == pytest.approx([1.0, 0.5, 0.5])


def test_vectors_of_any_length_are_searched_by_angle(embedder: Embedder) -> None:
    store = FaissStore(EmbedderEmbeddings(embedder))
    vectors = np.array([[10, 10], [0, 0.1]], dtype=np.float32)
    store.add_embedded([Document("diagonal"), Document("up")], vectors)
    ((best, cosine),) = store.nearest(np.array([[0, 5]], dtype=np.float32), 1)[0]
    assert best.page_content == "up"
    assert cosine == pytest.approx(1.0)


def test_search_among_and_without(store: FaissStore, embedder: Embedder) -> None:
    vectors = embedder.embed(["green apple", "car"])
    among = store.nearest(vectors, 4, among=["c", "d", "unknown"], without=["d"])
    assert [[document.id for document, _ in row] for row in among] == [["c"], ["c"]]
    without = store.nearest(vectors, 1, without=["b", "d"])
    assert [row[0][0].id in {"a", "c"} for row in without] == [True, True]


def test_equal_scores_come_in_the_order_of_adding_however_many_are_asked_for(embedder: Embedder) -> None:
    texts = [f"same words {'again' if n % 2 else ''}" for n in range(60)]
    store = FaissStore.from_texts(texts, EmbedderEmbeddings(embedder), ids=[str(n) for n in range(60)])
    alone = store.nearest(embedder.embed(["same words"]), 3)
    together = store.nearest(embedder.embed(["same words"] * 40), 3)
    assert together == alone * 40
    assert [score for _, score in alone[0]] == pytest.approx([1.0] * 3)


def test_similarities_to_all_documents_come_in_their_order(
    store: FaissStore, embedder: Embedder, tmp_path: Path
) -> None:
    store.delete(["b"])
    store.add_texts(["red car"], ids=["e"])
    store.save_local(tmp_path)
    for one in (store, FaissStore.load_local(tmp_path, EmbedderEmbeddings(embedder))):
        assert one._index is not None
        found = one._index.similarities(embedder.embed(["red car", "pear"]))
        assert [document.id for document in one.documents] == ["a", "c", "d", "e"]
        assert found[0] == pytest.approx([0.5, 0, 0.5, 1])
        assert found[1] == pytest.approx([0, 0.5**0.5, 0, 0])


def test_filter_and_more_asked_than_there_is(store: FaissStore) -> None:
    found = store.similarity_search("apple", k=9, filter=lambda document: document.metadata["place"] < 2)
    assert sorted(document.id or "" for document in found) == ["a", "b"]
    assert store.nearest(np.zeros((1, 3), dtype=np.float32), 0) == [[]]


def test_as_retriever_plain_and_diverse(store: FaissStore) -> None:
    assert [d.id for d in store.as_retriever(search_kwargs={"k": 1}).invoke("blue car")] == ["d"]
    diverse = store.as_retriever(search_type="mmr", search_kwargs={"k": 2, "lambda_mult": 0.1}).invoke("green apple")
    assert [d.id for d in diverse] == ["b", "d"]
    some = store.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.9})
    assert [d.id for d in some.invoke("red apple")] == ["a"]


def test_equal_ids_in_one_call_count_once_and_what_was_returned_can_be_changed(store: FaissStore) -> None:
    store.add_texts(["old", "new"], ids=["e", "e"])
    assert len(store) == 5
    (document,) = store.get_by_ids(["e"])
    document.metadata["mine"] = True
    assert store.get_by_ids(["e"]) == [Document("new", id="e")]


def test_deleting_all(store: FaissStore) -> None:
    store.delete()
    assert len(store) == 0
    assert store.similarity_search("apple") == []


def test_ids_and_documents_of_different_number(store: FaissStore) -> None:
    with pytest.raises(ValueError, match="2 documents, 1 ids"):
        store.add_documents([Document("x"), Document("y")], ids=["x"])


def test_what_was_saved_comes_back_after_changes(store: FaissStore, tmp_path: Path) -> None:
    store.delete(["a"])
    store.add_texts(["line\u2028separator \u00fc"], ids=["z"])
    store.save_local(tmp_path)
    again = FaissStore.load_local(tmp_path, store.embeddings)
    assert again.documents == store.documents
    assert again.similarity_search_with_score("green apple", 9) == store.similarity_search_with_score("green apple", 9)
    again.add_texts(["more"], ids=["more"])
    assert again.similarity_search("more", k=1)[0].id == "more"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["documents.jsonl", "index.faiss"]


def test_an_empty_store_comes_back_empty(embedder: Embedder, tmp_path: Path) -> None:
    FaissStore(EmbedderEmbeddings(embedder)).save_local(tmp_path)
    again = FaissStore.load_local(tmp_path, EmbedderEmbeddings(embedder))
    assert again.add_texts(["first"], ids=["1"]) == ["1"]


def test_metadata_that_is_no_json(store: FaissStore, tmp_path: Path) -> None:
    store.add_documents([Document("x", id="x", metadata={"when": {1, 2}})])
    with pytest.raises(UserError, match="metadata of document x"):
        store.save_local(tmp_path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def _drop_last_line(path: Path) -> None:
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")


def _renumber(path: Path) -> None:
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    changed = [json.dumps(json.loads(row) | {"number": 77}) for row in rows]
    path.write_text("\n".join([head, *changed, ""]), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "damage", "seen"),
    [
        ("index.faiss", Path.unlink, "cannot be read"),
        ("index.faiss", _cut, "checksum"),
        ("index.faiss", _flip, "checksum"),
        ("documents.jsonl", Path.unlink, "cannot be read"),
        ("documents.jsonl", _cut, "cut short"),
        ("documents.jsonl", _drop_last_line, "lists 3 documents where the index has 4"),
        ("documents.jsonl", _renumber, "do not match"),
        ("documents.jsonl", lambda path: path.write_text("{}\n"), "line 1 lacks schema"),
        ("documents.jsonl", lambda path: path.write_text("no\n"), "line 1 is not JSON"),
        ("documents.jsonl", lambda path: path.write_bytes(b"\xff\xfe\n"), "cannot be read"),
        ("documents.jsonl", lambda path: path.write_text(""), "cut short"),
        ("documents.jsonl", lambda path: path.write_text('{"schema": 9}\n'), "has schema 9"),
    ],
)
def test_a_damaged_store_says_so(
    store: FaissStore, tmp_path: Path, name: str, damage: Callable[[Path], object], seen: str
) -> None:
    store.save_local(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(UserError, match=seen) as caught:
        FaissStore.load_local(tmp_path, store.embeddings)
    assert caught.value.what.startswith(str(tmp_path / name))
    assert "run again" in caught.value.hint
