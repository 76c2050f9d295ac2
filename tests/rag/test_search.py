"""Questions that judge retrieval, and the search for settings by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from advisor.approaches.registry import parse
from advisor.errors import UserError
from advisor.models import Adaptation, Decoding, Generation, Prompt, Vectors
from advisor.tasks import Document, Example, Outline, Query, Task
from rag import Rag
from rag.questions import found_by, questions_of
from rag.sources import PassageSource
from tests.rag.conftest import RetrievingModel, WordEmbedder

THINGS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "jetty", "knoll", "larch")


@pytest.fixture
def stock() -> Task:
    """A document and two questions for each of some things; the answer stands in it word for word."""
    documents = tuple(Document(name, "", f"The {name} weighs {at} kilos.") for at, name in enumerate(THINGS, 10))
    train = tuple(
        Example(f"{name}{n}", f"{start} the {name}?", f"{at} kilos", evidence=(name,))
        for at, name in enumerate(THINGS, 10)
        for n, start in enumerate(("What weighs", "How heavy is"))
    )
    return Task("stock", "qa", "Answer.", "token_f1", train=train, documents=documents)


class Blind(WordEmbedder):
    """All texts look alike to it."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        vectors[:, 0] = 1
        return vectors


@dataclass
class Reader(RetrievingModel):
    """Writes the end of the first passage it is shown; `asked` counts."""

    asked: int = 0

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        self.asked += len(prompts)
        texts = [p.context.passages[0].text.split(" weighs ")[-1].rstrip(".") for p in prompts]
        return [Generation(text, 1, 1, 0.0, 0.0) for text in texts]


def source_of(spec: str, task: Task, model: RetrievingModel) -> PassageSource:
    source = Rag(**parse(spec).builder.__dict__).build(task, model, 0)  # type: ignore[attr-defined]
    assert isinstance(source, PassageSource)
    return source


def test_evidence_that_is_named_is_taken(stock: Task) -> None:
    found = questions_of(stock)
    assert len(found.all) == 24 and not found.weak and found.split == "training"
    assert {question.evidence for question in found.all} == {(name,) for name in THINGS}
    assert all(question.answers for question in found.all)


def test_evidence_that_is_not_named_is_guessed_from_answers_and_said_to_be_weak(stock: Task) -> None:
    bare = replace(stock, train=tuple(replace(example, evidence=()) for example in stock.train))
    found = questions_of(bare)
    assert found.weak and "weak" in found.described
    by_text = {question.text: question.evidence for question in found.all}
    assert by_text["What weighs the cedar?"] == ("cedar",)


def test_answers_that_stand_anywhere_tell_nothing(stock: Task) -> None:
    everywhere = replace(stock, train=tuple(replace(e, evidence=(), target="kilos") for e in stock.train))
    assert questions_of(everywhere).all == ()


def test_what_is_found_is_judged_for_each_question(stock: Task) -> None:
    index = source_of("rag:retriever=bm25", stock, RetrievingModel(WordEmbedder())).index
    found = found_by(index, questions_of(stock).all, 3)
    assert found.figures == {"recall": 1.0, "reciprocal_rank": 1.0, "ndcg": 1.0, "answered": 1.0}


def test_a_search_leaves_a_retriever_that_finds_nothing(stock: Task, tmp_path: Path) -> None:
    model = Reader(Blind())
    chosen = source_of("rag:retriever=dense,k=1,search=6", stock, model)
    assert chosen.facts.resolved["rag"]["retriever"] in ("bm25", "hybrid")
    tried, *_ = (note for note in chosen.facts.notes if "settings were tried" in note)
    assert "24 training questions with evidence" in tried and "as asked: answers shown 0." in tried
    chosen.save(tmp_path)
    again = Rag(retriever="dense", k=1, search=6).restore(tmp_path, stock.brief, model)
    queries = [Query(example.id, example.input) for example in stock.train]
    assert [c.passages for c in again.contexts(queries)] == [c.passages for c in chosen.contexts(queries)]
    assert all(
        context.passages[0].source in query.input
        for context, query in zip(again.contexts(queries), queries, strict=True)
    )


def test_what_was_asked_for_stays_where_nothing_finds_more(stock: Task) -> None:
    chosen = source_of("rag:retriever=bm25,k=1,search=4", stock, Reader(WordEmbedder()))
    assert chosen.facts.resolved["rag"] == {}
    assert any("which stands" in note for note in chosen.facts.notes)


def test_too_few_questions_search_nothing(desk: Task, model: RetrievingModel) -> None:
    chosen = source_of("rag:search=4", desk, model)
    assert any("Nothing was searched" in note and "8 training questions" in note for note in chosen.facts.notes)


def test_one_setting_is_no_search() -> None:
    with pytest.raises(UserError, match="leaves nothing to choose"):
        Rag(search=1)


@pytest.mark.parametrize("more", ["vectors=int8", "dimensions=64"])
def test_words_alone_are_tried_where_vectors_are_kept_otherwise(stock: Task, more: str, tmp_path: Path) -> None:
    model = Reader(Blind())
    chosen = source_of(f"rag:k=1,search=6,{more}", stock, model)
    assert any("retriever=bm25,fuse=scores,weight=0.5: answers shown 1.00" in note for note in chosen.facts.notes)
    chosen.save(tmp_path)
    again = Rag(**parse(f"rag:k=1,search=6,{more}").builder.__dict__).restore(tmp_path, stock.brief, model)  # type: ignore[attr-defined]
    queries = [example.query for example in stock.train]
    assert [c.passages for c in again.contexts(queries)] == [c.passages for c in chosen.contexts(queries)]


@pytest.mark.parametrize(
    "spec",
    [
        "rag:k=1,search=8,dimensions=64",
        "rag:k=1,search=8,chunk=20,overlap=5",
        "rag:k=1,search=8,parent=40,chunk=20,overlap=0",
    ],
)
def test_a_search_tries_nothing_that_cannot_be(stock: Task, spec: str) -> None:
    assert any("settings were tried" in note for note in source_of(spec, stock, Reader(WordEmbedder())).facts.notes)


def test_a_search_asks_no_model_to_find_passages(stock: Task) -> None:
    model = Reader(WordEmbedder())
    chosen = source_of("rag:retriever=bm25,k=1,search=4,query=rewrite", stock, model)
    assert any("which stands" in note for note in chosen.facts.notes)
    assert model.asked == 0  # what was asked for found everything, so that nothing was read either


def test_what_was_said_of_a_choice_comes_back_and_stays_after_a_change(stock: Task, tmp_path: Path) -> None:
    model = Reader(Blind())
    chosen = source_of("rag:retriever=dense,k=1,search=6", stock, model)
    chosen.save(tmp_path)
    again = Rag(retriever="dense", k=1, search=6).restore(tmp_path, stock.brief, model)
    after = again.reindexed(stock.documents[:6], model)
    for one in (again, after):
        assert one.facts.resolved["rag"] == chosen.facts.resolved["rag"]
        assert set(one.facts.notes) >= {note for note in chosen.facts.notes if "tried" in note}


def test_what_is_chosen_on_examples_has_seeds_and_is_foreseen(stock: Task) -> None:
    assert (
        not Rag().seeded and Rag(search=4).seeded and Rag(abstain="score").seeded and not Rag(abstain="trained").seeded
    )
    outline = Outline.of(stock)
    assert Rag(search=4).load(outline).tried > Rag().load(outline).tried
    assert Rag(search=4).load(outline).indexed > Rag().load(outline).indexed


def test_a_search_needs_documents(labelled: Task) -> None:
    assert "there are none" in Rag(search=4).unsuited(labelled) and not Rag().unsuited(labelled)


def test_an_address_with_a_password_is_refused_before_anything_is_recorded() -> None:
    with pytest.raises(UserError, match="would stand in every record") as refused:
        parse("rag:embedder=http://user:s3cret@127.0.0.1:9/v1#m")
    assert "s3cret" not in str(refused.value)
