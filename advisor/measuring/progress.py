"""Where a comparison stands, told to whoever shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from advisor.progress import listening
from advisor.tasks import Task


@dataclass(frozen=True, slots=True)
class RacePlace:
    """Where an approach stands in a race that goes on.

    Attributes:
        examples: race examples that it has answered.
        quality: the metric over those; None before the first.
        state: what became of it, in words; empty while it is in the race.
    """

    spec: str
    examples: int
    quality: float | None
    state: str = ""


class Lane(Protocol):
    """One of several runs that go on at once."""

    def step(self, name: str, total: int | None) -> None:
        """A step of it starts."""

    def advance(self, n: int = 1) -> None:
        """`n` more examples of the step are done."""

    def close(self) -> None:
        """It has ended, whatever came of it."""


class Progress(Protocol):
    """Is told each step as it begins; the report room shows it, a test or a script may ignore it."""

    def begin(self, spec: str, index: int, of: int) -> None:
        """An approach starts; `index` counts from 1."""

    def step(self, name: str, total: int | None) -> None:
        """A step of it starts, such as `fit`, `predict` or `after the change`, with the number of examples if known."""

    def advance(self, n: int = 1) -> None:
        """`n` more examples of the step are done."""

    def wait(self, what: str, seconds: float) -> None:
        """Nothing goes on but waiting for `what`, since so many seconds; told again and again until it is over."""

    def row(self, spec: str, records: Sequence[Path], task: Task) -> None:
        """An approach is about to end; what was measured of it lies in these records, one for each seed."""

    def end(self, spec: str, outcome: str) -> None:
        """It ended: `ok`, `already done`, or `failed`, `skipped` or `not completed`, each with why."""

    def standing(self, places: Sequence[RacePlace]) -> None:
        """A race goes on, in which approaches stand so."""

    def lane(self, spec: str) -> Lane:
        """A run of an approach starts beside others; its lane is told what goes on in it until it is closed."""


class Silence:
    """Shows nothing."""

    def begin(self, spec: str, index: int, of: int) -> None:
        """Nothing."""

    def step(self, name: str, total: int | None) -> None:
        """Nothing."""

    def advance(self, n: int = 1) -> None:
        """Nothing."""

    def wait(self, what: str, seconds: float) -> None:
        """Nothing."""

    def row(self, spec: str, records: Sequence[Path], task: Task) -> None:
        """Nothing."""

    def end(self, spec: str, outcome: str) -> None:
        """Nothing."""

    def standing(self, places: Sequence[RacePlace]) -> None:
        """Nothing."""

    def lane(self, spec: str) -> Lane:
        """One that shows nothing."""
        return self

    def close(self) -> None:
        """Nothing."""


class Passing:
    """Passes everything on, for those that change a part of it on the way."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner

    def begin(self, spec: str, index: int, of: int) -> None:
        """An approach starts."""
        self._inner.begin(spec, index, of)

    def step(self, name: str, total: int | None) -> None:
        """A step of it starts."""
        self._inner.step(name, total)

    def advance(self, n: int = 1) -> None:
        """`n` more are done."""
        self._inner.advance(n)

    def wait(self, what: str, seconds: float) -> None:
        """It waits for others."""
        self._inner.wait(what, seconds)

    def row(self, spec: str, records: Sequence[Path], task: Task) -> None:
        """It is about to end."""
        self._inner.row(spec, records, task)

    def end(self, spec: str, outcome: str) -> None:
        """It ended."""
        self._inner.end(spec, outcome)

    def standing(self, places: Sequence[RacePlace]) -> None:
        """A race goes on."""
        self._inner.standing(places)

    def lane(self, spec: str) -> Lane:
        """A run starts beside others."""
        return self._inner.lane(spec)


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

    def wait(self, what: str, seconds: float) -> None:
        """It waits for others."""
        self.progress.wait(what, seconds)


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

    def wait(self, what: str, seconds: float) -> None:
        """It waits for others."""
        self.progress.wait(what, seconds)


@contextmanager
def answering(progress: Progress, examples: int) -> Iterator[None]:
    """Count a batch as done: as the model answers it, the rest at the end."""
    listener = Answering(progress, examples)
    with listening(listener):
        yield
    progress.advance(listener.left)
