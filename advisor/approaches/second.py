"""A second model: what a part of an approach asks another model of the comparison, in a pass of its own before the fit.

A part that names another model by its alias (`teacher=big`) says what it will ask of it (`Part.second_passes`). The
comparison carries that out while the other model alone is in memory, keeps what was told, and hands it to the part when
it is fitted (`told_to`), with its own model in memory again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar

from advisor.errors import UserError
from advisor.models import LanguageModel
from advisor.tasks import Task


@dataclass(frozen=True)
class SecondPass(ABC):
    """What one part asks of one other model. Its fields are all that decides it, beside the task and that model.

    Attributes:
        alias: of the model that is asked.

    Class attributes:
        parameter: of the part, in which that alias stands: `teacher`, `writer`, `judge`.
    """

    alias: str

    parameter: ClassVar[str]

    @property
    @abstractmethod
    def request(self) -> str:
        """What is asked, in words that differ wherever something else is asked of the same task and model: rows with
        equal requests share one pass."""

    @abstractmethod
    def ask(self, task: Task, model: LanguageModel) -> Any:
        """Ask the model, which alone is in memory; returns plain JSON values without inputs of the task, which a run
        folder may have to do without.

        Work that takes long may keep how far it came in `advisor.scratch`. Answers that are paid are kept anyway.

        Args:
            task: as a fit gets it, without a test split.

        Raises:
            NotApplicable: this model cannot be asked that; the rows that ask it are skipped.
        """

    def answers_as(self, examples: int) -> tuple[str, float] | None:
        """The spec of the approach as which it has the model answer, and how many prompts, of a task with so many
        training examples: by that costs are foreseen. None where that cannot be told."""
        return None


@dataclass(frozen=True)
class SecondAnswer:
    """What another model told a part.

    Attributes:
        part: to which it was told.
        parameter, alias: by which it names that model.
        what: as `SecondPass.ask` returned it.
        seconds: that asking took, on the clock that fits are timed by.
        facts: what the record says of it.
    """

    part: Any
    parameter: str
    alias: str
    what: Any
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


_handed: ContextVar[Sequence[SecondAnswer]] = ContextVar("second", default=())


@contextmanager
def handing(told: Sequence[SecondAnswer]) -> Iterator[None]:
    """While the block runs, parts find what they were told."""
    token = _handed.set(told)
    try:
        yield
    finally:
        _handed.reset(token)


def told_to(part: Any, parameter: str) -> SecondAnswer:
    """What the model that a part names by `parameter` has told it.

    Raises:
        UserError: it was not asked, since the part is fitted outside a comparison of several models.
    """
    for one in _handed.get():
        if one.parameter == parameter and one.part == part:
            return one
    alias = getattr(part, parameter)
    raise UserError(
        f"{part.name}:{parameter}={alias} rests on another model, and none was asked before this fit",
        f"compare it beside that model: --model small=embedded --model {alias}=NAME --approach "
        f"{part.name}:{parameter}={alias}@small",
    )
