"""The values of a row as the task folder holds them, once the kind of the task is known."""

from __future__ import annotations

from collections.abc import Collection

from advisor.intake import json_of
from advisor.tasks.answers import acceptable, listed_in_a_cell
from advisor.tasks.examples import compact
from advisor.tasks.forms import is_blank, unicode_form
from advisor.tasks.task import UNANSWERABLE, Kind
from advisor.tasks.values import one_form, plain

Values = dict[str, object]


class Unfit(ValueError):
    """A row that cannot be an example; the words are the same for the same reason."""


def settled(values: Values, kind: Kind, labels: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """The answer of a row and all acceptable ones, the answer first.

    Args:
        labels: that the user named; empty allows any.

    Raises:
        Unfit: it is no answer of this kind.
    """
    target = values["target"]
    answers = (_object(target),) if kind == "extraction" else _texts(target, kind)
    more = values.get("targets")
    for item in more if isinstance(more, list) else [more] if more is not None else []:
        if kind == "extraction":
            answers += (_object(item),)
        elif isinstance(text := plain(item), str) and not is_blank(text):
            answers += (text,)
    if kind == "classification":
        answers = tuple(_label(answer, labels) for answer in answers)
    answers = tuple(dict.fromkeys(answers))
    if kind == "classification" and len(answers) > 1:
        raise Unfit("the row has several labels; a classification takes one (--kind extraction takes lists)")
    return answers[0], answers


def _texts(target: object, kind: Kind) -> tuple[str, ...]:
    if isinstance(target, str):
        listed = listed_in_a_cell(target) if kind == "qa" and target[:1] == "[" else None
        return tuple(text for text in listed or (target,) if not is_blank(text)) or (target,)
    found = acceptable(target)
    if found is None:
        raise Unfit("the answer is an object, not a text (--kind extraction takes objects)")
    if not found and kind == "qa":
        return (UNANSWERABLE,)
    if not found:
        raise Unfit("the answer is an empty list")
    return tuple(found)


def _object(target: object) -> str:
    if isinstance(target, dict | list):
        return compact(target)
    if isinstance(target, str):
        try:
            parsed = json_of(target)
        except ValueError:
            raise Unfit("the answer is no valid JSON") from None
        if isinstance(parsed, dict | list):
            return target
    raise Unfit("the answer is no JSON object or list")


def _label(answer: str, labels: Collection[str]) -> str:
    label = unicode_form(answer)
    if labels and label not in labels:
        label = one_form([label], labels).get(label, label)
        if label not in labels:
            raise Unfit("the answer is not among the labels that were named")
    if label.casefold() == "nan" and label not in labels:
        raise Unfit("the answer is NaN, which stands for no value")
    return label
