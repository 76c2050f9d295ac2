"""Targets with several acceptable answers: lists, SQuAD's objects, and lists written as text into a cell."""

from __future__ import annotations

import ast
import re

from advisor.tasks import dialogue
from advisor.tasks.forms import is_blank
from advisor.tasks.jsonfile import parse_json
from advisor.tasks.values import plain

_LITERAL = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(\s+(?=['"]))?""", re.DOTALL)


def acceptable(value: object) -> list[str] | None:
    """The answers in a list or in SQuAD's `{"text": [...]}`, each once; None for any other value.

    A conversation holds one answer, the last turn of the assistant. Empty answers are left out.
    """
    conversation = dialogue.turns(value)
    if conversation:
        found = dialogue.exchange(conversation)
        return [found[1]] if found and found[1] else None
    if isinstance(value, dict):
        if "text" not in value:
            return None
        value = value["text"] if isinstance(value["text"], list) else [value["text"]]
    if not isinstance(value, list):
        return None
    items = [plain(item.get("text") if isinstance(item, dict) and "text" in item else item) for item in value]
    if not all(isinstance(item, str | None) for item in items):
        return None
    return list(dict.fromkeys(item for item in items if isinstance(item, str) and not is_blank(item)))


def listed_in_a_cell(text: str) -> list[str] | None:
    """The texts of a list written as text into a cell, in JSON, Python or NumPy notation; None for other text."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        value = parse_json(text)
    except ValueError:
        value = _python_list(text)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return value or None


def _python_list(text: str) -> object:
    """The list that a text in Python or NumPy notation denotes.

    NumPy puts no comma between texts (`['a' 'b']`), and Python would make one of them.
    """
    try:
        return ast.literal_eval(_LITERAL.sub(lambda found: found[1] + ("," if found[2] else ""), text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
