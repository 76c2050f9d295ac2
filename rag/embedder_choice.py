"""`rag:embedders=A;B`: several embedders compared by what they find, on a part of the documents; one of them is taken.

No language model is asked. Questions whose documents are known are asked of an index of these documents and of others
at random beside them, so that each embedder reads about a thousand passages, however many there are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from advisor.approaches import ContextLoad, Facts
from advisor.approaches.selection import better_by_more_than_chance
from advisor.errors import UserError
from advisor.models import LanguageModel
from advisor.tasks import Document, Task
from advisor.tasks.words import split_words
from rag.adjustable import Adjustable
from rag.hybrid import EVEN
from rag.questions import FEWEST, Found, KnownQuestion, found_by, questions_of
from rag.registry import searcher
from rag.reranking import NONE
from rag.stores.contract import LOCAL

ASKED = 100  # questions at most
PASSAGES = 1000  # that each embedder reads, or about as many
BETWEEN = ";"


@dataclass(frozen=True, slots=True)
class ComparedEmbedder:
    """An embedder, and what it finds.

    Attributes:
        size: bytes of its index of the sample.
        seconds: to index the sample, and to search for all questions together.
    """

    name: str
    found: Found
    size: int
    seconds: float

    @property
    def told(self) -> str:
        """For the report."""
        return f"{self.name}: {self.found.told}, {self.seconds:.1f} s, {self.size:,} bytes"


def names_of(embedders: str) -> tuple[str, ...]:
    """The names in the parameter, in their order."""
    return tuple(name.strip() for name in embedders.split(BETWEEN))


def check_embedders(rag: Adjustable) -> None:
    """Whether the parameter names several, and goes with the others.

    Raises:
        UserError: it does not.
    """
    if not rag.embedders:
        return
    names = names_of(rag.embedders)
    if len(set(names)) < max(2, len(names)) or "" in names:
        raise UserError(
            f"{rag.name}: embedders={rag.embedders} does not name several, each once",
            f"name two or more with {BETWEEN} between them, in quotes: '{rag.name}:embedders=embedded;FOLDER'",
        )
    if rag.embedder:
        raise UserError(
            f"{rag.name}: embedder={rag.embedder} says which is taken, embedders that it is to be chosen",
            "leave one of them out",
        )
    if not searcher(rag.retriever).embeds:
        raise UserError(
            f"{rag.name}: retriever={rag.retriever} embeds nothing, so that embedders says nothing",
            f"leave it out, or search by vectors too: {rag.name}:retriever=hybrid",
        )
    for name in names:
        replace(rag, embedders="", embedder=name)  # which is checked as any other


def chosen_embedder(rag: Adjustable, task: Task, model: LanguageModel, seed: int) -> tuple[str, Facts]:
    """The name of the embedder to take, and what is to be said of the choice.

    The first one stays unless another shows the answers of more questions by more than chance; so it does where there
    are too few questions to judge by.

    Args:
        task: without its test split.

    Raises:
        UserError: one of them cannot be had, or would be sent texts that may not leave the machine.
    """
    names = names_of(rag.embedders)
    for name in names:  # all, before anything is embedded
        replace(rag, embedders="", embedder=name).vectoring.embedder_of(model, bool(task.limits.local_only))
    questions = questions_of(task, seed, ASKED)
    if not questions.enough:
        note = f"No embedders were compared, since there are too few questions to judge by: {questions.described}."
        return names[0], _facts(rag, names[0], note, f"What was taken is the first, {names[0]}.")
    asked, documents = _sample(rag, task.documents, questions.all, seed)
    sample = replace(task, documents=tuple(documents))
    tried = [_tried(_with(rag, name), name, sample, model, asked) for name in names]
    first, *others = tried
    best = max(others, key=lambda one: one.found.worth)
    better = better_by_more_than_chance(best.found.answered, first.found.answered, len(others))
    chosen = best if better else first
    searched = replace(questions, all=asked).described
    note = (
        f"{len(names)} embedders were compared on {searched}, searched for among {len(documents):,} of "
        f"{len(task.documents):,} documents, without a language model: {'; '.join(one.told for one in tried)}."
    )
    why = f"which showed more answers than the first, {first.name}, by more than chance"
    if not better:
        why = "the first named, since no other showed more answers by more than chance"
    return chosen.name, _facts(rag, chosen.name, note, f"What was taken is {chosen.name}, {why}.")


def with_choice(load: ContextLoad, rag: Adjustable) -> ContextLoad:
    """What choosing adds: each embedder reads the sample."""
    if not rag.embedders:
        return load
    sample = min(load.indexed, float(PASSAGES * rag.chunk))
    return replace(load, indexed=load.indexed + len(names_of(rag.embedders)) * sample)


def _with(rag: Any, name: str) -> Any:
    """Searched by one embedder alone: in this process, and without what asks other models."""
    context = "title" if rag.context == "summary" else rag.context
    weight = EVEN if isinstance(rag.weight, str) else rag.weight
    plain = {"search": 0, "store": LOCAL, "rerank": NONE, "query": "plain", "least": None}
    return replace(rag, embedders="", embedder=name, context=context, weight=weight, **plain)


def _tried(
    rag: Adjustable, name: str, task: Task, model: LanguageModel, asked: Sequence[KnownQuestion]
) -> ComparedEmbedder:
    index = rag.index_of(task, model)
    found = found_by(rag.found_in(index, task, model), asked, rag.k)
    seconds = (index.facts.index_seconds or 0.0) + found.seconds
    return ComparedEmbedder(name, found, index.searcher.size_bytes, seconds)


def _sample(
    rag: Adjustable, documents: Sequence[Document], questions: Sequence[KnownQuestion], seed: int
) -> tuple[tuple[KnownQuestion, ...], list[Document]]:
    """As many questions as have room with their documents, and these with others at random, in the order of all."""
    passages = {one.id: 1 + len(split_words(one.text)) // rag.chunk for one in documents}
    taken: dict[str, None] = {}
    asked: list[KnownQuestion] = []
    room = PASSAGES
    for question in questions:
        new = [one for one in dict.fromkeys(question.evidence) if one in passages and one not in taken]
        needed = sum(passages[one] for one in new)
        if needed <= room or len(asked) < FEWEST:
            asked.append(question)
            taken.update(dict.fromkeys(new))
            room -= needed
    others = [one.id for one in documents if one.id not in taken]
    random.Random(seed).shuffle(others)
    for one in others:
        if passages[one] <= room:
            taken[one] = None
            room -= passages[one]
    return tuple(asked), [one for one in documents if one.id in taken]


def _facts(rag: Adjustable, chosen: str, *notes: str) -> Facts:
    return Facts(notes=notes, resolved={rag.name: {"embedder": chosen}})
