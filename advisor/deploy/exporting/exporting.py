"""One export from beginning to end: written beside its place, certified, and given its name when all is done."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from advisor.deploy.exporting.card import Licences, model_card
from advisor.deploy.exporting.certificate import CARD, Certificate, Certifying, write_certificate
from advisor.deploy.exporting.contract import Exporter, FittedRow
from advisor.deploy.exporting.questions import CertifiedQueries
from advisor.disk import clear, settle, writing
from advisor.errors import UserError

WRITING, FAILED = ".exporting", ".failed"
"""Behind a folder's name: while it is written, and where its certificate failed."""
_FOR_ALL = 0o644


@dataclass(frozen=True)
class Export:
    """One row in one format, and where it goes.

    Attributes:
        out: is not there, or empty.
        margin: a loss in quality that is too small to matter.
        licences: as they are given; unknown where they are not.
    """

    row: FittedRow
    exporter: Exporter
    out: Path
    questions: CertifiedQueries
    margin: float
    licences: Licences = field(default_factory=Licences)

    def carry_out(self) -> tuple[Certificate, Path]:
        """Write, load again, compare, write down what came of it; returns where the export lies now.

        One whose certificate failed is kept aside, in `FOLDER.failed`, for whoever wants to see why.

        Raises:
            UserError: the format does not fit the row, or the folder is taken.
        """
        if why := self.exporter.refusal(self.row):
            raise refused(self.row.run.spec, self.exporter.name, why)
        check_free(self.out)
        work = self.out.with_name(self.out.name + WRITING)
        clear(work)
        try:
            with writing(self.out.parent):
                work.mkdir(parents=True)
            return self._placed(work)
        finally:
            clear(work)

    def _placed(self, work: Path) -> tuple[Certificate, Path]:
        written = self.exporter.write(self.row, work)
        certifying = Certifying(self.row, self.exporter, work, self.questions, self.margin)
        certificate = certifying.certificate(written)
        document = certificate.document(self.row)
        with writing(self.out.parent):
            write_certificate(document, work)
            card = model_card(self.row, self.exporter, written, certificate, self.licences)
            (work / CARD).write_text(card, encoding="utf-8")
            for path in work.rglob("*"):
                if path.is_file():
                    path.chmod(_FOR_ALL & ~_mask())
            goal = self.out if certificate.passed else self.out.with_name(self.out.name + FAILED)
            if not certificate.passed:
                clear(goal)
            settle(work, goal)
        return certificate, goal


def refused(spec: str, name: str, why: str) -> UserError:
    """The error for a format that does not fit a row."""
    return UserError(f"{spec} as {name}: {why}", "advisor export ... --as bundle takes every row")


def check_free(out: Path) -> None:
    """See that nothing is overwritten.

    Raises:
        UserError: the folder is not empty, or is a file.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out}: is there already, and not empty", "name another --out, or move it away")


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
