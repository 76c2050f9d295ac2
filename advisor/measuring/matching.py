"""Which test examples several comparisons have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.measuring.records import Answer


@dataclass(frozen=True, slots=True)
class Common:
    """The test examples that are the same in all of several comparisons.

    Attributes:
        ids: for each of them its id in every comparison, in the order of the first one's test examples.
        by: whether input and acceptable answers say which are the same, or, where records hold no inputs, the id and
            the acceptable answers.
        otherwise: how many examples have the same id in all of them, but another content.
    """

    ids: tuple[tuple[str, ...], ...]
    by: Literal["content", "id"]
    otherwise: int = 0

    def answers(self, place: int, every: Mapping[str, Answer]) -> dict[str, Answer]:
        """What is right for them in one of the comparisons, in their order.

        Args:
            place: of the comparison.
            every: all its answers.
        """
        return {ids[place]: every[ids[place]] for ids in self.ids}


def common(every: Sequence[Mapping[str, Answer]]) -> Common:
    """Match test examples; one that stands several times is matched as often as it stands in all comparisons.

    Args:
        every: the answers of each comparison by id of the test example.
    """
    whole = all(answer.input for answers in every for answer in answers.values())
    known = [_by_content(answers) if whole else _by_id(answers) for answers in every]
    shared = [key for key in known[0] if all(key in other for other in known[1:])]
    ids = tuple(tuple(found[key] for found in known) for key in shared)
    named = set.intersection(*(set(answers) for answers in every))
    matched = {each[0] for each in ids if len(set(each)) == 1}
    return Common(ids, "content" if whole else "id", len(named - matched))


def _by_content(answers: Mapping[str, Answer]) -> dict[Hashable, str]:
    """Ids by content; the copies of one that stands several times are numbered."""
    seen: Counter[Hashable] = Counter()
    found: dict[Hashable, str] = {}
    for key, answer in answers.items():
        content = (answer.input, frozenset(answer.targets))
        found[content, seen[content]] = key
        seen[content] += 1
    return found


def _by_id(answers: Mapping[str, Answer]) -> dict[Hashable, str]:
    return {(key, frozenset(answer.targets)): key for key, answer in answers.items()}
