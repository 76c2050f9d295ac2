"""On what it is measured what tuning makes a model forget: a general text that comes with Advisor, and other tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from advisor.approaches import Approach
from advisor.errors import UserError
from advisor.measuring.lineup import check_test
from advisor.measuring.recall import BASE
from advisor.models.store import digest
from advisor.tasks import Task, subset

EXAMPLES = 100
"""Test examples of another task at most, a stratified and seeded sample."""
_TEXT = Path(__file__).with_name("general_text.txt")
_BETWEEN = "\n----\n"


@cache
def passages() -> tuple[str, ...]:
    """The general text: short passages of plain English on everyday subjects, science, history, with some dialogue,
    code and arithmetic. They were written for this, so that no model has learned them."""
    return tuple(_TEXT.read_text(encoding="utf-8").strip().split(_BETWEEN))


@cache
def text_key() -> str:
    """A digest of the general text."""
    return digest(list(passages()))[:16]


@dataclass(frozen=True)
class Yardsticks:
    """What the runs of one model are measured on.

    Attributes:
        place: the folder of the model's records.
        program: that measures the untuned model.
        others: as `other_tasks` gives them.
    """

    place: Path
    program: str
    others: tuple[Task, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """What records call each of them: the general text, then the other tasks."""
        return (text_key(), *(task.fingerprint for task in self.others))

    def described(self, chosen: Mapping[str, Approach]) -> dict[str, Any]:
        """What the head of a comparison says of them.

        Args:
            chosen: the approaches that it runs, by spec.
        """
        others = [{"key": task.fingerprint, "name": task.name, "metric": task.metric} for task in self.others]
        trained = [spec for spec, approach in chosen.items() if approach.trains_model]
        return {"text": text_key(), "program": self.program, "others": others, "of": trained}

    def task(self, key: str) -> Task | None:
        """The other task of that key; None for the general text."""
        return next((task for task in self.others if task.fingerprint == key), None)

    def asking(self, key: str) -> Path:
        """Where it is kept what asks the model in another task."""
        return self.place / BASE / key


def other_tasks(asked: bool | Sequence[Task]) -> tuple[Task, ...] | None:
    """The tasks as they are measured on, each once: few enough test examples, and no more than zero-shot is given.

    Args:
        asked: as in `advisor.compare`.

    Returns:
        None where nothing is to be measured.

    Raises:
        UserError: one has no test examples.
    """
    if asked is False:
        return None
    found = {}
    for task in () if asked is True else asked:
        check_test(task)
        part = replace(subset(task.before_change(), limit=EXAMPLES), documents=())
        found[part.fingerprint] = part
    return tuple(found.values())


def check_trained(approaches: Iterable[Approach]) -> None:
    """See that there is something to measure forgetting of.

    Raises:
        UserError: no approach trains the language model's weights.
    """
    if not any(approach.trains_model for approach in approaches):
        raise UserError(
            "no approach of this comparison trains the language model's weights, so that nothing can be forgotten",
            "add one that does, such as --approach lora, or leave --forgetting out",
        )
