"""Which examples a probe judges, and which others the probed approach may learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from advisor.tasks import Example, Task
from advisor.tasks.forms import normalised
from advisor.tasks.splits import sampled
from advisor.tasks.words import count_words

PROBED = 64
"""Examples from dev or train that a model answers at most: 95 % of the time a share is right to 12 points."""
CHEAP = 256
"""Examples that an approach without a model answers at most."""
CHEAP_WORDS = 8_000  # of inputs and answers; where they are long, fewer examples are judged
APART = 256
"""Training examples from which on a quarter can be set aside; with fewer, each is judged by what saw the others."""
MOST_TRAIN = 2_048
"""Training examples that a probe looks at."""
FOLDS, CHEAP_FOLDS = 2, 8
TINY = 8  # examples up to which each is left out alone
TRIALS = 24
_SALT = "probe:0"


@dataclass(frozen=True)
class Fold:
    """One fold: examples to judge, and examples to learn from.

    Attributes:
        judged: the examples to answer.
        train: the examples the approach may learn from; none has the input of a judged example.
        trial: judged in other folds; a way of reading labels is chosen by them.
    """

    judged: tuple[Example, ...]
    train: tuple[Example, ...]
    trial: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Slices:
    """The examples of all probes.

    Attributes:
        split: the split of the judged examples.
        judged: the judged examples in an order of which every prefix is a fair sample.
        train: the examples to learn from, in the order in which they are taken.
        crossed: whether the judged are all of train, each judged by what learned from the other folds.
        labelled: whether the task is a classification, so that folds and samples keep the share of each label.
    """

    split: Literal["dev", "train"]
    judged: tuple[Example, ...]
    train: tuple[Example, ...]
    crossed: bool
    labelled: bool

    @classmethod
    def of(cls, task: Task) -> Slices:
        """Judge on dev where it is as large as what train could spare, else on a part of train."""
        labelled = task.kind == "classification"
        train, dev = (_in_order(examples, labelled) for examples in (task.train, task.dev))
        apart = len(train) >= APART
        spare = min(CHEAP, len(train) // 4) if apart else len(train)
        if len(dev) >= min(PROBED, spare) and dev:
            return cls("dev", dev[:CHEAP], train[:MOST_TRAIN], False, labelled)
        if apart:
            return cls("train", train[:spare], train[spare : spare + MOST_TRAIN], False, labelled)
        return cls("train", train, train, True, labelled)

    def folds(self, n: int) -> list[Fold]:
        """The folds of the first `n` judged examples, for an approach that uses the model; `n` is at most `PROBED`."""
        if self.crossed and len(self.judged) < 2 * PROBED:
            return self._folds(n, self._parts(FOLDS), None)
        return self._folds(n, min(2, n) if self.labelled else 1, self.judged[:PROBED] if self.crossed else self.judged)

    def cheap_folds(self, n: int) -> list[Fold]:
        """The folds for an approach that costs next to nothing once its texts are embedded."""
        if self.crossed:
            return self._folds(n, self._parts(CHEAP_FOLDS), None)
        return self._folds(n, 1, self.judged)

    @property
    def cheap(self) -> int:
        """The number of examples judged where no model answers."""
        words = sum(count_words(f"{example.input} {example.target}") for example in self.judged)
        affordable = int(CHEAP_WORDS * len(self.judged) / max(words, 1))
        return min(len(self.judged), max(PROBED, min(CHEAP, affordable)))

    @property
    def smallest_train(self) -> int:
        """The number of training examples that every fold has, where no model answers."""
        return min((len(fold.train) for fold in self.cheap_folds(len(self.judged))), default=0)

    def _parts(self, usual: int) -> int:
        """The number of folds of train: leave-one-out where it is tiny."""
        return len(self.judged) if len(self.judged) <= TINY else usual

    def _folds(self, n: int, parts: int, apart: Sequence[Example] | None) -> list[Fold]:
        """The folds of the first `n` examples; training examples are of other folds, or all but those set apart."""
        places = self._places(parts)
        found = []
        for part in range(parts):
            own = tuple(example for example, place in zip(self.judged[:n], places, strict=False) if place == part)
            others = tuple(example for example, place in zip(self.judged[:n], places, strict=False) if place != part)
            mine = [example for example, place in zip(self.judged, places, strict=True) if place == part]
            hidden = {normalised(example.input) for example in (mine if apart is None else apart)}
            train = tuple(example for example in self.train if normalised(example.input) not in hidden)
            if own:
                found.append(Fold(own, train, others[:TRIALS] if self.labelled else ()))
        return found

    def _places(self, parts: int) -> list[int]:
        """The fold of each judged example, stratified by label."""
        counts = Counter(self._label(example) for example in self.judged)
        at = dict(zip(counts, accumulate(counts.values(), initial=0), strict=False))
        places = []
        for example in self.judged:
            label = self._label(example)
            places.append(at[label] % parts)
            at[label] += 1
        return places

    def _label(self, example: Example) -> str:
        return example.target if self.labelled else ""


def _in_order(examples: Sequence[Example], labelled: bool) -> tuple[Example, ...]:
    return tuple(examples[at] for at in sampled(examples, _SALT, labelled))
