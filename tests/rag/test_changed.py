"""Sources of passages when the documents change: other passages are found, and what was saved stays as it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from advisor.models import LanguageModel
from advisor.tasks import Document, GroundedQuery, Query, Task
from rag import LongContext, Oracle, Rag

NEW = "Refunds reach the card within ten working days after the parcel came back."
QUERY = Query("q", "How many working days do refunds to the card need?")


@pytest.fixture
def later(desk: Task) -> tuple[Document, ...]:
    return (replace(desk.documents[0], text=NEW), *desk.documents[2:])


@pytest.mark.parametrize("retriever", ["dense", "bm25", "hybrid"])
def test_changed_documents_are_found(
    desk: Task, model: LanguageModel, later: tuple[Document, ...], retriever: str
) -> None:
    source = Rag(k=1, retriever=retriever).build(desk, model, seed=0)
    after = source.reindexed(later, model)
    assert after.contexts([QUERY])[0].passages[0].text == NEW
    assert source.contexts([QUERY])[0].passages[0].text == desk.documents[0].text
    gone = after.contexts([Query("p", "On which level do visitors park?")])[0].passages
    assert "parking" not in [passage.source for passage in gone]


def test_what_was_brought_back_changes_too_and_what_was_saved_stays(
    desk: Task, model: LanguageModel, later: tuple[Document, ...], tmp_path: Path
) -> None:
    source = Rag(k=1).build(desk, model, seed=0)
    source.save(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    after = Rag(k=1).restore(tmp_path, desk.brief, model).reindexed(later, model)
    assert after.contexts([QUERY])[0].passages[0].text == NEW
    again = after.reindexed(desk.documents, model)
    assert again.contexts([QUERY])[0].passages[0].text == desk.documents[0].text
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_oracle_shows_the_new_evidence(desk: Task, model: LanguageModel, later: tuple[Document, ...]) -> None:
    after = Oracle(k=1).build(desk, model, seed=0).reindexed(later, model)
    asked = GroundedQuery("q", QUERY.input, evidence=("travel",))
    assert after.contexts([asked])[0].passages[0].source == "travel"
    assert after.contexts([replace(asked, evidence=("refunds",))])[0].passages[0].text == NEW


def test_a_long_context_shows_the_new_documents(
    desk: Task, model: LanguageModel, later: tuple[Document, ...], tmp_path: Path
) -> None:
    source = LongContext().build(desk, model, seed=0)
    source.save(tmp_path)
    for one in (source, LongContext().restore(tmp_path, desk.brief, model)):
        shown = one.reindexed(later, model).contexts([QUERY])[0].passages
        assert [passage.text for passage in shown] == [document.text for document in later]


def test_labelled_examples_stay_as_they_are(labelled: Task, model: LanguageModel) -> None:
    source = Rag(k=1).build(labelled, model, seed=0)
    assert source.reindexed((Document("d", "", "text"),), model) is source
