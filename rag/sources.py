"""What the retrieving builders give: passages for queries, and for training examples."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from advisor.approaches import Asks, ContextSource, Facts, Prediction
from advisor.models import Context, Decoding, LanguageModel, Passage, Spent
from advisor.tasks import Document, Example, GroundedQuery, Query, Task
from advisor.tasks.forms import normalised
from rag.answer_rules import AnswerRules
from rag.index import PassageIndex
from rag.raft import training_passages
from rag.refining import Refinement
from rag.spending import NOTHING, counting

BY_INPUT = "examples.json"
CHOSEN = "chosen.json"
Resolved = Mapping[str, Mapping[str, Any]]
Renew = Callable[[Sequence[Document], LanguageModel], ContextSource]
"""Makes the same source over other documents."""


class PassageSource(ContextSource):
    """Passages that are found in an index, which is all there is to keep.

    Args:
        k: most passages shown.
        note: what the index is of, for the report; none where empty.
        renew: how it is made over other documents; None where it holds none.
    """

    def __init__(self, index: PassageIndex, k: int, note: str = "", renew: Renew | None = None) -> None:
        self.index = index
        self.renew = renew
        self.k = k
        self.embedder = index.embedder
        self.pieces = len(index.searcher.chunks)
        self._settings: dict[str, Any] | None = None
        self._search = Facts()
        self._note = note

    @property
    def facts(self) -> Facts:  # type: ignore[override]
        """Those of the index, with the notes of what stands around its searcher; that may learn more as it is asked."""
        searcher = self.index.searcher
        around = searcher.notes if isinstance(searcher, Refinement) else ()
        first = (self._note,) if self._note else ()
        notes = tuple(dict.fromkeys((*first, *self.index.facts.notes, *around, *self._search.notes)))
        return replace(
            self.index.facts, notes=notes, resolved=_merged(self.index.facts.resolved, self._search.resolved)
        )

    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """The `k` passages that fit each query's input best, best first."""
        texts = [query.input for query in queries]
        with counting() as ledger:
            found = self.index.search(texts, self.k)
        return [_context(*one) for one in zip(found, ledger.each(texts), strict=True)]

    def chosen(self, settings: Mapping[str, Any], facts: Facts | None = None) -> Self:
        """The same, with parameters that were chosen; they are kept, and `what_was_chosen` tells them. What was chosen
        of it before, knowing of these, stays.

        Args:
            facts: what is to be said of the choice.
        """
        before, said = self._search, facts or Facts()
        self._settings = {**settings, **(self._settings or {})}
        self._search = Facts(notes=(*said.notes, *before.notes), resolved=_merged(said.resolved, before.resolved))
        return self

    def reindexed(self, documents: Sequence[Document], model: LanguageModel) -> ContextSource:
        """The same over other documents, with what was chosen."""
        if self.renew is None:
            return self
        source = self.renew(documents, model)
        if self._settings is not None and isinstance(source, PassageSource):
            source.chosen(self._settings, self._search)
        return source

    def save(self, folder: Path) -> None:
        """The index, and what a search chose; nothing else was learned."""
        self.index.save(folder)
        if self._settings is not None:
            kept = {"settings": self._settings, "notes": self._search.notes, "resolved": dict(self._search.resolved)}
            (folder / CHOSEN).write_text(json.dumps(kept) + "\n", encoding="utf-8")


class DocumentSource(PassageSource):
    """Passages of documents, for training as RAFT has it; `miss` is as in `Rag`, and the rules say how queries are
    answered from them."""

    def __init__(
        self, index: PassageIndex, rules: AnswerRules, miss: float, note: str = "", renew: Renew | None = None
    ) -> None:
        super().__init__(index, rules.k, note, renew)
        self.rules = rules
        self.miss = miss
        self.as_written = not rules.cite and rules.abstain != "probability"

    @property
    def facts(self) -> Facts:  # type: ignore[override]
        """Those of the index, with what the rules chose."""
        found, chose = super().facts, self.rules.resolved
        resolved = {**found.resolved, "rag": {**found.resolved.get("rag", {}), **chose}} if chose else found.resolved
        return replace(found, notes=(*found.notes, *self.rules.notes), resolved=resolved)

    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """The `k` passages that fit each query's input best, best first, as the rules show them."""
        return [self.rules.shown(context) for context in super().contexts(queries)]

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """What inference would bring, with the right passage in 1 - `miss` of those whose evidence is known.

        Examples without evidence, unanswerable ones among them, get what inference would bring.
        """
        found = training_passages(self.index, examples, self.k, self.miss, seed)
        return [self.rules.shown(_context(passages)) for passages in found]

    def to_learn(self, examples: Sequence[Example], contexts: Sequence[Context]) -> list[str]:
        """The answer with its sources, or that there is none, as the rules have it."""
        return [self.rules.to_learn(self.index, e, c) for e, c in zip(examples, contexts, strict=True)]

    def decoding(self, usual: Decoding, model: LanguageModel) -> Decoding:
        """Where an answer ends, with room for its sources."""
        return self.rules.decoding(usual, model)

    def settle(self, task: Task, asks: Asks, seed: int) -> None:
        """Choose when no answer is given."""
        self.rules.settle(task, self.index, asks, seed)

    def answers(
        self, asks: Asks, queries: Sequence[Query], contexts: Sequence[Context], called: float
    ) -> list[Prediction]:
        """Answers with their sources apart, or none, as the rules have it."""
        return self.rules.answers(asks, queries, contexts, called)

    def save(self, folder: Path) -> None:
        """The index, and what the rules chose."""
        super().save(folder)
        self.rules.save(folder)


class ExampleSource(PassageSource):
    """Labelled examples in place of passages.

    Args:
        same_input: as `by_input` gives it.
    """

    def __init__(self, index: PassageIndex, k: int, same_input: Mapping[str, list[str]], note: str = "") -> None:
        super().__init__(index, k, note)
        self.same_input = same_input

    def save(self, folder: Path) -> None:
        """The index, and which examples have which input."""
        super().save(folder)
        (folder / BY_INPUT).write_text(json.dumps(self.same_input), encoding="utf-8")

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """The same without the example itself, by id or by input: it would show its own answer."""
        itself = [[e.id, *self.same_input.get(normalised(e.input), ())] for e in examples]
        return [_context(found) for found in self.index.search([e.input for e in examples], self.k, without=itself)]


class OracleSource(PassageSource):
    """Passages of the documents that hold the answer."""

    def contexts(self, queries: Sequence[Query]) -> list[Context]:
        """Passages of each query's evidence; what `rag` would show where there is none."""
        named = [query.evidence if isinstance(query, GroundedQuery) else () for query in queries]
        return self._contexts([query.input for query in queries], named)

    def training_contexts(self, examples: Sequence[Example], seed: int) -> list[Context]:
        """The same as at inference: here the right passage is never missing."""
        return self._contexts([example.input for example in examples], [example.evidence for example in examples])

    def _contexts(self, inputs: Sequence[str], evidence: Sequence[tuple[str, ...]]) -> list[Context]:
        known = [at for at, sources in enumerate(evidence) if self.index.knows(sources)]
        unknown = sorted(set(range(len(inputs))) - set(known))
        found: dict[int, list[Passage]] = {}
        retrieved = self.index.search([inputs[at] for at in unknown], self.k)
        found.update(zip(unknown, retrieved, strict=True))
        every, right = len(self.index.searcher.chunks), [evidence[at] for at in known]
        passages = self.index.search([inputs[at] for at in known], every, within=right)
        found.update((at, _first_of_each(row)[: self.k]) for at, row in zip(known, passages, strict=True))
        return [_context(found[at]) for at in range(len(inputs))]


def by_input(examples: Sequence[Example]) -> dict[str, list[str]]:
    """Ids of examples by their input, normalised."""
    found: dict[str, list[str]] = {}
    for example in examples:
        found.setdefault(normalised(example.input), []).append(example.id)
    return found


def what_was_chosen(folder: Path) -> tuple[dict[str, Any], Facts] | None:
    """The parameters that were chosen for the source that was saved there, and what is to be said of the choice; None
    where there was none."""
    path = folder / CHOSEN
    if not path.exists():
        return None
    kept = json.loads(path.read_text(encoding="utf-8"))
    return kept["settings"], Facts(notes=tuple(kept["notes"]), resolved=kept["resolved"])


def saved_by_input(folder: Path) -> dict[str, list[str]] | None:
    """What an `ExampleSource` has saved; None where passages of documents were."""
    path = folder / BY_INPUT
    found: dict[str, list[str]] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return found


def _first_of_each(passages: Sequence[Passage]) -> list[Passage]:
    """The best passage of each document first, then the others, each part best first."""
    first = {passage.source: place for place, passage in reversed(list(enumerate(passages)))}
    order = sorted(range(len(passages)), key=lambda place: first[passages[place].source] != place)
    return [passages[place] for place in order]


def _merged(first: Resolved, second: Resolved) -> Resolved:
    """The values of both for each name; of one that both have the second."""
    return {name: {**first.get(name, {}), **second.get(name, {})} for name in {**first, **second}}


def _context(passages: Sequence[Passage], spent: Spent = NOTHING) -> Context:
    return Context(passages=tuple(passages), fixed=False, spent=spent)
