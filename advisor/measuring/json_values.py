"""JSON answers: finding them in what a model wrote, and how much two values have in common."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from advisor.intake import too_deep
from advisor.tasks.forms import json_form, leaf_form, unicode_form


def _whole_number(text: str) -> int | str:
    """A whole number as it is, or as text where it is longer than Python reads: equal ones are equal all the same."""
    return int(text) if len(text) <= _LONGEST_NUMBER else text


_LONGEST_NUMBER = 4_000
_DECODER = json.JSONDecoder(parse_int=_whole_number)
_PART = re.compile(r'"(?:[^"\\]|\\.)*+"|[][{}"]', re.DOTALL)  # strings, whose brackets are text, and brackets


def json_value(text: str, opening: str = "{[") -> Any:
    """The first JSON object or list in `text`, whatever stands around it; None where there is none.

    Where what begins as one breaks off, the first that stands whole in it. What is nested too deeply to be walked
    through is none, and neither is what stands in it. The time grows with the length of the text.

    Args:
        opening: `{` to look for an object only, `[` for a list only.
    """
    tried_till, failed = 0, set[int]()
    for begin in re.finditer(f"[{re.escape(opening)}]", text):
        start = begin.start()
        if start < tried_till or start in failed:
            continue
        try:
            value, end = _decoded(text, start)
        except RecursionError:
            tried_till = next(
                (end for one, end in _brackets(text, start, len(text)) if one == start and end), len(text)
            )
            continue
        if value is None:
            failed |= {one for one, closed in _brackets(text, start, end) if closed is None}
        elif too_deep(value):
            tried_till = end
        else:
            return value
    return None


def _decoded(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at a bracket and where it ends; None and where it breaks off.

    It is read in windows that grow, since telling of an error takes as long as all the text before it.
    """
    width = 256
    while True:
        piece = text[start : start + width]
        try:
            value, length = _DECODER.raw_decode(piece)
            return value, start + length
        except json.JSONDecodeError as error:
            # A window that ends within a string, a word or an escape says so there, or where the string begins.
            at_end = error.pos > width - 12 or error.msg.startswith("Unterminated")
            if len(piece) < width or not at_end:
                return None, start + error.pos
        width *= 4


def _brackets(text: str, start: int, stop: int) -> Iterator[tuple[int, int | None]]:
    """Where brackets open between two places, and behind where they close; None for those that are still open there.

    It begins at a bracket, ends where that closes, and takes what stands in strings for no bracket.
    """
    opened: list[int] = []
    for part in _PART.finditer(text, start, stop):
        if part[0] in ("[", "{"):
            opened.append(part.start())
        elif part[0] in ("]", "}"):
            yield opened.pop(), part.end()
        if part[0] == '"' or not opened:  # a string that does not end before `stop`
            break
    yield from ((one, None) for one in opened)


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
