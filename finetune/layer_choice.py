"""Which layer's hidden states a classifier reads, how they are pooled and how strongly it is regularised: chosen on
examples that it was not fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

import numpy as np

from advisor.approaches.linear import LinearClassifier, Pool
from advisor.models import HiddenStates, Vectors

TRIED = 8  # layers, evenly apart, the last among them
STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
USUAL = 0.01  # of these, by which layers are compared
FOLDS = 5
ONE_FOLD = 500  # examples from which on one fold says enough
LEAST = 1e-6  # of a probability that is judged

Split = tuple[Sequence[int], Sequence[int]]


@dataclass(frozen=True)
class LayerChoice:
    """What a classifier reads, and by which regularisation it is fitted.

    Attributes:
        layer: counted from 1.
        pool: the state of the prompt's last token, or the mean over the query's own tokens.
        c: inverse of the strength of regularisation, of standardised states.
    """

    layer: int
    pool: Pool
    c: float


@dataclass(frozen=True)
class Judged:
    """How a classifier did on held-out examples.

    Attributes:
        likelihood: natural log of the probability of the right label, summed.
    """

    right: int = 0
    examples: int = 0
    likelihood: float = 0.0

    def __add__(self, other: Judged) -> Judged:
        return Judged(self.right + other.right, self.examples + other.examples, self.likelihood + other.likelihood)

    def __str__(self) -> str:
        return f"{self.right} of {self.examples} right"


@dataclass(frozen=True)
class Standardised:
    """A classifier of states of which each number has mean 0 and deviation 1, where it does not stay the same.

    Attributes:
        means, scales: of the states that it was fitted to, shape (size,).
        classifier: of the standardised states.
    """

    means: Vectors
    scales: Vectors
    classifier: LinearClassifier

    @classmethod
    def fitted(cls, vectors: Vectors, targets: Sequence[str], c: float) -> Self:
        """Logistic regression on standardised states, shape (examples, size)."""
        means, scales = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
        scales[scales == 0] = 1.0
        means, scales = means.astype(np.float32), scales.astype(np.float32)
        return cls(means, scales, LinearClassifier.fitted((vectors - means) / scales, targets, c))

    @property
    def whole(self) -> LinearClassifier:
        """The same of states as they are."""
        weights = self.classifier.weights / self.scales
        biases = (self.classifier.biases - weights @ self.means).astype(np.float32)
        return LinearClassifier(self.classifier.labels, weights, biases)


def layers_tried(count: int) -> tuple[int, ...]:
    """The layers that are compared, of so many."""
    return tuple(sorted({max(1, round(count * step / TRIED)) for step in range(1, TRIED + 1)}))


def vectors_of(states: Sequence[HiddenStates], place: int, pool: Pool) -> Vectors:
    """One layer's pooled states, shape (examples, size); `place` is its number among those that were asked for."""
    return np.stack([getattr(one, pool)[place] for one in states])


def choose(
    candidates: Sequence[LayerChoice], layers: Sequence[int], states: Sequence[HiddenStates], held: HeldExamples
) -> tuple[LayerChoice, str]:
    """The candidate whose classifier makes the right labels of held-out examples likeliest, and a note; the first where
    there is nothing to tell by.

    Layers and poolings are compared at the same strength of regularisation, strengths at the best of these.

    Args:
        layers: those that the states are of.
    """
    known: dict[LayerChoice, Judged] = {}

    def judge(one: LayerChoice) -> float:
        if one not in known:
            vectors = vectors_of(states, layers.index(one.layer), one.pool)
            known[one] = sum((_judged(vectors, held.targets, split, one.c) for split in held.splits), Judged())
        return known[one].likelihood

    strengths = {one.c for one in candidates}
    usual = USUAL if USUAL in strengths else min(strengths)
    best = max((one for one in candidates if one.c == usual), key=judge)
    best = max((one for one in candidates if replace(one, c=usual) == best), key=judge)
    judge(best)
    if not known[best].examples:
        return candidates[0], "There were too few training examples to choose the layer by."
    last = max((one for one in known if one.layer == max(layers)), key=lambda one: known[one].likelihood)
    beside = f"; the last layer at best {known[last]}" if last.layer != best.layer else ""
    return best, f"{held.where}: {known[best]}{beside}."


@dataclass(frozen=True)
class HeldExamples:
    """Examples by which is chosen.

    Attributes:
        targets: their labels.
        splits: numbers of the examples that a classifier is fitted to, and of those that it is judged by.
        where: what is done, in words.
    """

    targets: tuple[str, ...]
    splits: tuple[Split, ...]
    where: str

    @classmethod
    def of(cls, train: Sequence[str], dev: Sequence[str]) -> Self:
        """Judged on dev; without it on each fifth of train in turn, or on one of them where it is large."""
        targets, number = (*train, *dev), len(train)
        if dev:
            return cls(targets, ((range(number), range(number, len(targets))),), f"on {len(dev)} dev examples")
        order = sorted(range(number), key=lambda i: train[i])
        folds = [order[first::FOLDS] for first in range(FOLDS if number < ONE_FOLD else 1)]
        splits = tuple((sorted(set(order) - set(fold)), fold) for fold in folds if fold)
        if number >= ONE_FOLD:
            return cls(targets, splits, f"on {len(folds[0])} training examples that were held out")
        return cls(targets, splits, f"by {FOLDS}-fold cross-validation on {number} training examples")


def candidates(layers: Sequence[int], pool: Pool | Literal["auto"], c: float | Literal["auto"]) -> list[LayerChoice]:
    """All that may be chosen, first what is taken where nothing tells them apart: a layer above the middle."""
    usual = min(layers, key=lambda layer: abs(layer - 2 / 3 * max(layers)))
    pools = get_args(Pool) if pool == "auto" else (pool,)
    strengths = STRENGTHS if c == "auto" else (c,)
    ordered = [usual, *(layer for layer in layers if layer != usual)]
    return [LayerChoice(layer, p, s) for layer in ordered for p in pools for s in sorted(strengths, key=_from_usual)]


def _from_usual(strength: float) -> bool:
    return strength != USUAL


def _judged(vectors: Vectors, targets: Sequence[str], split: Split, c: float) -> Judged:
    """Fitted to one part, judged on those of the other whose labels it has seen."""
    fitted, held = split
    seen = {targets[i] for i in fitted}
    judged = [i for i in held if targets[i] in seen]
    if len(seen) < 2 or not judged:
        return Judged()
    classifier = Standardised.fitted(vectors[list(fitted)], [targets[i] for i in fitted], c).whole
    number = {label: place for place, label in enumerate(classifier.labels)}
    shares = classifier.shares(vectors[judged])
    gold = np.array([number[targets[i]] for i in judged])
    of_gold = shares[np.arange(len(judged)), gold].clip(min=LEAST)
    return Judged(int((shares.argmax(axis=1) == gold).sum()), len(judged), float(np.log(of_gold).sum()))
