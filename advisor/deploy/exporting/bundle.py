"""A bundle: all that a row needs to answer, as a run folder of its own, for `advisor answer` and `load_predictor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from advisor.deploy.exporting.contract import Exactness, ExportedFiles, Exporter, FittedRow, Reloaded
from advisor.deploy.exporting.merged import files_in
from advisor.deploy.predictors import load_predictor
from advisor.disk import checksum, intact
from advisor.measuring.reading import read_comparison, run_place
from advisor.measuring.single_row import copy_row
from advisor.models import Prompt
from advisor.version import VERSION


class Bundle(Exporter):
    """Index, shots, prompts, settings and whatever else was fitted; of the base model its name and revision."""

    name: ClassVar[str] = "bundle"
    library: ClassVar[str] = "advisor"

    def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
        """The row's records without the texts that were asked, and what it fitted."""
        copy_row(row.comparison, row.run, folder)
        facts = {"format": "run folder", "precision": str(row.model.describe()["dtype"]), "runtime": "advisor"}
        return ExportedFiles(files_in(folder), tuple(_beside(row)), facts)

    @contextmanager
    def reloaded(self, row: FittedRow, folder: Path) -> Iterator[Reloaded]:
        """As anybody brings it back, by the base model that is loaded already."""
        predictor = load_predictor(folder, None, row.model)
        try:
            yield Reloaded(predictor, f"advisor {VERSION}")
        finally:
            predictor.close()

    def exactness(self, row: FittedRow, folder: Path, prompts: Sequence[Prompt]) -> Exactness:
        """Whether what was fitted is there byte for byte."""
        comparison = read_comparison(folder)
        place = run_place(comparison, comparison.runs[-1])
        names = files_in(row.place)
        other = [name for name in names if checksum(place / name) != checksum(row.place / name)]
        facts = {"fitted_files": len(names), "fitted_files_identical": len(names) - len(other)}
        if other or not intact(place):
            return Exactness(facts, f"{len(other)} of {len(names)} files are not those that were fitted")
        return Exactness(facts)

    def usage(self, row: FittedRow) -> str:
        """By the command line and from Python."""
        return (
            '```\nadvisor answer FOLDER "a question"\n```\n\n'
            "```python\nimport advisor\nfrom advisor.tasks import Query\n\n"
            'predictor = advisor.load_predictor("FOLDER")\npredictor.predict([Query("1", "a question")])\n```'
        )


def _beside(row: FittedRow) -> Iterator[str]:
    """What the bundle does not hold, in sentences."""
    if row.approach.uses_model:
        yield (
            "The base model's weights are not in the bundle: they are loaded by the name that was recorded, or by "
            "--model where they lie elsewhere, and have to be of the same revision."
        )
    yield "CertifiedQueries of the test set are not in it; the answers to them and what was right are, for its figures."
