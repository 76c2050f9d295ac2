"""The certificate of an export: that what was written, loaded again by its own runtime, answers as it was measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from advisor.approaches import Predictor
from advisor.approaches.adapted import AdaptedPredictor
from advisor.deploy.exporting.asked import read_as
from advisor.deploy.exporting.compared import (
    EXPORTED,
    MEASURED,
    OUTCOMES,
    Outcome,
    ReadingResult,
    Told,
    compared,
    contrasted,
    told,
)
from advisor.deploy.exporting.contract import Exactness, ExportedFiles, Exporter, FittedRow, Reloaded
from advisor.deploy.exporting.questions import CertifiedQueries
from advisor.deploy.exporting.witness import Witness, largest_difference
from advisor.models import LabelsBy, LanguageModel
from advisor.models.local.choosing import HeldToChoices
from advisor.models.local.engine import LocalModel
from advisor.version import VERSION

FILE, CARD = "certificate.json", "README.md"
SCORED = 48
"""Written answers of which it is compared how likely they are found."""


@dataclass(frozen=True)
class Certificate:
    """What was compared, and what that shows.

    Attributes:
        format: of the export, as `--as` has it.
        spec: of the row.
        runtime: that loaded the export again.
        facts: as the exporter tells them.
        digest: SHA-256 of all files and their names.
        recorded: test answers of the measured predictor that are those of the record, of all of them.
        exact: of what is written without loss, what was looked at number by number.
        margin: a loss in quality that is too small to matter.
    """

    format: str
    spec: str
    runtime: str
    facts: Mapping[str, Any]
    lossy: bool
    digest: str
    files: tuple[str, ...]
    recorded: int
    exact: Exactness
    margin: float
    readings: tuple[ReadingResult, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of all readings; identical where the export is shown to be what was measured and no loss is."""
        if self.exact.differs:
            return "failed"
        if self.exact.same:
            return "failed" if any(one.loses(self.margin) for one in self.readings) else "identical"
        return max((one.outcome(self.margin)[0] for one in self.readings), key=OUTCOMES.index)

    @property
    def passed(self) -> bool:
        """Whether the export may be used in place of the row."""
        return self.outcome != "failed"

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the outcome rests on, in full sentences."""
        said = self.exact.differs or self.exact.same
        exact = [f"{said[:1].upper()}{said[1:]}."] if said else []
        several = len(self.readings) > 1
        each = [
            f"{f'Labels {one.reading}: ' if several else ''}{one.outcome(self.margin)[1]}." for one in self.readings
        ]
        return (*exact, *(text[:1].upper() + text[1:] for text in each))

    def document(self, row: FittedRow) -> dict[str, Any]:
        """As plain JSON values."""
        comparison, facts = row.comparison, row.model.describe()
        return {
            "verdict": self.outcome,
            "passed": self.passed,
            "why": list(self.reasons),
            "format": self.format,
            "lossy": self.lossy,
            "row": self.spec,
            "task": {"name": comparison.task.name, "fingerprint": comparison.task.fingerprint},
            "metric": comparison.task.metric,
            "margin": self.margin,
            "runtime": self.runtime,
            "versions": {"advisor": VERSION, **comparison.versions, "advisor_export": VERSION},
            "measured_by": {name: facts[name] for name in ("id", "revision", "dtype", "device")},
            "export": dict(self.facts),
            "compared": [{**one.document(), "verdict": one.outcome(self.margin)[0]} for one in self.readings],
            "exact": dict(self.exact.facts),
            "recorded": {"identical": self.recorded, "n": len(comparison.answers)},
            "sha256": self.digest,
            "files": list(self.files),
        }


@dataclass(frozen=True)
class Certifying:
    """One export that is compared with its row."""

    row: FittedRow
    exporter: Exporter
    folder: Path
    questions: CertifiedQueries
    margin: float

    def certificate(self, written: ExportedFiles) -> Certificate:
        """Load the export again, ask both sides, and say what came of it.

        Raises:
            UserError: the runtime is not installed, or does not take it.
        """
        measured = _Side(self.row.predictor, self.row.model)
        answers = measured.told(self.questions, self._batch)
        with self.exporter.reloaded(self.row, self.folder) as again:
            readings = tuple(self._readings(again, measured, answers))
            runtime = again.runtime
        exact = Exactness()
        if not self.exporter.lossy:
            exact = self.exporter.exactness(self.row, self.folder, measured.prompts)
        recorded = {one.id: one.text for one in self.row.run.predictions}
        same = sum(answers[key].text == text for key, text in recorded.items() if key in answers)
        files = tuple(name for name in written.files if name not in (FILE, CARD))
        return Certificate(
            format=self.exporter.name,
            spec=self.row.run.spec,
            runtime=runtime,
            facts=written.facts,
            lossy=self.exporter.lossy,
            digest=digest_of(self.folder, files),
            files=files,
            recorded=same,
            exact=exact,
            margin=self.margin,
            readings=readings,
        )

    @property
    def _batch(self) -> int:
        return int(self.row.comparison.settings.get("batch") or self.row.model.can.rows_at_once)

    def _readings(self, again: Reloaded, measured: _Side, answers: Told) -> Iterator[ReadingResult]:
        """As it was measured where the runtime can read so, and generated."""
        now = labels_by(self.row.predictor)
        if labels_by(again.predictor) == now:
            side = _Side(again.predictor)
            yield self._compared("as measured", (measured, side), (answers, side.told(self.questions, self._batch)))
        else:
            yield self._generated(again.predictor, answers)
        if again.generated is not None:
            yield self._generated(again.generated, answers)

    def _generated(self, predictor: Predictor, answers: Told) -> ReadingResult:
        """With labels that are written, held against the measured weights read in the same way; and against the row as
        it was measured, which is what a bare server differs by."""
        side, other = _Side(predictor), self._measured_as(labels_by(predictor))
        told_there = side.told(self.questions, self._batch)
        both = (answers if other is None else other.told(self.questions, self._batch), told_there)
        found = self._compared("generated", (other, side), both)
        contrasts = contrasted({MEASURED: answers, EXPORTED: told_there}, self.questions, self.row.comparison)
        return replace(found, as_measured=contrasts.between(EXPORTED, MEASURED).alone if contrasts else None)

    def _measured_as(self, way: LabelsBy | None) -> _Side | None:
        """The measured weights, labels told in another way; None where they cannot."""
        predictor, model = self.row.predictor, self.row.model
        if not isinstance(predictor, AdaptedPredictor):
            return None
        if way == "constraint" and isinstance(model, LocalModel):
            return _Side(read_as(predictor, HeldToChoices(model, predictor.adaptation), way))
        return _Side(read_as(predictor, Witness(model, predictor.adaptation), way)) if way != "constraint" else None

    def _compared(self, reading: str, sides: tuple[_Side | None, _Side], answers: tuple[Told, Told]) -> ReadingResult:
        found = compared(reading, labels_by(sides[1].predictor), answers, self.questions, self.row.comparison)
        first, second = (side.witness if side else None for side in sides)
        if first is None or second is None:
            return found
        return replace(found, log_probability=largest_difference(first, second, SCORED))


class _Side:
    """What answers on one side, with whoever listens to its model."""

    def __init__(self, predictor: Predictor, model: LanguageModel | None = None) -> None:
        self.predictor, self.witness = predictor, None
        if isinstance(predictor, AdaptedPredictor):
            self.witness = Witness(model or predictor.asker.model, predictor.adaptation)
            self.predictor = read_as(predictor, self.witness, predictor.asker.labels_by)

    @property
    def prompts(self) -> list[Any]:
        """What was asked."""
        return list({**self.witness.scored, **self.witness.written}) if self.witness else []

    def told(self, questions: CertifiedQueries, size: int) -> Told:
        """The answers to all queries."""
        return told(self.predictor, questions, size)


def labels_by(predictor: Predictor) -> LabelsBy | None:
    """How a predictor tells labels; None where it asks no language model for them."""
    return predictor.asker.labels_by if isinstance(predictor, AdaptedPredictor) else None


def digest_of(folder: Path, files: tuple[str, ...]) -> str:
    """SHA-256 of files and their names, each by its own digest."""
    found = hashlib.sha256()
    for name in sorted(files):
        with (folder / name).open("rb") as file:
            found.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return found.hexdigest()


def write_certificate(document: Mapping[str, Any], folder: Path) -> None:
    """Beside the export."""
    (folder / FILE).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
