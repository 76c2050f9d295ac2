"""The row's own context and decoding in front of exported weights, which answer by a runtime of their own."""

from __future__ import annotations

from advisor.approaches import Predictor
from advisor.approaches.adapted import AdaptedPredictor
from advisor.approaches.asking import Asker
from advisor.deploy.exporting.contract import FittedRow, Reloaded
from advisor.errors import NotApplicable
from advisor.models import LabelsBy, LanguageModel


def asked_through(row: FittedRow, model: LanguageModel, runtime: str) -> Reloaded:
    """What answers the row's queries when `model`, whose weights are the exported ones, is asked in place of its own.

    Args:
        model: answers with what was exported; what it can tells how labels are read.

    Raises:
        NotApplicable: the row does not ask a language model by prompts.
    """
    predictor = prompted(row.predictor)
    constrained = read_as(predictor, model, "constraint") if model.can.choose and row.brief.labels else None
    if predictor.asker.labels_by == "likelihood" and not model.can.score:
        return Reloaded(constrained or read_as(predictor, model, "text"), runtime)
    return Reloaded(read_as(predictor, model, predictor.asker.labels_by), runtime, constrained)


def prompted(predictor: Predictor) -> AdaptedPredictor:
    """A predictor as one that asks a language model.

    Raises:
        NotApplicable: it is none.
    """
    if not isinstance(predictor, AdaptedPredictor):
        raise NotApplicable("the row does not ask a language model by prompts")
    return predictor


def read_as(predictor: AdaptedPredictor, model: LanguageModel, labels_by: LabelsBy | None) -> AdaptedPredictor:
    """The same context and decoding in front of another model's own weights, with labels told in this way."""
    now = predictor.asker
    asker = Asker(now.task, model, now.decoding)
    asker.reasoning, asker.labels_by = now.reasoning, labels_by
    asker.labels.reading = now.labels.reading
    return AdaptedPredictor(predictor.source, None, asker)
