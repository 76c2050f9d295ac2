"""Changed documents: what they have in common with those before is not embedded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from advisor.tasks import Document, Task
from rag import PassageIndex, document_chunks
from rag.chunking import Chunk
from rag.refining import Refinement
from rag.registry import OWN

ASKED = ["refunds to the card", "level of the visitors", "printer toner", "trains"]


def _chunks(documents: Sequence[Document]) -> list[Chunk]:
    return list(document_chunks(documents, 160, 0))


@pytest.fixture
def changed(desk: Task) -> list[Document]:
    """One document changed, one gone, one new in front, one under another id, the others as they were."""
    by_id = {document.id: document for document in desk.documents}
    by_id["parking"] = replace(by_id["parking"], text="Visitors park on level three.")
    del by_id["canteen"]
    by_id["rail"] = replace(by_id.pop("travel"), id="rail")
    return [Document("news", "News", "The printer moved to the second floor."), *by_id.values()]


@pytest.mark.parametrize("name", OWN)
def test_an_updated_index_is_the_one_that_is_built_anew(
    name: str, desk: Task, changed: list[Document], embedder: Any, tmp_path: Path
) -> None:
    index = PassageIndex.over(_chunks(desk.documents), embedder, retriever=name)
    before = index.search(ASKED, 3)
    again = index.updated(_chunks(changed))
    anew = PassageIndex.over(_chunks(changed), embedder, retriever=name)
    assert again.search(ASKED, 9) == anew.search(ASKED, 9)
    within = [["rail", "news"]] * len(ASKED)
    assert again.search(ASKED, 2, within=within) == anew.search(ASKED, 2, within=within)
    assert again.sources == anew.sources
    assert index.search(ASKED, 3) == before  # which is still in use
    again.save(tmp_path)
    assert PassageIndex.restore(tmp_path, embedder).search(ASKED, 9) == anew.search(ASKED, 9)
    assert again.facts.notes[0] == "Of 8 different passages 2 were new; 2 were gone."


@pytest.mark.parametrize("name", ["dense", "hybrid"])
def test_only_new_texts_are_embedded(name: str, desk: Task, changed: list[Document], embedder: Any) -> None:
    index = PassageIndex.over(_chunks(desk.documents), embedder, retriever=name)
    embedder.seen.clear()
    index.updated(_chunks(changed))
    index.updated(_chunks(list(reversed(desk.documents))))
    ((*texts,),) = embedder.seen
    assert sorted(texts) == ["News\nThe printer moved to the second floor.", "Parking\nVisitors park on level three."]


def test_all_new_and_all_gone(desk: Task, embedder: Any) -> None:
    index = PassageIndex.over(_chunks(desk.documents), embedder)
    assert index.updated([]).search(ASKED, 3) == [[]] * len(ASKED)
    (found,) = index.updated([]).updated(_chunks([Document("a", "", "apples")])).search(["apples"], 3)
    assert [passage.source for passage in found] == ["a"]


class Reversed(Refinement):
    """The worst first."""

    def search(self, texts: Any, k: int, within: Any = None, without: Any = None) -> Any:
        return [row[::-1] for row in self.inner.search(texts, k, within, without)]


def test_what_stands_around_the_searcher_stays_there(desk: Task, changed: list[Document], embedder: Any) -> None:
    plain = PassageIndex.over(_chunks(desk.documents), embedder)
    around = replace(plain, searcher=Reversed(plain.searcher)).updated(_chunks(changed))
    assert around.search(ASKED, 3) == [row[::-1] for row in plain.updated(_chunks(changed)).search(ASKED, 3)]
    assert len(around.searcher.chunks) == len(changed)


def test_vectors_are_those_of_an_index_built_anew(desk: Task, changed: list[Document], embedder: Any) -> None:
    index = PassageIndex.over(_chunks(desk.documents), embedder).updated(_chunks(changed))
    anew = PassageIndex.over(_chunks(changed), embedder)
    found = [next(iter(one.searcher.scores(["refunds"]))) for one in (index, anew)]  # type: ignore[attr-defined]
    assert np.array_equal(*found)
