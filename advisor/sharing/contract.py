"""The contract of sinks: places outside of the run folder where a comparison is logged.

A sink is a class that derives from `Sink`, registered under the entry point group `advisor.sinks` by the name that
`--to` takes. It is given plain data, all of it made of records when it is logged, so that a comparison can be logged
long after it was measured, and again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from advisor.measuring.records import Place

Cell = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class SharedTable:
    """A table of plain values; a figure that is not known is None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class SharedRow:
    """One row of a comparison.

    Attributes:
        name: unique in the comparison.
        params: what was resolved before it ran: `approach`, its `model`, and each parameter as `part.parameter`.
        tags: what else is known of it in words; changes when it is judged by other limits.
        metrics: figures of `results.json` by their path there (`quality/value`, `quality/low`, `latency_ms/p95`).
        failed: whether it has no result, through a fault.
        folders: what it has fitted, by seed; empty unless it was asked for.
    """

    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    failed: bool = False
    folders: Mapping[int, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Shared:
    """A comparison as it is logged.

    Attributes:
        key: 16 hexadecimal digits that stay the same for all that is measured in this run folder on this task by these
            models; what is logged under it again takes the place of what was logged before.
        digest: of everything here; where it is the same, nothing has to be done.
        task: the task's name.
        label: tells it from other comparisons of the task: the run folder's name and a date.
        params, tags, metrics: of the whole comparison, as those of a row.
        tables: by name.
        files: texts by file name: `report.md`, `report.html`, `results.json`.
    """

    key: str
    digest: str
    task: str
    label: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    rows: tuple[SharedRow, ...]
    tables: Mapping[str, SharedTable]
    files: Mapping[str, str]


class Sink(ABC):
    """A place where comparisons are logged.

    Attributes:
        name: by which it is registered.
        target: where it goes: what follows the name and a colon in `--to`, or what stands for nothing there. It may
            carry a user and a password, which must not get into what is logged; `--to` keeps them out of what is said.

    Raises:
        UserError: the target makes no sense.
    """

    name: ClassVar[str]

    def __init__(self, target: str) -> None:
        self.target = target

    @property
    @abstractmethod
    def place(self) -> Place:
        """Where it keeps what is logged: files of this machine (`process`), a server on it (`machine`), or elsewhere
        (`network`), which is refused where no text may leave the machine."""

    @abstractmethod
    def log(self, shared: Shared) -> str:
        """Log a comparison; one that is there by its key is brought up to date, never logged twice.

        Returns:
            Where it is now, or that it was there already, as a sentence without a full stop.

        Raises:
            UserError: a library is missing, or the place cannot be reached.
        """
