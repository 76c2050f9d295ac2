"""Answers in no form that their task can use."""

from __future__ import annotations

from collections.abc import Collection

from advisor.measuring.json_values import json_value
from advisor.tasks.forms import is_blank, unicode_form


def is_malformed(kind: str, text: str, labels: Collection[str]) -> bool:
    """Whether an answer is in no form that the task can use: nothing at all; of a classification no label of the task;
    of an extraction no JSON object or list.

    Args:
        labels: those of a classification, each in its `advisor.tasks.forms.unicode_form`.
    """
    if is_blank(text):
        return True
    if kind == "classification":
        return bool(labels) and unicode_form(text) not in labels
    return kind == "extraction" and json_value(text) is None
