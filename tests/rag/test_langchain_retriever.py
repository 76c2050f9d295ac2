from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from advisor.errors import NotApplicable, UserError
from advisor.models import LanguageModel
from advisor.tasks import Query, Task
from rag import EmbedderEmbeddings, FaissStore, Rag


class SharedWords(BaseRetriever):
    """Documents by the number of words that they share with the query."""

    documents: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        words = set(query.lower().split())
        return sorted(self.documents, key=lambda d: -len(words & set(d.page_content.lower().split())))[:5]


def _retriever(task: Task, **metadata: str) -> SharedWords:
    return SharedWords(documents=[Document(d.text, id=d.id, metadata=dict(metadata)) for d in task.documents])


def test_it_is_recorded_by_its_name_and_class(desk: Task) -> None:
    builder = Rag(k=2).with_retriever(_retriever(desk), name="my-words")
    recorded = {"cot": False, "retriever": "my-words", "kind": "SharedWords", "k": 2, "miss": 0.2, "chunk": 160}
    recorded |= {"calibrate": False, "abstain": "none", "cite": False}
    assert (builder.name, asdict(builder)) == ("rag", recorded)


def test_it_shows_what_the_retriever_returns(desk: Task, model: LanguageModel, tmp_path: Path) -> None:
    builder = Rag(k=2).with_retriever(_retriever(desk, title="Handbook"), name="my-words")
    source = builder.build(desk, model, seed=0)
    (context,) = source.contexts([Query("q", "visitors park on level two")])
    assert context.passages[0].source == "parking"
    assert (context.size, context.fixed, context.passages[0].title) == (2, False, "Handbook")
    assert "my-words (SharedWords)" in source.facts.notes[0]
    source.save(tmp_path)
    assert builder.restore(tmp_path, desk, model).contexts([Query("q", "visitors park on level two")]) == [context]


@pytest.mark.parametrize(
    ("metadata", "own", "expected"),
    [
        ({"source": "refunds", "id": "parking"}, "badges", "refunds"),
        ({"source": "/files/handbook.pdf", "id": "parking"}, "badges", "parking"),
        ({"source": "/files/handbook.pdf"}, "badges", "badges"),
        ({"source": "/files/handbook.pdf", "id": 7}, None, "/files/handbook.pdf"),
        ({}, None, ""),
    ],
)
def test_which_document_a_passage_is_from(
    metadata: dict[str, Any], own: str | None, expected: str, desk: Task, model: LanguageModel
) -> None:
    retriever = SharedWords(documents=[Document("text", id=own, metadata=metadata)])
    (context,) = Rag().with_retriever(retriever, name="x").build(desk, model, 0).contexts([Query("q", "text")])
    assert [passage.source for passage in context.passages] == [expected]


def test_training_contexts_are_of_its_passages(desk: Task, model: LanguageModel) -> None:
    examples = [replace(desk.train[n % 8], id=f"e{n}") for n in range(400)]
    source = Rag(k=2, miss=0.25).with_retriever(_retriever(desk), name="w").build(desk, model, seed=0)
    contexts = source.training_contexts(examples, 0)
    shown = [any(p.source in e.evidence for p in c.passages) for e, c in zip(examples, contexts, strict=True)]
    assert 1 - sum(shown) / 400 == pytest.approx(0.25, abs=0.06)
    assert all(context.size == 2 for context in contexts)


def test_a_right_passage_that_it_misses_is_put_in(desk: Task, model: LanguageModel) -> None:
    half = replace(desk, documents=desk.documents[4:])
    source = Rag(k=2, miss=0).with_retriever(_retriever(half), name="w").build(desk, model, seed=0)
    (context,) = source.training_contexts(desk.train[:1], 0)
    assert desk.documents[0].text in [passage.text for passage in context.passages]


def test_our_own_store_as_a_retriever(desk: Task, model: LanguageModel) -> None:
    texts = [document.text for document in desk.documents]
    ids = [document.id for document in desk.documents]
    store = FaissStore.from_texts(texts, EmbedderEmbeddings(model.embedder), ids=ids)
    source = Rag(k=1).with_retriever(store.as_retriever(), name="faiss").build(desk, model, seed=0)
    contexts = source.contexts([Query("q", text.upper()) for text in texts])
    assert [context.passages[0].source for context in contexts] == ids


def test_what_its_owner_indexes_is_not_indexed_anew(desk: Task, model: LanguageModel) -> None:
    source = Rag(k=2).with_retriever(_retriever(desk), name="w").build(desk, model, seed=0)
    with pytest.raises(NotApplicable, match="its passages are its owner's"):
        source.reindexed(desk.documents[:3], model)


def test_what_is_no_retriever_or_no_name(desk: Task) -> None:
    with pytest.raises(UserError, match="a list is not a LangChain retriever"):
        Rag().with_retriever([], name="x")  # type: ignore[arg-type]
    with pytest.raises(UserError, match='"a,b" cannot stand in a record'):
        Rag().with_retriever(_retriever(desk), name="a,b")
