"""The examples of a race, set aside before anything is fitted so that no approach learns from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from advisor.tasks import Example, Task
from advisor.tasks.guard import LeakGuard
from advisor.tasks.kin import kin
from advisor.tasks.preferences import not_about
from advisor.tasks.splits import sampled

Floats = NDArray[np.float64]

MOST = 256  # examples: enough to show a difference of 0.15 or so among six rivals
ENOUGH = 64  # from dev, where train could give more
FEWEST = 8  # with fewer nothing can be shown
_SALT = "race:0"


@dataclass(frozen=True)
class SetAside:
    """A task, and the examples taken out of it for a race.

    Attributes:
        task: the task without the examples; its test split is whole.
        pool: the examples in the random order in which they are raced on.
        split: the split they come from, `dev` or `train`; empty where there are too few examples to take any.
        before: the number of examples in that split before.
    """

    task: Task
    pool: tuple[Example, ...]
    split: str
    before: int

    @property
    def weights(self) -> Floats:
        """The factor on each example's score, between 0 and 1.

        By 1, but for macro F1, which is no mean of scores. There right answers to rare labels count more, in inverse
        proportion to the label's share of train, so that their mean is the balanced accuracy (macro recall), divided
        by `unit`.
        """
        if self.task.metric != "macro_f1":
            return np.ones(len(self.pool))
        raw = _balance(self.task)
        rarest = max(raw.values())
        return np.array([raw.get(e.target, rarest) / rarest for e in self.pool])

    @property
    def unit(self) -> float:
        """The quality that a mean score of 1 stands for: 1, except for macro F1."""
        return 1.0 if self.task.metric != "macro_f1" else max(_balance(self.task).values())


def set_aside(task: Task) -> SetAside:
    """Take half of dev, or a quarter of train where dev is small, but at most 256; random, with a fixed seed.

    What is left of dev serves approaches as before. Of a classification's train, one example of each label stays.
    Examples of one group, and equal or nearly equal inputs, stay on one side.
    """
    from_dev = min(MOST, len(task.dev) // 2)
    from_train = min(MOST, len(task.train) // 4)
    pool: tuple[Example, ...] = ()
    changed, split, before = task, "", len(task.dev) or len(task.train)
    if from_dev >= max(FEWEST, min(ENOUGH, from_train)):
        pool, rest = _taken(task, task.dev, from_dev, frozenset())
        changed, split, before = replace(task, dev=rest), "dev", len(task.dev)
    if len(pool) < FEWEST <= from_train:  # of dev a few clusters that stay together may be all there is
        kept = _first_of_labels(task.train) if task.kind == "classification" else frozenset()
        pool, rest = _taken(task, task.train, from_train, kept)
        changed, split, before = replace(task, train=rest), "train", len(task.train)
    if len(pool) < FEWEST:
        return SetAside(task, (), "", before)
    name = "training" if split == "train" else split
    caveat = (
        f"{len(pool)} of {before} {name} examples were set aside to race on (--budget, seed 0): no approach learned "
        "from them"
    )
    # what is fitted for the race is used for the test too: it keeps away from the inputs of both
    guard = LeakGuard.of(example.input for example in (*pool, *task.test, *task.test_after))
    pairs = not_about(pool, task.preferences)
    changed = replace(changed, preferences=pairs, caveats=(*task.caveats, caveat), guard=guard)
    return SetAside(changed, pool, split, before)


def _taken(
    task: Task, examples: tuple[Example, ...], size: int, kept: frozenset[int]
) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Sample about `size` examples, in random order; and the others in their own order.

    What belongs together (`advisor.tasks.kin`) stays together, or the race would reward memory.
    """
    cluster_of = {at: cluster for cluster in kin(replace(task, train=examples)).clusters for at in cluster}
    order = [at for at in sampled(examples, _SALT, False) if at not in kept]
    chosen: set[int] = set()
    for at in order:
        cluster = cluster_of[at]
        if at not in chosen and kept.isdisjoint(cluster) and len(chosen) + len(cluster) <= size:
            chosen.update(cluster)
    pool = tuple(examples[at] for at in order if at in chosen)
    return pool, tuple(e for at, e in enumerate(examples) if at not in chosen)


def _first_of_labels(examples: Sequence[Example]) -> frozenset[int]:
    firsts: dict[str, int] = {}
    for at in sampled(examples, _SALT + ":kept", False):
        firsts.setdefault(examples[at].target, at)
    return frozenset(firsts.values())


def _balance(task: Task) -> dict[str, float]:
    """The weight of each label: 1 / (its share of train x the number of labels)."""
    counts = Counter(e.target for e in task.train)
    total = sum(counts.values())
    return {label: total / (count * len(counts)) for label, count in counts.items()} or {"": 1.0}
