"""Answers that decline, and answers that are not of the form that was asked for: counted apart from quality."""

from __future__ import annotations

import re
from collections.abc import Sequence

from advisor.measuring.json_values import json_value
from advisor.measuring.refusing import declines
from advisor.tasks.forms import is_blank, unicode_form
from advisor.tasks.task import UNANSWERABLE

_LOOP = re.compile(r"(\S+(?:\s+\S+){0,7}?)(?:\s+\1){3}\s*\S{0,40}$")
_TAIL = 600  # characters of an answer's end in which a loop is looked for
_SIZES = range(1, 9)  # words of a loop


def refusals(text: str, targets: Sequence[str]) -> float:
    """Whether an answer declines in words of its own. The answer "unanswerable" is an answer, and so is what a target
    says in the same words."""
    plain = unicode_form(text)
    if plain.lower().strip(" .!") == UNANSWERABLE or plain.lower() in (unicode_form(one).lower() for one in targets):
        return 0.0
    return float(declines(plain))


def format_failures(text: str, targets: Sequence[str], kind: str, labels: Sequence[str]) -> float:
    """Whether an answer is not of the form that a task of this kind asks for.

    classification: it is none of the labels. extraction: it holds no JSON object or list. qa, generation: it is blank,
    or ends in a loop (the same one to eight words four times in a row or more) that no target has.
    """
    if kind == "classification":
        known = labels or targets
        return float(unicode_form(text) not in map(unicode_form, known))
    if kind == "extraction":
        return float(json_value(text) is None)
    return float(is_blank(text) or (loops(text) and not any(map(loops, targets))))


def loops(text: str) -> bool:
    """Whether a text ends in the same words again and again."""
    tail = unicode_form(text)[-_TAIL:]
    return _may_loop(tail.split()) and _LOOP.search(tail) is not None


def _may_loop(words: Sequence[str]) -> bool:
    """Whether the second and the third of four rounds are the same, up to the last word or the one before it. The
    pattern, which allows for parts of words around them, takes a hundred times as long to find none."""
    ends = (len(words), len(words) - 1)
    spans = ((end - 3 * size, end - 2 * size, end - size) for end in ends for size in _SIZES if 4 * size <= end)
    return any(words[second:third] == words[third:fourth] for second, third, fourth in spans)
