"""The contract of exporters: formats in which a fitted row leaves its run folder.

An exporter is a class that derives from `Exporter`, registered under the entry point group `advisor.exporters` by the
name that `--as` takes. It writes, and loads what it wrote by the runtime that it is for; what is compared, and what
that shows, is not its business (`advisor.deploy.exporting.certificate`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from advisor.approaches import Approach, Predictor
from advisor.measuring.records import Comparison, Run
from advisor.models import LanguageModel, Prompt
from advisor.tasks import TaskBrief


@dataclass(frozen=True)
class FittedRow:
    """What is exported: one row of a run folder, brought back.

    Attributes:
        run: of the row, the first seed that was measured to the end.
        place: the folder of what was fitted.
        brief: all that answering needs of the task.
        model: the one that was measured.
        predictor: what answers as it was measured.
    """

    comparison: Comparison
    run: Run
    place: Path
    brief: TaskBrief
    approach: Approach
    model: LanguageModel
    predictor: Predictor


@dataclass(frozen=True)
class ExportedFiles:
    """What an exporter has written.

    Attributes:
        files: all of them, relative to the folder, in order.
        notes: what whoever loads it must know, in full sentences.
        facts: plain JSON values; `format`, `precision` (`bfloat16`, `Q8_0`) and `runtime` (what it is for), and more.
    """

    files: tuple[str, ...]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reloaded:
    """An export, loaded again by the runtime that it is for.

    Attributes:
        predictor: answers the row's queries by it, labels read as they were measured where the runtime can.
        runtime: its name and version (`transformers 5.23.0`).
        generated: for a classification, the same with labels generated under a grammar or an enumeration, as a bare
            server has it; None where it is the same, or cannot be.
    """

    predictor: Predictor
    runtime: str
    generated: Predictor | None = None


@dataclass(frozen=True)
class Exactness:
    """Whether an export without loss holds what was measured, looked at number by number and token by token.

    Attributes:
        facts: what was looked at, as plain JSON values; empty where nothing was.
        differs: what is not the same, as a sentence without a full stop; empty where nothing is.
        same: what is shown to be the same, likewise; where it is said, the export is what was measured, and answers
            that differ by rounding in another engine are told and not judged, unless a loss is shown.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    differs: str = ""
    same: str = ""


class Exporter(ABC):
    """A format in which a row leaves its run folder.

    Class attributes:
        name: by which it is registered, and what `--as` takes.
        library: by which the hub says how it is loaded.
        lossy: whether numbers are rounded to others than those that were measured, as by quantisation. What is not
            lossy has to hold what was measured exactly (`exactness`); how well either answers by its runtime, whose
            arithmetic rounds in ways of its own, is judged by the margin.
    """

    name: ClassVar[str]
    library: ClassVar[str] = "transformers"
    lossy: ClassVar[bool] = False

    def refusal(self, row: FittedRow) -> str:
        """Why this format does not fit the row, as a sentence without a full stop; empty where it does."""
        return ""

    @abstractmethod
    def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
        """Write the export into `folder`, which is there and empty, and gets its final name when all is done.

        Raises:
            UserError: a library is missing, or the row has something that the format cannot hold.
        """

    @abstractmethod
    def reloaded(self, row: FittedRow, folder: Path) -> AbstractContextManager[Reloaded]:
        """What was written, loaded again from `folder` by the runtime that it is for; closed with the block.

        Raises:
            UserError: the runtime is not installed, or does not take it.
        """

    def exactness(self, row: FittedRow, folder: Path, prompts: Sequence[Prompt]) -> Exactness:
        """Whether what was written without loss is what was measured.

        Args:
            prompts: that were compared.
        """
        return Exactness()

    def usage(self, row: FittedRow) -> str:
        """How the export is loaded and asked, as Markdown for its model card; the folder is `FOLDER` there."""
        return ""
