"""All documents, or as many as fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from advisor.approaches.workload import TRAINED_TOKENS
from advisor.errors import NotApplicable, UserError
from advisor.models import LanguageModel
from advisor.tasks import Document, Example, Query, Task
from rag import LongContext

ASKED = [Query("1", "On which level do visitors park?"), Query("2", "Which toner does the printer need?")]


def test_all_documents_stand_before_every_query_where_they_fit(desk: Task, model: LanguageModel) -> None:
    source = LongContext().build(desk, model, 0)
    first, second = source.contexts(ASKED)
    assert first is second and first.fixed
    assert [p.source for p in first.passages] == [d.id for d in desk.documents]
    assert source.embedder is None
    assert source.facts.notes[0].startswith("All 8 documents stood in every prompt")
    assert source.training_contexts(desk.train, 0) == [first] * len(desk.train)


def test_else_those_that_fit_best_first_and_then_others(desk: Task, model: LanguageModel) -> None:
    source = LongContext(budget=64).build(desk, model, 0)
    for context, right in zip(source.contexts(ASKED), ["parking", "printers"], strict=True):
        assert not context.fixed
        assert context.passages[0].source == right
        assert sum(model.count_tokens(p.shown) for p in context.passages) <= 64
        assert 3 <= len(context.passages) < 8  # bm25 alone finds fewer
    assert "of 8 documents" in source.facts.notes[0] and "On average" in source.facts.notes[0]


def test_the_budget_is_the_windows_at_most(desk: Task, model: LanguageModel) -> None:
    model.context_window = 100
    source = LongContext(budget=10_000).build(desk, model, 0)
    assert all(sum(model.count_tokens(p.shown) for p in c.passages) <= 75 for c in source.contexts(ASKED))
    model.context_window = 60
    with pytest.raises(NotApplicable, match="no room"):
        LongContext().build(desk, model, 0)


def test_a_document_that_alone_is_too_long_is_cut(manual: Task, model: LanguageModel) -> None:
    source = LongContext(budget=80).build(manual, model, 0)
    found = source.contexts(ASKED[:1])[0].passages
    assert "level two" in found[0].text and found[0].source == "manual"
    assert all(model.count_tokens(p.shown) <= 80 for p in found)


@pytest.fixture
def library() -> Task:
    """Sixty documents of a hundred words, more than a training row shows."""
    documents = tuple(Document(f"d{n}", "", f"shelf{n} " + " ".join(f"w{n}x{m}" for m in range(99))) for n in range(60))
    train = tuple(Example(f"t{n}", f"what stands on shelf{n}", "x", evidence=(f"d{n}",)) for n in range(60))
    lost = Example("lost", "what stands in the yard", "x", evidence=("d59",))
    return Task("library", "qa", "Answer.", "token_f1", train=(*train, lost), documents=documents)


def test_training_rows_are_shorter_and_hold_the_right_document(library: Task, model: LanguageModel) -> None:
    model.context_window = 20_000
    source = LongContext().build(library, model, 0)
    assert source.contexts(ASKED)[0].fixed
    assert f"While training it was up to {TRAINED_TOKENS:,} tokens" in source.facts.notes[0]
    shown = source.training_contexts(library.train, 3)
    places = []
    for example, context in zip(library.train, shown, strict=True):
        assert sum(model.count_tokens(p.shown) for p in context.passages) <= TRAINED_TOKENS
        assert len(context.passages) >= 19 and not context.fixed
        places.append([p.source for p in context.passages].index(example.evidence[0]))
    assert places[-1] > 0  # put in anywhere, since nothing finds it
    assert source.training_contexts(library.train[-1:], 3) == shown[-1:]


@pytest.mark.parametrize("builder", [LongContext(), LongContext(budget=64), LongContext(retriever="dense", budget=64)])
def test_it_is_brought_back(desk: Task, model: LanguageModel, tmp_path: Path, builder: LongContext) -> None:
    source = builder.build(desk, model, 0)
    source.save(tmp_path)
    again = builder.restore(tmp_path, desk.brief, model)
    assert again.contexts(ASKED) == source.contexts(ASKED)
    assert again.facts == source.facts


def test_without_documents_or_room_it_does_not_suit(desk: Task) -> None:
    assert LongContext().unsuited(replace(desk, documents=())) == "there are no documents"
    with pytest.raises(UserError, match="budget=12 tokens"):
        LongContext(budget=12)
    with pytest.raises(UserError, match="'nowhere' is unknown"):
        LongContext(retriever="nowhere")
