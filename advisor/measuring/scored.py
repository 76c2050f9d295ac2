"""What a model that was asked by a metric made of a run's answers, as records hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from advisor.measuring.query_records import PredictionRecord
from advisor.measuring.second_models import SecondModel
from advisor.tasks import Example

SCORED = "scored"
"""The type of the lines that say so, in the record of a run."""
AT_ONCE = 16
"""Examples of a line: what a kill can cost at most."""


@dataclass(frozen=True, slots=True)
class AnsweredExample:
    """A test example and what a run answered."""

    example: Example
    prediction: PredictionRecord


@dataclass(frozen=True)
class Scored:
    """The values of one metric, by the ids of the test examples.

    Attributes:
        values: None where it gave none; that is counted and never dropped.
        error: why it could not be measured; empty where it could, or is not done yet.
        by: digest of what gave them, such as the embedder; what another one gave does not count with them.
        took: the judge, with what it took to ask it, of which no row is charged; None where none was asked.
        rival: of a judge of pairs: the row whose answers these were compared with.
        orders: of one: how likely what stood first was found better, with the row's answer first and with it second.
    """

    values: Mapping[str, float | None] = field(default_factory=dict)
    error: str = ""
    by: str = ""
    took: SecondModel | None = None
    rival: str = ""
    orders: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def with_line(self, line: Mapping[str, Any]) -> Scored:
        """The same with what a further line says; values by something else begin anew."""
        by = str(line.get("by", ""))
        before = self if by == self.by else Scored()
        more = {str(id): None if value is None else float(value) for id, value in line.get("values", {}).items()}
        orders = {str(id): (float(first), float(second)) for id, (first, second) in line.get("orders", {}).items()}
        return Scored(
            {**before.values, **more},
            str(line.get("error", "")),
            by,
            _taken(before.took, line),
            str(line.get("rival", before.rival)),
            {**before.orders, **orders},
        )


def _taken(before: SecondModel | None, line: Mapping[str, Any]) -> SecondModel | None:
    """The judge, with what a further line took beside those before it."""
    found = SecondModel(parameter="judge", **line["judge"]) if "judge" in line else before
    if found is None:
        return None
    took, calls = line.get("took", {}), dict(before.calls) if before else {}
    for name, amount in took.get("calls", {}).items():
        calls[name] = calls.get(name, 0) + amount
    seconds = ((before.seconds or 0.0) if before else 0.0) + took.get("seconds", 0.0)
    return replace(found, seconds=seconds, calls=calls, tokens=(before.tokens if before else 0) + took.get("tokens", 0))
