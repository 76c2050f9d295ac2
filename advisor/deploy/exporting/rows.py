"""A row of a run folder brought back for exporting."""

from __future__ import annotations

from advisor.approaches import apart, parse
from advisor.deploy.exporting.contract import FittedRow
from advisor.deploy.predictors import brief_of, restored
from advisor.measuring.reading import run_place
from advisor.measuring.records import Comparison, Run
from advisor.models import LanguageModel


def fitted_row(comparison: Comparison, run: Run, model: LanguageModel) -> FittedRow:
    """What a run fitted, with all that an exporter may ask of it.

    Raises:
        UserError: as `advisor.deploy.predictors.restored`.
    """
    place, predictor = run_place(comparison, run), restored(comparison, run, model)
    approach = parse(apart(run.spec)[0])
    return FittedRow(comparison, run, place, brief_of(place), approach, model, predictor)
