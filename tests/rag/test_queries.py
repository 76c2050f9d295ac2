"""Queries in other words: what is searched for, how it is fused, and what it takes of the query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from advisor.approaches import Prediction, parse, spec_of
from advisor.errors import UserError
from advisor.models import Adaptation, Decoding, Embedder, Generation, LanguageModel, Passage, Prompt, Spent
from advisor.tasks import Query, Task
from rag import Rag
from rag.queries import by_ranks, in_turn, queries_in
from rag.spending import book, counting

ASKED = "I drove, what now?"
WRITTEN = {
    "hyde": "Guests may leave it on level two, where visitors park,\nbehind the blue barrier.",
    "rewrite": '"visitors park level"',
    "multi": "1. where visitors park\n2) blue barrier\n- toner cartridges",
    "decompose": "which printer toner\nwhere visitors park",
}


@dataclass
class Writer(LanguageModel):
    """Writes what it was told to wherever it is asked for other words, else what it read."""

    embedder: Embedder
    text: str = ""
    name: str = "writer"
    context_window: int = 1024
    asked: list[Prompt] = field(default_factory=list)
    limits: list[Decoding] = field(default_factory=list)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        self.asked += prompts
        self.limits.append(decoding)
        return [Generation(self.text, 11, 5, 0.0, 0.0, reasoning_tokens=2, cached_tokens=1) for _ in prompts]


@pytest.fixture
def writer(embedder: Embedder) -> Callable[[str], Writer]:
    return lambda text: Writer(embedder, text)


def sources(task: Task, model: LanguageModel, **parameters: str) -> list[str]:
    found = Rag(k=2, retriever="bm25", **parameters).build(task, model, 0).contexts([Query("1", ASKED)])[0]
    return [passage.source for passage in found.passages]


@pytest.mark.parametrize(
    ("way", "found"),
    [
        ("plain", []),  # no word of it is known
        ("hyde", ["parking"]),
        ("rewrite", ["parking"]),
        ("multi", ["parking", "printers"]),  # found twice, found once
        ("decompose", ["printers", "parking"]),  # the first of each
    ],
)
def test_other_words_find_what_the_query_does_not(
    desk: Task, writer: Callable[[str], Writer], way: str, found: list[str]
) -> None:
    model = writer(WRITTEN.get(way, ""))
    assert sources(desk, model, query=way)[: len(found) or 2] == found
    assert len(model.asked) == (way != "plain")
    if way != "plain":
        assert model.asked[0].input == ASKED and model.asked[0].instruction != desk.instruction
        assert model.limits[0].max_tokens <= 128


def test_the_query_pays_for_its_other_words(desk: Task, writer: Callable[[str], Writer]) -> None:
    model = writer(WRITTEN["multi"])
    predictor = parse("rag:retriever=bm25,query=multi").fit(desk.for_fitting(), model, 0)
    plain = parse("rag:retriever=bm25").fit(desk.for_fitting(), model, 0)
    both = [Query("1", ASKED), Query("2", "who hands out another badge")]

    def tokens(answers: list[Prediction]) -> list[tuple[int, int, int, int]]:
        uses = [answer.usage for answer in answers]
        return [(u.prompt_tokens, u.completion_tokens, u.reasoning_tokens, u.cached_tokens) for u in uses]

    assert tokens(plain.predict(both)) == [(11, 5, 2, 1)] * 2
    assert tokens(predictor.predict(both)) == [(22, 10, 4, 2)] * 2


def test_what_reranks_further_queries_is_booked_with_their_query(desk: Task, writer: Callable[[str], Writer]) -> None:
    model = writer(WRITTEN["rewrite"])
    source = Rag(k=1, retriever="dense", rerank="llm", fetch=3, query="rewrite").build(desk, model, 0)
    first, second = source.contexts([Query("1", ASKED), Query("2", ASKED + "!")])
    assert first.spent.calls == second.spent.calls == 1 + 3
    assert first.spent.prompt_tokens == 4 * 11
    assert source.contexts([Query("1", ASKED), Query("2", ASKED)])[1].spent == first.spent  # alike in one batch


def test_nothing_written_leaves_the_query_as_it_is_and_is_said(desk: Task, writer: Callable[[str], Writer]) -> None:
    model = writer(" \n- \n\"'")
    for way in ("hyde", "rewrite", "multi", "decompose"):
        source = Rag(k=2, query=way).build(desk, model, 0)
        plain = Rag(k=2).build(desk, model, 0)
        asked = [Query("1", "who hands out another badge")]
        assert source.contexts(asked) == plain.contexts(asked)
        assert source.contexts(asked)[0].spent.calls == 1
        assert any("For 2 of 2 queries" in note for note in source.facts.notes)
        assert not any("queries" in note for note in plain.facts.notes)


def test_the_model_is_not_asked_about_blank_texts(desk: Task, writer: Callable[[str], Writer]) -> None:
    model = writer("")
    source = Rag(k=2, query="multi").build(desk, model, 0)
    blank, asked = source.contexts([Query("1", " \n"), Query("2", "who hands out another badge")])
    assert (blank.spent.calls, asked.spent.calls) == (0, 1)
    assert [prompt.input for prompt in model.asked] == ["who hands out another badge"]
    assert any("For 1 of 1 queries" in note for note in source.facts.notes)
    assert source.contexts([Query("3", "")])[0].spent.calls == 0
    assert len(model.asked) == 1


def test_training_contexts_are_found_by_other_words_and_hide_what_is_hidden(
    desk: Task, writer: Callable[[str], Writer]
) -> None:
    model = writer("visitors park on level two")
    source = Rag(k=1, retriever="bm25", query="rewrite", miss=1.0).build(desk, model, 0)
    parking = [example for example in desk.train if example.evidence == ("parking",)]
    assert all(p.source != "parking" for p in source.training_contexts(parking, 0)[0].passages)
    kept = Rag(k=1, retriever="bm25", query="rewrite", miss=0.0).build(desk, model, 0)
    shown = kept.training_contexts(desk.train, 0)
    evidence = [example.evidence[0] for example in desk.train]
    assert [c.passages[0].source for c in shown] == evidence  # put in where the other words do not find it


def test_other_words_are_kept_with_the_fit(desk: Task, writer: Callable[[str], Writer], tmp_path: Path) -> None:
    model = writer(WRITTEN["decompose"])
    builder = Rag(k=2, query="decompose", retriever="hybrid")
    source = builder.build(desk, model, 0)
    source.save(tmp_path)
    asked = [Query("1", ASKED), Query("2", "who hands out another badge")]
    assert builder.restore(tmp_path, desk.brief, model).contexts(asked) == source.contexts(asked)


@pytest.mark.parametrize(
    ("text", "several", "found"),
    [
        ("1. one\n2) two\n(3) three\n4. four", True, ["one", "two", "three"]),
        ("- 'one'\n\n* “two”\none", True, ["one", "two"]),
        ("Query: who is it?\nnobody", False, ["who is it? nobody"]),
        ("2024 was a year", False, ["2024 was a year"]),
        ("\n ... \n", True, []),
    ],
)
def test_what_was_written_is_read_line_by_line(text: str, several: bool, found: list[str]) -> None:
    assert queries_in(text, several) == found


def passage(name: str, score: float | None = None) -> Passage:
    return Passage(name, "", name, score=score)


def test_lists_are_fused_by_ranks_or_in_turn() -> None:
    lists = [[passage("a", 0.2), passage("b", 0.1)], [passage("b", 0.9), passage("c", -1.0)], []]
    assert [p.source for p in by_ranks(lists)] == ["b", "a", "c"]
    assert [p.source for p in in_turn(lists)] == ["a", "b", "c"]
    assert [p.score for p in by_ranks(lists)] == [0.9, 0.2, -1.0]  # the highest that each had
    assert by_ranks([]) == in_turn([]) == []


def test_a_passage_counts_once_in_a_list() -> None:
    assert [p.source for p in by_ranks([[passage("r"), passage("a"), passage("a")]])] == ["r", "a"]
    assert [p.source for p in by_ranks([[passage("a"), passage("a"), passage("b")], [passage("b")]])] == ["b", "a"]


def test_a_ledger_keeps_what_is_counted_inside_it_apart() -> None:
    book("a", Spent(1))  # nobody counts
    with counting() as outer:
        book("a", Spent(1, 4))
        with counting() as inner:
            book("a", Spent(5, 9))
        book("a", Spent(1, 2))
    assert outer.each(["a", "b"]) == [Spent(2, 6), Spent()]
    assert outer.each(["a", "a"]) == [Spent(1, 3), Spent(1, 3)]
    assert inner.each(["a"]) == [Spent(5, 9)]


def test_the_spec_names_it() -> None:
    spec = "rag:rerank=llm,fetch=8,query=hyde"
    assert spec_of(parse(spec)) == spec
    with pytest.raises(UserError, match="'query' is 'hide'"):
        parse("rag:query=hide")
