from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import ContextBuilder
from advisor.errors import UserError
from advisor.models import Context, LanguageModel
from advisor.tasks import Document, Example, GroundedQuery, Query, Task
from rag import Oracle, Rag


def _sources(contexts: Sequence[Context]) -> list[list[str]]:
    return [[passage.source for passage in context.passages] for context in contexts]


def test_parameters_are_what_the_record_stores() -> None:
    assert {field.name: field.default for field in fields(Rag)} == {
        "cot": False,
        "calibrate": False,
        "k": 3,
        "chunk": 160,
        "overlap": 30,
        "split": "words",
        "parent": 0,
        "context": "title",
        "miss": 0.2,
        "retriever": "hybrid",
        "fuse": "scores",
        "weight": 0.5,
        "fetch": 20,
        "diversity": 0.0,
        "least": None,
        "rerank": "none",
        "query": "plain",
        "search": 0,
        "abstain": "none",
        "cite": False,
        "store": "faiss",
        "embedder": "",
        "dimensions": 0,
        "vectors": "float",
        "embedders": "",
    }
    cut = ["k", "chunk", "overlap", "split", "parent", "context"]
    assert [field.name for field in fields(Oracle)] == ["cot", "calibrate", *cut, "retriever"]
    assert (Rag.name, Oracle.name, Rag.control, Oracle.control) == ("rag", "oracle", False, True)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"chunk": 0}, {"chunk": 20}, {"overlap": -1}, {"miss": 1.5}])
def test_parameters_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Rag(**wrong)


def test_what_suits_which_task(desk: Task, labelled: Task) -> None:
    nothing = replace(labelled, train=())
    assert [Rag().unsuited(task) == "" for task in (desk, labelled, nothing)] == [True, True, False]
    assert [Rag().suggested(task) for task in (desk, labelled, nothing)] == [True, False, False]
    unknown = replace(desk, train=tuple(replace(example, evidence=()) for example in desk.train))
    assert [Oracle().unsuited(task) == "" for task in (desk, labelled, unknown)] == [True, False, False]
    assert "evidence" in Oracle().unsuited(unknown)


def test_rag_finds_the_document(desk: Task, model: LanguageModel) -> None:
    source = Rag(k=2).build(desk, model, seed=0)
    contexts = source.contexts([example.query for example in desk.train])
    assert [sources[0] for sources in _sources(contexts)] == [document.id for document in desk.documents]
    best = contexts[0].passages[0]
    assert (best.title, best.text) == (desk.documents[0].title, desk.documents[0].text)
    assert all(context.size == 2 and not context.fixed for context in contexts)


def test_queries_are_embedded_in_one_call(desk: Task, model: LanguageModel, embedder: Any) -> None:
    source = Rag().build(desk, model, seed=0)
    embedder.seen.clear()
    source.contexts([example.query for example in desk.train])
    assert [len(texts) for texts in embedder.seen] == [8]


def test_more_passages_asked_for_than_there_are(desk: Task, model: LanguageModel) -> None:
    (context,) = Rag(k=50).build(desk, model, seed=0).contexts([Query("q", "badge")])
    assert len(context.passages) == 8


def test_facts(manual: Task, model: LanguageModel) -> None:
    facts = Rag(chunk=40, overlap=5).build(manual, model, seed=0).facts
    assert facts.notes == ("3 documents in 26 chunks.",)
    assert facts.index_seconds is not None and facts.index_seconds > 0
    assert facts.artifact_bytes > 26 * 512 * 4
    assert facts.trainable_parameters == 0


@pytest.mark.parametrize("builder", [Rag(chunk=40, overlap=5), Oracle(chunk=40, overlap=5)])
def test_what_was_saved_gives_the_same_without_embedding_again(
    builder: ContextBuilder,
    manual: Task,
    model: LanguageModel,
    embedder: Any,
    tmp_path: Path,
) -> None:
    built = builder.build(manual, model, seed=0)
    built.save(tmp_path)
    embedder.seen.clear()
    restored = builder.restore(tmp_path, manual, model)
    assert embedder.seen == []
    queries = [GroundedQuery("1", "refunds", ("manual",)), Query("2", "carry over holiday")]
    assert restored.contexts(queries) == built.contexts(queries)
    assert restored.training_contexts(manual.train, 3) == built.training_contexts(manual.train, 3)
    assert restored.facts == built.facts
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "documents.jsonl",
        "fusion.json",
        "index.faiss",
        "index.json",
        "language.json",
    ]
    assert all(not path.read_bytes().startswith(b"\x80") for path in tmp_path.iterdir())  # how pickles begin


def test_an_index_of_another_embedder(desk: Task, model: LanguageModel, embedder: Any, tmp_path: Path) -> None:
    Rag().build(desk, model, seed=0).save(tmp_path)
    embedder.revision = "2"
    with pytest.raises(UserError, match=r"from words \(1\), the embedder is words \(2\)"):
        Rag().restore(tmp_path, desk, model)


def test_a_damaged_index(desk: Task, model: LanguageModel, tmp_path: Path) -> None:
    Rag().build(desk, model, seed=0).save(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(UserError, match=r"index\.json: it cannot be read"):
        Rag().restore(tmp_path, desk, model)


def test_an_index_of_another_schema(desk: Task, model: LanguageModel, tmp_path: Path) -> None:
    Rag().build(desk, model, seed=0).save(tmp_path)
    kept = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps(kept | {"schema": 0}))
    with pytest.raises(UserError, match=r"index\.json: it has schema 0, this version reads 1") as caught:
        Rag().restore(tmp_path, desk, model)
    assert "run again" in caught.value.hint


def test_labelled_examples_in_place_of_documents(labelled: Task, model: LanguageModel, tmp_path: Path) -> None:
    source = Rag(k=2).build(labelled, model, seed=0)
    query = Query("new", "The new address, please")
    (context,) = source.contexts([query])
    assert {passage.source for passage in context.passages} == {"4", "5"}
    assert "Change my address please\naddress" in [passage.text for passage in context.passages]
    assert "5 labelled examples" in source.facts.notes[0]
    source.save(tmp_path)
    assert Rag(k=2).restore(tmp_path, labelled, model).contexts([query]) == [context]


def test_an_example_never_sees_itself_or_its_like(labelled: Task, model: LanguageModel) -> None:
    source = Rag(k=5).build(labelled, model, seed=0)
    shown = _sources(source.training_contexts(labelled.train, 0))
    assert [sorted(sources) for sources in shown] == [
        ["3", "4", "5"], ["3", "4", "5"], ["1", "2", "4", "5"], ["1", "2", "3", "5"], ["1", "2", "3", "4"]
    ]  # fmt: skip
    held_out = Example("other id", "MY CARD WAS STOLEN", "card")
    assert "1" not in _sources(source.training_contexts([held_out], 0))[0]


def test_the_oracle_shows_the_named_documents(desk: Task, model: LanguageModel) -> None:
    source = Oracle().build(desk, model, seed=0)
    misleading = GroundedQuery("q", "How many days of holiday may staff carry over?", ("parking", "travel"))
    assert [sorted(sources) for sources in _sources(source.contexts([misleading]))] == [["parking", "travel"]]
    assert _sources(source.training_contexts(desk.train, 0)) == [[document.id] for document in desk.documents]


def test_the_oracle_shows_of_each_document_the_part_that_matters(manual: Task, model: LanguageModel) -> None:
    source = Oracle(k=3, chunk=40, overlap=5).build(manual, model, seed=0)
    (context,) = source.contexts([manual.train[0].grounded])
    first, second, third = context.passages
    assert {first.source, second.source} == {"manual", "leaflet"}
    assert third.source == "manual"
    assert any("five working days" in passage.text for passage in (first, second))


def test_the_oracle_does_not_give_away_that_nothing_holds_the_answer(desk: Task, model: LanguageModel) -> None:
    rag, oracle = Rag().build(desk, model, seed=0), Oracle().build(desk, model, seed=0)
    text = "Who feeds the printer on the third floor?"
    expected = rag.contexts([Query("q", text)])
    assert oracle.contexts([GroundedQuery("q", text)]) == expected
    assert oracle.contexts([GroundedQuery("q", text, ("no such document",))]) == expected
    assert oracle.training_contexts([Example("q", text, "unanswerable")], 0) == expected


def test_empty_batches(desk: Task, labelled: Task, model: LanguageModel) -> None:
    for source in (
        Rag().build(desk, model, 0),
        Rag().build(labelled, model, 0),
        Oracle().build(desk, model, 0),
    ):
        assert source.contexts([]) == source.training_contexts([], 0) == []


def test_documents_without_words(model: LanguageModel) -> None:
    task = Task("t", "qa", "i", "token_f1", documents=(Document("a", "", ""), Document("b", "", "some words")))
    (context,) = Rag(k=1).build(task, model, seed=0).contexts([Query("q", "words")])
    assert [passage.source for passage in context.passages] == ["b"]
