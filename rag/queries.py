"""Queries put into other words before they are searched for, by the comparison's own language model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from advisor.approaches import ContextLoad
from advisor.approaches.paraphrases import written_lines
from advisor.models import Decoding, LanguageModel, Passage, Prompt
from rag.hybrid import LATE
from rag.refining import Refinement
from rag.searcher import Searcher, Sources
from rag.spending import book, counting

QueryForm = Literal["plain", "hyde", "rewrite", "multi", "decompose"]
MOST = 3  # further queries for one
DEPTH = 10  # passages of each list that are fused, at least

Lists = Sequence[Sequence[Passage]]


@dataclass(frozen=True)
class QueryWay:
    """How a query is put into other words.

    Attributes:
        instruction: by which the model is asked for them, in place of the task's.
        decoding: where what it writes ends.
        several: whether each line is one, else all of it is.
        beside: whether the query itself is searched for as well.
        fused: makes one list of those that were found.
        words: that the model usually writes.
    """

    instruction: str
    decoding: Decoding
    several: bool
    beside: bool
    fused: Callable[[Lists], list[Passage]]
    words: int


def by_ranks(lists: Lists) -> list[Passage]:
    """Reciprocal rank fusion (Cormack et al. 2009). A passage counts once in each list, at its best rank, and keeps the
    highest of its scores."""
    points: dict[Passage, float] = {}
    for row in lists:
        for rank, passage in enumerate(dict.fromkeys(row), start=1):
            points[passage] = points.get(passage, 0.0) + 1 / (LATE + rank)
    best = _best(lists)
    return [best[passage] for passage in sorted(points, key=lambda passage: -points[passage])]


def in_turn(lists: Lists) -> list[Passage]:
    """The first of each list, then the second of each, every passage once."""
    longest = max(map(len, lists), default=0)
    order = dict.fromkeys(row[rank] for rank in range(longest) for row in lists if rank < len(row))
    best = _best(lists)
    return [best[passage] for passage in order]


def _best(lists: Lists) -> dict[Passage, Passage]:
    """Each passage with the highest of its scores."""
    found: dict[Passage, Passage] = {}
    for passage in (passage for row in lists for passage in row):
        if passage not in found or _score(passage) > _score(found[passage]):
            found[passage] = passage
    return found


def _score(passage: Passage) -> float:
    return -math.inf if passage.absolute is None else passage.absolute


WAYS: Mapping[str, QueryWay] = {
    "hyde": QueryWay(
        "Write a short passage of two or three sentences that answers the query, as it might stand in a document.",
        Decoding(96, ("\n\n",)),
        several=False,
        beside=True,
        fused=by_ranks,
        words=50,
    ),
    "rewrite": QueryWay(
        "Rewrite the input as one short query for a search engine. Write the query alone.",
        Decoding(48, ("\n",)),
        several=False,
        beside=False,
        fused=by_ranks,
        words=12,
    ),
    "multi": QueryWay(
        "Write three other ways to ask the query, each on a line of its own.",
        Decoding(112),
        several=True,
        beside=True,
        fused=by_ranks,
        words=40,
    ),
    "decompose": QueryWay(
        "Write the simpler questions that have to be answered one by one to answer the query, three at most, each on a "
        "line of its own.",
        Decoding(112),
        several=True,
        beside=True,
        fused=in_turn,
        words=40,
    ),
}
"""The ways by their names. HyDE (Gao et al. 2022, "Precise Zero-Shot Dense Retrieval without Relevance Labels") looks
for what resembles an answer, here beside what resembles the query, since a weak model's answer may lead astray;
rewriting is of Ma et al. 2023, "Query Rewriting for Retrieval-Augmented Large Language Models"; several queries whose
results are fused by ranks are RAG-Fusion (Rackauckas 2024); questions are taken apart as in Press et al. 2022,
"Measuring and Narrowing the Compositionality Gap", and Khot et al. 2022, "Decomposed Prompting", all parts at once."""


class QueryTransform(Refinement):
    """Asks the model for other words, once for each text and greedily, and searches for these.

    Where the model writes nothing of use, the query is searched for as it is. So it is where sources are named to look
    at: then it only has to be told which of their passages fits.

    Attributes:
        asked, empty: texts that the model was asked about, and those of which nothing came.
    """

    def __init__(self, inner: Searcher, way: QueryWay, model: LanguageModel) -> None:
        super().__init__(inner)
        self.way = way
        self.model = model
        self.asked = self.empty = 0

    def search(
        self,
        texts: Sequence[str],
        k: int,
        within: Sequence[Sources] | None = None,
        without: Sequence[Sources] | None = None,
    ) -> list[list[Passage]]:
        """What is found for the other words, as one list for each text."""
        if within is not None or not texts:
            return self.inner.search(texts, k, within, without)
        queries = self._queries(texts)
        every = [query for row in queries for query in row]
        hidden = None if without is None else [w for row, w in zip(queries, without, strict=True) for _ in row]
        deep = k if max(map(len, queries)) == 1 else max(k, DEPTH)
        with counting() as ledger:
            found = iter(self.inner.search(every, deep, None, hidden))
        spent = iter(ledger.each(every))
        fused = []
        for text, row in zip(texts, queries, strict=True):
            fused.append(self.way.fused([next(found) for _ in row])[:k])
            for _ in row:
                book(text, next(spent))
        return fused

    def _queries(self, texts: Sequence[str]) -> list[list[str]]:
        """What is searched for in the place of each text; never nothing. Of a blank text nothing can be made."""
        prompts = [Prompt(self.way.instruction, text) for text in texts if text.strip()]
        written = iter(self.model.generate(prompts, self.way.decoding) if prompts else ())
        queries = []
        for text in texts:
            if not text.strip():
                queries.append([text])
                continue
            answer = next(written)
            book(text, answer.spent)
            others = queries_in(answer.text, self.way.several)
            self.asked += 1
            self.empty += not others
            first = [text] if self.way.beside or not others else []
            queries.append([*first, *(other for other in others if other != text)] or [text])
        return queries

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """How often nothing came of it so far, where it happened."""
        if not self.empty:
            return super().notes
        return (
            *super().notes,
            f"For {self.empty:,} of {self.asked:,} queries while fitting the model wrote no other words to search for, "
            "and the query was searched for as it is.",
        )


def queries_in(text: str, several: bool) -> list[str]:
    """What a model wrote, without bullets and quotation marks: each line, the first few, or all of it as one."""
    return written_lines(text if several else " ".join(text.split()))[:MOST]


def transformed(inner: Searcher, query: QueryForm, model: LanguageModel) -> Searcher:
    """The searcher with what puts queries into other words around it, as a spec names it."""
    return inner if query == "plain" else QueryTransform(inner, WAYS[query], model)


def with_rewriting(load: ContextLoad, query: QueryForm) -> ContextLoad:
    """What it adds: a call of the model; and each further query is reranked too, where the model does that."""
    if query == "plain":
        return load
    way = WAYS[query]
    times = (MOST if way.several else 1) + way.beside
    more = replace(load, asked=times * load.asked, asked_read=times * load.asked_read)
    return more.asking(calls=1, read=float(len(way.instruction.split())), written=float(way.words))
