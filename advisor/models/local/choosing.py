"""Answers that are one of given choices, decoded greedily under a grammar of these: what a server does that is held to
an enumeration."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from advisor.models.adaptation import Adaptation
from advisor.models.language_model import Capabilities, Decoding, Generation, LanguageModel
from advisor.models.local.engine import LocalModel
from advisor.models.local.scoring import ChoiceTree
from advisor.models.prompt import Prompt
from advisor.models.render import Renderer

Tokens = tuple[int, ...]


class HeldToChoices(LanguageModel):
    """A local model, with the adaptation that answers, whose labels are generated token by token instead of compared as
    a whole."""

    can = Capabilities(choose=True)

    def __init__(self, model: LocalModel, adaptation: Adaptation | None) -> None:
        self._model = model
        self._adaptation = adaptation
        self.name, self.revision, self.context_window = model.name, model.revision, model.context_window
        self.embedder = model.embedder

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """As the model does, by the weights that answer."""
        return self._model.generate(prompts, decoding, self._adaptation)

    @torch.inference_mode()
    def choose(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """The choice that greedy decoding comes to where every token has to go on with one of them."""
        started, model = time.perf_counter(), self._model
        model.activate(self._adaptation)
        rows, tree = sequences(model.renderer, choices)
        every = prefixes(tree)
        paths = replace(tree, steps=tuple(every.values()), lengths=tuple(map(len, every)))
        room, found = max(tree.lengths) + model.reader.start.length, []
        for prompt in prompts:
            encoded = model.renderer.encode(prompt, room)
            (totals,) = model.reader.scores([encoded], paths, model.head).tolist()
            number = walked(dict(zip(every, totals, strict=True)), rows)
            seconds = time.perf_counter() - started
            size = len(rows[number])
            found.append(
                Generation(choices[number], len(encoded.ids), size, seconds, seconds, encoded.dropped, encoded.cut)
            )
        return found


def sequences(renderer: Renderer, choices: Sequence[str]) -> tuple[list[Tokens], ChoiceTree]:
    """The choices as tokens, each closed with the token that ends an answer where one begins another, and their
    tree."""
    tree = ChoiceTree.of([renderer.encode_answer(choice) for choice in choices], renderer.end_id)
    return [tuple(token for _, token in path) for path in tree.steps], tree


def prefixes(tree: ChoiceTree) -> Mapping[Tokens, tuple[tuple[int, int], ...]]:
    """Every beginning of a choice, with the steps of the tree by which it is predicted."""
    found: dict[Tokens, tuple[tuple[int, int], ...]] = {}
    for path in tree.steps:
        for length in range(1, len(path) + 1):
            found[tuple(token for _, token in path[:length])] = path[:length]
    return found


def walked(totals: Mapping[Tokens, float], rows: Sequence[Tokens]) -> int:
    """The number of the row that greedy decoding comes to.

    Args:
        totals: log-likelihood of every beginning of a row; siblings have the same one before them.
        rows: none of which begins another.
    """
    at: Tokens = ()
    while at not in rows:
        next_ones = sorted({row[: len(at) + 1] for row in rows if row[: len(at)] == at})
        at = max(next_ones, key=lambda one: totals[one])
    return rows.index(at)
