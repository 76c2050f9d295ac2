"""What a model that was asked by a metric made of a run's answers, as records hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCORED = "scored"
"""The type of the lines that say so, in the record of a run."""
AT_ONCE = 16
"""Examples of a line: what a kill can cost at most."""


@dataclass(frozen=True)
class Scored:
    """The values of one metric, by the ids of the test examples.

    Attributes:
        values: None where it gave none; that is counted and never dropped.
        error: why it could not be measured; empty where it could, or is not done yet.
        by: digest of what gave them, such as the embedder; what another one gave does not count with them.
    """

    values: Mapping[str, float | None] = field(default_factory=dict)
    error: str = ""
    by: str = ""

    def with_line(self, line: Mapping[str, Any]) -> Scored:
        """The same with what a further line says; values by something else begin anew."""
        by = str(line.get("by", ""))
        before = self.values if by == self.by else {}
        more = {str(id): None if value is None else float(value) for id, value in line.get("values", {}).items()}
        return Scored({**before, **more}, str(line.get("error", "")), by)
