"""What records hold of a finished run beside its answers: those of after a change, and preferences weighed."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.measuring.query_records import PredictionRecord


@dataclass(frozen=True)
class AfterChange:
    """What a run answered after the documents, or the rules behind the answers, had changed; nothing was fitted anew.

    Attributes:
        predictions: to the questions of after the change; incomplete unless it `ended`.
        index_seconds: indexing the changed documents; None where it keeps none, or they did not change.
        error: why it could not be measured; empty where it could, or is not done yet.
        embedded: tokens that an embedder elsewhere was given to index them; None like `index_seconds`.
    """

    predictions: tuple[PredictionRecord, ...] = ()
    index_seconds: float | None = None
    ended: bool = False
    error: str = ""
    embedded: float | None = None


PREFERRED = "preferred"
"""The type of the lines that say how likely the two answers of preferences were."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """How likely the answers of the preferences that are held out were.

    Attributes:
        pairs: natural log of the probability of the chosen and of the rejected answer, in the order of the task.
        error: why they could not be weighed; empty where they could, or are not yet.
    """

    pairs: tuple[tuple[float, float], ...] = ()
    error: str = ""
