"""Answers that name their passages: what is read off them, and what is learned."""

from __future__ import annotations

import time

import pytest

from advisor.approaches import Citation, Prediction, Usage
from advisor.models import Context, Decoding, LanguageModel, Passage
from advisor.tasks import Example
from rag.citing import cited, read, to_learn, with_numbers, with_room

CONTEXT = Context(
    passages=(
        Passage("canteen", "Canteen", "Lunch is served from noon."),
        Passage("travel", "", "Trains are booked in the portal."),
        Passage("canteen", "Canteen", "It closes at two."),
    ),
    fixed=False,
)


@pytest.mark.parametrize(
    ("written", "text", "numbers"),
    [
        ("from noon [1]", "from noon", [1]),
        ("[2] the portal", "the portal", [2]),
        ("noon [1][3].", "noon.", [1, 3]),
        ("noon [1, 3] or two [3]", "noon or two", [1, 3]),
        ("all of them [1-3]", "all of them", [1, 2, 3]),
        ("noon [Passages 1 and 3]", "noon", [1, 3]),
        ("array[i], see [2020] and [a]", "array[i], see [2020] and [a]", []),
        ("[3-1]", "", [3, 1]),
        ("noon [Passage 1, Passage 2]", "noon", [1, 2]),
        ("noon [source: 3]. Then [doc 1]", "noon. Then", [3, 1]),
        ("noon [1\u20143] and [1 to 2]", "noon and", [1, 2, 3]),
        ("noon [1, and 3] or [2 & 3]", "noon or", [1, 3, 2]),
        ("noon\u30101\u3011 two [#2]", "noon two", [1, 2]),
        ("\u4e2d\u5348[2]\u5f00\u59cb", "\u4e2d\u5348\u5f00\u59cb", [2]),
        ("noon,[1] (two)[2]", "noon, (two)", [1, 2]),
        ("list[1] is x, a[0][1] and m[2]", "list[1] is x, a[0][1] and m[2]", []),
        ("the year [1-999]", "the year", [1, 2, 3, 999]),
        ("the year [998-999]", "the year", [998, 999]),
        ("", "", []),
    ],
)
def test_numbers_in_brackets_are_citations(written: str, text: str, numbers: list[int]) -> None:
    assert cited(written, 3) == (text, numbers)


def test_citations_name_documents_and_impossible_ones_are_counted() -> None:
    found = read(Prediction("", "at two [3][1][7][0]"), CONTEXT)
    assert (found.text, found.miscited) == ("at two", 2)
    assert found.citations == (Citation(3, "canteen"), Citation(1, "canteen"))


@pytest.mark.parametrize("text", [" " * 20_000, "[1" * 9_000, "[" + "1, " * 9_000, "[1] " * 9_000 + "x"])
def test_long_answers_are_read_in_no_time(text: str) -> None:
    began = time.perf_counter()
    cited(text, 3)
    assert time.perf_counter() - began < 5


def test_a_range_beyond_the_passages_is_one_impossible_citation() -> None:
    found = read(Prediction("", "at two [1-999]"), CONTEXT)
    assert ([one.number for one in found.citations], found.miscited) == ([1, 2, 3], 1)


def test_a_passage_that_did_not_fit_cannot_be_named() -> None:
    found = read(Prediction("", "at two [3]", usage=Usage(dropped=1)), CONTEXT)
    assert (found.citations, found.miscited) == ((), 1)


def test_the_prompt_numbers_passages_and_asks_for_numbers() -> None:
    context = with_numbers(CONTEXT, "Answer.")
    assert context.instruction.startswith("Answer.\n") and "[2]" in context.instruction
    assert context.numbered and context.passages == CONTEXT.passages


@pytest.mark.parametrize(
    ("target", "evidence", "learned"),
    [
        ("at two", ("canteen",), "at two [3]"),  # the passage that holds it
        ("in the afternoon", ("canteen",), "in the afternoon [1]"),  # none does word for word: the best one
        ("noon", ("canteen", "travel"), "noon [1][2]"),
        ("noon", ("badges",), "noon"),  # not shown
        ("noon", (), "noon"),
        ("unanswerable", ("travel",), "unanswerable"),
    ],
)
def test_what_is_learned_names_the_evidence_that_is_shown(target: str, evidence: tuple[str, ...], learned: str) -> None:
    assert to_learn(Example("1", "when", target, evidence=evidence), CONTEXT, target) == learned


def test_there_is_room_for_numbers_but_never_beyond_the_window(model: LanguageModel) -> None:
    usual = Decoding(8, ("\n",))
    assert with_room(usual, model, 3) == Decoding(8 + model.count_tokens(" [3][2][1]"), ("\n",))
    assert with_room(Decoding(510), model, 900).max_tokens <= model.context_window // 2
