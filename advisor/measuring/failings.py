"""Answers that decline, and answers that are not of the form that was asked for: counted apart from quality."""

from __future__ import annotations

import re
from collections.abc import Sequence

from advisor.measuring.json_values import json_value
from advisor.tasks.forms import is_blank, unicode_form
from advisor.tasks.task import UNANSWERABLE

BEGINNING = 200
"""Characters at the beginning of an answer in which a refusal stands."""
_CANNOT = (
    r"(?:can(?:no|')t|cannot|can not|am not able to|'m not able to|am unable to|'m unable to|won't|will not"
    r"|must decline)"
)
_DOING = (
    r"(?:answer|help|assist|provide|give|tell|say|determine|comply|do (?:that|this)|fulfil|generate|create|write|find"
    r"|respond|discuss|share|offer|continue|process|access|complete|support)"
)
_REFUSAL = re.compile(
    rf"""\b(?:
        I(?:\s|(?=')) ?{_CANNOT} \s (?:\w+\s){{0,2}} {_DOING}
      | (?:I'm|I\ am) \s (?:\w+\s)? (?:sorry|afraid)
      | I \s apologi[sz]e
      | as \s an? \s (?:AI|artificial \s intelligence|(?:large \s)?language \s model)
      | I \s (?:do \s not|don't) \s (?:know|have \s (?:\w+\s){{0,2}} (?:information|access|data|context))
      | (?:not \s enough|insufficient) \s (?:information|context|data)
      | (?:it \s is|it's) \s (?:not \s possible|impossible) \s to \s {_DOING}
      | (?:es \s tut \s mir \s leid|ich \s kann (?:\s\w+){{0,3}} \s nicht|das \s weiß \s ich \s nicht)
      | je \s (?:suis \s désolée?|ne \s peux \s pas|ne \s sais \s pas)
      | (?:lo \s siento|no \s puedo|no \s lo \s sé)
    )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_LOOP = re.compile(r"(\S+(?:\s+\S+){0,7}?)(?:\s+\1){3}\s*\S{0,40}$")
_TAIL = 600  # characters of an answer's end in which a loop is looked for


def refusals(text: str, targets: Sequence[str]) -> float:
    """Whether an answer declines in words of its own. The answer "unanswerable" is an answer, and so is what a target
    says in the same words."""
    plain = unicode_form(text)
    if plain.lower().strip(" .!") == UNANSWERABLE or plain in map(unicode_form, targets):
        return 0.0
    return float(_REFUSAL.search(plain[:BEGINNING]) is not None)


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
    return _LOOP.search(unicode_form(text)[-_TAIL:]) is not None
