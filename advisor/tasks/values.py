"""Normalising cell values in the same way for all formats, and labels that are one value spelt in two ways."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from advisor.tasks.faults import listed, quoted

_NUMBER = re.compile(r"([+-]?)(0|[1-9]\d*)(?:\.0*)?")
_TRUTH = ("true", "false")


def plain(value: object) -> object:
    """A cell as text: numbers, truth values and dates become text, NaN becomes None.

    Texts, lists and objects stay as they are.
    """
    if value is None or isinstance(value, str | list | dict | bytes):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value != value:
        return None
    return str(value)


def one_form(targets: Iterable[str], labels: Collection[str] = ()) -> dict[str, str]:
    """Find labels that are one value written in several ways, each with the form to use.

    Whole numbers with and without a decimal point (`1`, `1.0`), and truth values with and without capitals. Only a
    column that holds nothing else counts: beside "007" or "2b", "1.0" may be a name.

    Args:
        targets: all labels in use.
        labels: those that the user named; they stay as they are.

    Returns:
        Form to use by form found; empty where every value is written in one way.
    """
    found = dict.fromkeys([*labels, *targets])
    for reading in (_whole, _truth):
        groups: dict[str, list[str]] = {}
        for form in found:
            key = reading(form)
            if key is None:
                break
            groups.setdefault(key, []).append(form)
        else:
            return {
                form: min(forms, key=lambda form: (form not in labels, len(form), form))
                for forms in groups.values()
                if len(forms) > 1
                for form in forms
                if form not in labels
            }
    return {}


def two_ways(forms: dict[str, str]) -> str:
    """The caveat about what `one_form` found."""
    pairs = [f"{quoted(form)} is read as {quoted(used)}" for form, used in forms.items() if form != used]
    return f"some labels are one value written in two ways: {listed(pairs, 4)}"


def _whole(text: str) -> str | None:
    """The digits and sign of a whole number; a number with a fraction gets a key of its own, other text None."""
    match = _NUMBER.fullmatch(text)
    if match:
        return "0" if match[2] == "0" else match[1].replace("+", "") + match[2]
    return text if re.fullmatch(r"[+-]?(0|[1-9]\d*)\.\d+", text) else None


def _truth(text: str) -> str | None:
    folded = text.casefold()
    return folded if folded in _TRUTH else None
