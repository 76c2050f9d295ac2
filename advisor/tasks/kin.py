"""Clusters of examples that belong on one side of a split: one group, or equal, near-duplicate or contained inputs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from advisor.tasks.duplicates import near_equal
from advisor.tasks.groups import are_slices
from advisor.tasks.leaks import longer_inputs
from advisor.tasks.material import Entry, Material
from advisor.tasks.occurrences import Occurrences
from advisor.tasks.task import Task


@dataclass(frozen=True)
class Kin:
    """The training examples of a task in clusters.

    Attributes:
        clusters: positions of the examples of each cluster, ascending; every example is in one.
        groups: the number of groups that are kept together.
        alike: the number of clusters of similar inputs before named groups join them.
        examples: the number of examples in those.
    """

    clusters: tuple[tuple[int, ...], ...]
    groups: int
    alike: int
    examples: int


def kin(task: Task, keep_groups: bool = False) -> Kin:
    """Cluster a task's training examples by group and by what the audit would call a leak.

    Groups that look like slices to report apart (`advisor.tasks.groups`) belong on both sides and join nothing.

    Inputs that differ in case and spacing alone are together whatever their answers, and so are inputs with the same
    words; those nearly the same (MinHash, `advisor.tasks.duplicates`) where an answer is common; and an input of eight
    words or more with a longer one that holds it.

    Args:
        keep_groups: whether groups are kept together whatever they look like, since the user said so.
    """
    examples = task.train
    entries = Material(task).of("train")
    at = {id(entry): position for position, entry in enumerate(entries)}
    alike = _Union(len(examples))
    alike.join_equal([entry.key for entry in entries])
    for ones, others in near_equal(entries):
        for entry in (*ones, *others):
            alike.join(at[id(ones[0])], at[id(entry)])
    for entry, longer in _contained(entries):
        alike.join(at[id(entry)], at[id(longer)])
    repeated = [cluster for cluster in alike.clusters() if len(cluster) > 1]
    named = [example.group for example in examples]
    if joined := keep_groups or not are_slices(named):
        alike.join_equal([group or f"\0{position}" for position, group in enumerate(named)])
    return Kin(
        clusters=alike.clusters(),
        groups=len({*filter(None, named)}) if joined else 0,
        alike=len(repeated),
        examples=sum(map(len, repeated)),
    )


def _contained(entries: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    inputs = Occurrences([entry.words for entry in entries])
    return [(entry, longer) for entry in entries for longer in longer_inputs(entry, entries, inputs)]


class _Union:
    """Disjoint sets of positions (union-find with path halving)."""

    def __init__(self, size: int) -> None:
        self._above = list(range(size))

    def root(self, at: int) -> int:
        """The representative of a position's set."""
        while self._above[at] != at:
            self._above[at] = self._above[self._above[at]]
            at = self._above[at]
        return at

    def join(self, first: int, second: int) -> None:
        """Merge the sets of two positions."""
        low, high = sorted((self.root(first), self.root(second)))
        self._above[high] = low

    def join_equal(self, keys: Sequence[str]) -> None:
        """Merge the positions with equal keys."""
        first: dict[str, int] = {}
        for at, key in enumerate(keys):
            self.join(first.setdefault(key, at), at)

    def clusters(self) -> tuple[tuple[int, ...], ...]:
        """The sets, each ascending."""
        found: dict[int, list[int]] = defaultdict(list)
        for at in range(len(self._above)):
            found[self.root(at)].append(at)
        return tuple(map(tuple, found.values()))
