"""Where a comparison stands, told to whoever shows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from advisor.progress import listening


class Progress(Protocol):
    """Is told each step as it begins; the report room shows it, a test or a script may ignore it."""

    def begin(self, spec: str, index: int, of: int) -> None:
        """An approach starts; `index` counts from 1."""

    def step(self, name: str, total: int | None) -> None:
        """A step of it starts, such as `fit`, `predict` or `after the change`, with the number of examples if known."""

    def advance(self, n: int = 1) -> None:
        """`n` more examples of the step are done."""

    def end(self, spec: str, outcome: str) -> None:
        """It ended: `ok`, `already done`, or `failed`, `skipped` or `not completed`, each with why."""


class Silence:
    """Shows nothing."""

    def begin(self, spec: str, index: int, of: int) -> None:
        """Nothing."""

    def step(self, name: str, total: int | None) -> None:
        """Nothing."""

    def advance(self, n: int = 1) -> None:
        """Nothing."""

    def end(self, spec: str, outcome: str) -> None:
        """Nothing."""


class Fitting:
    """Passes on what a fit tells of its steps; prompts that a model answers meanwhile are no part of those."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def step(self, name: str, total: int | None) -> None:
        """A step starts."""
        self.progress.step(name, total)

    def advance(self, n: int = 1) -> None:
        """`n` more are done."""
        self.progress.advance(n)

    def answered(self, prompts: int) -> None:
        """Nothing."""


class Answering:
    """Counts the examples of a batch as done while a model answers them, and no more than there are.

    Attributes:
        left: examples that are not counted yet.
    """

    def __init__(self, progress: Progress, examples: int) -> None:
        self.progress = progress
        self.left = examples

    def step(self, name: str, total: int | None) -> None:
        """Nothing: answering is one step."""

    def advance(self, n: int = 1) -> None:
        """Nothing."""

    def answered(self, prompts: int) -> None:
        """A model has answered more prompts; an example may take several."""
        more = min(prompts, self.left)
        self.left -= more
        self.progress.advance(more)


@contextmanager
def answering(progress: Progress, examples: int) -> Iterator[None]:
    """Count a batch as done: as the model answers it, the rest at the end."""
    listener = Answering(progress, examples)
    with listening(listener):
        yield
    progress.advance(listener.left)
