"""Normalising answers before they are compared: SQuAD's rules, and the pairs of a JSON object."""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from typing import Any

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)

Pairs = Counter[tuple[str, str]]


def normalised(text: str) -> str:
    """Lower-cased, without ASCII punctuation, English articles and surplus white space.

    Source: `normalize_answer` of SQuAD's official evaluation script, version 2.0, in the same order of steps.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in `text`, whatever stands around it; None where there is none."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            value, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
        else:
            return value if isinstance(value, dict) else None
    return None


def pairs(value: dict[str, Any]) -> Pairs:
    """The (key, value) pairs of a JSON object with how often each occurs.

    A list gives one pair per element; an object inside gives pairs whose keys are joined by dots. Values are
    compared as text, whatever their JSON type, after casefolding and collapsing white space.
    """
    found: Pairs = Counter()
    _collect("", value, found)
    return found


def _collect(key: str, value: object, found: Pairs) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _collect(f"{key}.{name}" if key else str(name), inner, found)
    elif isinstance(value, list):
        for inner in value:
            _collect(key, inner, found)
    else:
        text = value if isinstance(value, str) else json.dumps(value)
        found[key, " ".join(text.casefold().split())] += 1
