"""JSON answers: finding them in what a model wrote, and how much two values have in common."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from advisor.tasks.forms import json_form, leaf_form, unicode_form

_DECODER = json.JSONDecoder()


def json_value(text: str, opening: str = "{[") -> Any:
    """The first JSON object or list in `text`, whatever stands around it; None where there is none.

    Args:
        opening: `{` to look for an object only, `[` for a list only.
    """
    for start, sign in enumerate(text):
        if sign in opening:
            try:
                return _DECODER.raw_decode(text, start)[0]
            except (ValueError, RecursionError):
                continue
    return None


def leaves(value: Any) -> int:
    """How many strings, numbers, booleans and nulls a JSON value holds."""
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    if isinstance(value, list):
        return sum(map(leaves, value))
    return 1


def shared(found: Any, wanted: Any) -> int:
    """How many leaves two JSON values have in common: equal values under the same keys.

    The elements of two lists are matched one to one, without regard to their order, so that as many leaves agree as can
    (the assignment problem); a value beside a list counts as a list of one. Keys and strings are compared in one
    Unicode form, strings without regard to case; numbers as numbers (5 is 5.0), and also with strings that write them.
    """
    if isinstance(found, dict) and isinstance(wanted, dict):
        other = {unicode_form(key): value for key, value in wanted.items()}
        keyed = {unicode_form(key): value for key, value in found.items()}
        return sum(shared(value, other[key]) for key, value in keyed.items() if key in other)
    if isinstance(found, list) or isinstance(wanted, list):
        return _matched(*(value if isinstance(value, list) else [value] for value in (found, wanted)))
    if isinstance(found, dict) or isinstance(wanted, dict):
        return 0
    return int(_same(found, wanted))


def _matched(found: Sequence[Any], wanted: Sequence[Any]) -> int:
    same: dict[str, list[Any]] = defaultdict(list)
    for value in wanted:
        same[json_form(value)].append(value)
    rest, count = [], 0
    for value in found:  # what is quite the same belongs together; few are left, of which pairs are compared
        if equal := same[json_form(value)]:
            count += leaves(equal.pop())
        else:
            rest.append(value)
    others = [value for values in same.values() for value in values]
    if not rest or not others:
        return count
    table = np.array([[shared(one, other) for other in others] for one in rest])
    if 1 in table.shape:
        return count + int(table.max())
    rows, columns = _assignment()(table, maximize=True)
    return count + int(table[rows, columns].sum())


def _same(found: object, wanted: object) -> bool:
    if leaf_form(found) == leaf_form(wanted):
        return True
    numbers = [_number(found), _number(wanted)]
    written = isinstance(found, str) and isinstance(wanted, str)
    return not written and None not in numbers and numbers[0] == numbers[1]


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


@cache
def _assignment() -> Any:
    # Imported on first use: SciPy takes longer than all the rest of a report.
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment
