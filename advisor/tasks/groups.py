"""What the groups of a task are: slices to report apart, or sources whose examples are kin.

A `group` names a slice: a language, a region, a product, whose quality is reported apart, and which stands in train and
in test as it will in use. It may name where an example comes from as well: a patient, a conversation. Of many small
groups the latter is likely, and what is learned of one in train helps with it in test as it would not with a new one.
"""

from __future__ import annotations

from collections.abc import Iterable

from advisor.tasks.power import SLICE

MANY = 10
"""Groups from which on they look like sources, where they are small."""


def are_sources(groups: Iterable[str]) -> bool:
    """Whether groups look like sources: many, and most of them too small to be judged apart.

    Args:
        groups: of each example of all splits; empty of those without one.
    """
    number, mean = _sizes(groups)
    return number >= MANY and mean < SLICE


def are_slices(groups: Iterable[str]) -> bool:
    """Whether groups look like slices: at least two, few, and large enough to be judged apart; what is neither is kept
    together where a split is made, and not warned of."""
    number, mean = _sizes(groups)
    return 2 <= number < MANY and mean >= SLICE


def _sizes(groups: Iterable[str]) -> tuple[int, float]:
    """How many groups there are, and how many examples they have on average."""
    named = [group for group in groups if group]
    number = len(set(named))
    return number, len(named) / max(1, number)
