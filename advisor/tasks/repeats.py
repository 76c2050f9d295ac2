"""A training split without what repeats in it, or contradicts itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from advisor.tasks.duplicates import disagree, near_duplicates
from advisor.tasks.material import Entry, Material
from advisor.tasks.task import Example, Place, Task


@dataclass(frozen=True, slots=True)
class ExampleChange:
    """What was done to one training example, and why.

    Attributes:
        place: where it was read.
        example: as it was.
        target: its label now; None where it was dropped.
    """

    place: Place
    why: str
    example: Example
    target: str | None = None


def without_repeats(task: Task) -> tuple[Task, tuple[ExampleChange, ...]]:
    """The task without training examples that repeat an earlier one, word for word or nearly, as the audit tells.

    Where one input stands with answers that exclude each other, those with the answer that it has most often stay
    (once), and where two have as many, none does. Of generated texts several to an input are the rule, and stay.
    """
    entries = Material(replace(task, dev=(), test=())).of("train")
    changes = dict(_contradicting(entries)) if task.kind != "generation" else {}
    rest = [entry for entry in entries if id(entry) not in changes]
    changes |= dict(_repeating(rest))
    kept = tuple(entry.example for entry in entries if id(entry) not in changes)
    return replace(task, train=kept), tuple(changes[id(entry)] for entry in entries if id(entry) in changes)


def _contradicting(entries: Sequence[Entry]) -> Iterator[tuple[int, ExampleChange]]:
    exact: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        exact[entry.key].append(entry)
    for group in exact.values():
        if len(group) < 2 or not disagree(group):
            continue
        (most, count), *others = Counter(entry.form for entry in group).most_common()
        tie = bool(others) and others[0][1] == count
        for entry in group:
            if tie or most not in entry.forms:
                other = next((e for e in group if not e.agrees_with(entry)), group[0])
                why = f"its input stands at {other.place} with another answer"
                why += ", and no answer is the commoner one" if tie else ", which it has more often"
                yield id(entry), ExampleChange(entry.place, why, entry.example)


def _repeating(entries: Sequence[Entry]) -> Iterator[tuple[int, ExampleChange]]:
    near = near_duplicates(entries)
    kept: set[int] = set()
    for entry in entries:
        earlier = next((other for other in near.get(id(entry), ()) if id(other) in kept), None)
        if earlier is None:
            kept.add(id(entry))
            continue
        how = "repeats" if earlier.key == entry.key else "nearly repeats"
        yield id(entry), ExampleChange(entry.place, f"it {how} {earlier.place}", entry.example)
