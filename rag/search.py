"""`rag:search=N`: settings of retrieval tried on questions whose documents are known, the best few read by the model.

One thing is changed at a time: first how passages are found, then, with what found best, how documents are cut. No
language model is asked for that. The best few then answer held-out examples beside what was asked for, which stays
unless another does better by more than chance (`advisor.approaches.selection`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from advisor.approaches import ContextLoad, Facts
from advisor.approaches.selection import PromptCandidate, held_out, select
from advisor.approaches.selection import tried as selection_tried
from advisor.models import Context, LanguageModel
from advisor.tasks import Example, Outline, Task
from rag.adjustable import Adjustable
from rag.answer_rules import AnswerRules
from rag.headings import headings
from rag.hybrid import Hybrid
from rag.index import PassageIndex
from rag.questions import Found, Questions, found_by, questions_of
from rag.reranking import NONE
from rag.searcher import Searcher
from rag.sources import DocumentSource
from rag.stores.contract import LOCAL
from rag.vectoring import WITHOUT_VECTORS

READ = 2  # settings that the model reads, beside what was asked for
HALF = 0.5  # of the settings tried: ways of finding; the others are ways of cutting
METHODS: tuple[dict[str, Any], ...] = (
    {"retriever": "hybrid", "fuse": "scores", "weight": 0.5},
    {"retriever": "bm25", "fuse": "scores", "weight": 0.5, **WITHOUT_VECTORS},
    {"retriever": "dense", "fuse": "scores", "weight": 0.5},
    {"retriever": "hybrid", "fuse": "scores", "weight": 0.3},
    {"retriever": "hybrid", "fuse": "scores", "weight": 0.7},
    {"retriever": "hybrid", "fuse": "ranks", "weight": 0.5},
)
"""Ways of finding passages, in the order in which they are tried."""

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Tried:
    """A setting, and what it finds.

    Attributes:
        settings: parameters that it changes; none is what was asked for.
        index: as it was built, without what is done around its searcher.
    """

    settings: Settings
    index: PassageIndex
    found: Found

    @property
    def called(self) -> str:
        """In words, for the report."""
        return ",".join(f"{name}={value}" for name, value in _of_finding(self.settings).items()) or "as asked"


def searched(rag: Adjustable, task: Task, model: LanguageModel, seed: int) -> tuple[Settings, PassageIndex, Facts]:
    """The parameters to change in `rag`, the index that has them, and what is to be said of the search.

    What is tried is kept in this process, and found without what asks a model (reranking, other words for a query);
    what is chosen goes to the store that was asked for.

    Args:
        rag: what was asked for; it stays where there are too few questions, or nothing does better.
        task: with documents, without its test split.
    """
    questions = questions_of(task, seed)
    if not questions.enough:
        index = rag.found_in(rag.index_of(task, model), task, model)
        note = f"Nothing was searched, since there are too few questions to judge by: {questions.described}."
        return {}, index, Facts(notes=(note,))
    rag.vectoring.embedder_of(model, bool(task.limits.local_only))  # what may not be used is refused before
    tried = list(_tried(replace(rag, store=LOCAL, rerank=NONE, query="plain"), task, model, questions, seed))
    own, others = tried[0], sorted(tried[1:], key=lambda one: one.found.worth, reverse=True)
    better = [one for one in others if one.found.worth > own.found.worth][:READ]
    notes = [_note(tried, questions)]
    chosen = own
    if better:
        chosen, said = _read(own, better, rag, task, model, seed)
        notes += said
    else:
        notes.append("None of them found more than what was asked for, which stands.")
    taken = replace(rag, **chosen.settings)
    plain = chosen.index if taken.store == LOCAL else taken.index_of(task, model)
    return (
        chosen.settings,
        taken.found_in(plain, task, model),
        Facts(notes=tuple(notes), resolved={rag.name: dict(chosen.settings)}),
    )


def with_search(load: ContextLoad, search: int, task: Outline) -> ContextLoad:
    """What a search adds: answers of the settings that are read, and an index for each way of cutting."""
    if not search:
        return load
    answers = selection_tried(task, READ + 1)
    return replace(load, tried=load.tried + answers, indexed=load.indexed * (search - _methods(search)))


def _methods(search: int) -> int:
    """How many of so many settings, at least 2, are other ways of finding."""
    return max(1, round((search - 1) * HALF))


def _tried(rag: Adjustable, task: Task, model: LanguageModel, questions: Questions, seed: int) -> Iterator[Tried]:
    """What was asked for first."""
    cut = _Indexed(rag, task, model)
    own = cut.tried({}, questions)
    yield own
    best = own
    methods = [one for one in METHODS if any(getattr(rag, name) != value for name, value in _of_finding(one).items())]
    methods = methods[: _methods(rag.search)]
    for method in methods:
        one = cut.tried(method, questions)
        yield one
        best = max(best, one, key=lambda tried: tried.found.worth)
    for change in _cuttings(rag, task, seed)[: rag.search - 1 - len(methods)]:
        yield _Indexed(replace(rag, **change), task, model).tried({**best.settings, **change}, questions)


def _of_finding(method: Settings) -> Settings:
    return {name: value for name, value in method.items() if name not in WITHOUT_VECTORS}


class _Indexed:
    """One way of cutting documents, indexed once for all ways of finding."""

    def __init__(self, rag: Adjustable, task: Task, model: LanguageModel) -> None:
        self.rag = rag
        self.task = task
        self.model = model
        self.both = replace(rag, retriever="hybrid", fuse="scores", weight=0.5).index_of(task, model)

    def tried(self, settings: Settings, questions: Questions) -> Tried:
        """What a setting finds, without a language model."""
        rag = replace(self.rag, **settings)
        index = self._index(rag)
        found = rag.found_in(index, self.task, self.model)
        return Tried(settings, index, found_by(found, questions.all, rag.k))

    def _index(self, rag: Adjustable) -> PassageIndex:
        hybrid = self.both.searcher
        assert isinstance(hybrid, Hybrid) and self.both.embedder is not None
        if rag.retriever == "dense":
            index = self._over("dense", hybrid.dense)
        elif rag.retriever == "bm25":
            index = replace(self._over("bm25", hybrid.words), embedder=None)
        elif rag.retriever == "hybrid":
            index = self._over("hybrid", Hybrid(hybrid.chunks, self.both.embedder, hybrid.dense, hybrid.words))
        else:
            index = rag.index_of(self.task, self.model)
        return index

    def _over(self, retriever: str, searcher: Searcher) -> PassageIndex:
        facts = replace(self.both.facts, artifact_bytes=searcher.size_bytes)
        return replace(self.both, retriever=retriever, searcher=searcher, facts=facts)


def _cuttings(rag: Adjustable, task: Task, seed: int) -> list[Settings]:
    """Other ways of cutting that show no more words than what was asked for."""
    words = rag.k * (rag.parent or rag.chunk)
    half, wide = max(rag.chunk // 2, 20), rag.chunk * 3 // 2
    found: list[Settings] = [
        {"chunk": half, "overlap": min(rag.overlap, half // 4), "k": max(1, words // half), "parent": 0},
        {"chunk": wide, "k": words // wide, "parent": 0},
        {"split": "sentences"},
    ]
    if half < rag.chunk and not rag.parent:
        found.append({"chunk": half, "overlap": min(rag.overlap, half // 4), "parent": rag.chunk})
    if any(headings(document.text) for document in task.documents):
        found.append({"split": "headings"})
    found = [one for one in found if one.get("k", 1) and any(getattr(rag, n) != value for n, value in one.items())]
    random.Random(seed).shuffle(found)
    return found


def _read(
    own: Tried, better: Sequence[Tried], rag: Adjustable, task: Task, model: LanguageModel, seed: int
) -> tuple[Tried, tuple[str, ...]]:
    """The one by which the model answers best."""
    examples = held_out(task, seed, ())
    tried = [own, *better]
    rags = [replace(rag, **one.settings) for one in tried]
    indexes = [own_rag.found_in(one.index, task, model) for own_rag, one in zip(rags, tried, strict=True)]
    candidates = [
        PromptCandidate(Context(), one.called, _Beside(index, own_rag.k))
        for one, own_rag, index in zip(tried, rags, indexes, strict=True)
    ]
    chosen, notes = select(candidates, task, model, examples, rag.cot)
    return tried[candidates.index(chosen)], notes


@dataclass(frozen=True)
class _Beside:
    """What a setting shows beside examples."""

    index: PassageIndex
    k: int

    def __call__(self, examples: Sequence[Example]) -> list[Context]:
        source = DocumentSource(self.index, AnswerRules("", self.k), miss=0.0)
        return source.contexts([example.query for example in examples])


def _note(tried: Sequence[Tried], questions: Questions) -> str:
    each = "; ".join(f"{one.called}: {one.found.told}" for one in tried)
    return f"{len(tried)} settings were tried on {questions.described}, without a language model: {each}."
