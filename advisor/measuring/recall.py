"""What a model knew before it was tuned and knows afterwards, as records hold it: facts, no judgement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advisor.measuring.lines import lines

FORGETTING = "forgetting"
"""The type of the lines that say so, in the record of a run and in that of the untuned model."""
BASE = "base"
"""Where the untuned model's answers lie among the records: the file's stem, and a folder of what gave them."""


@dataclass(frozen=True)
class Recalled:
    """What one model, tuned or not, made of one yardstick: the general text, or the test examples of another task.

    Attributes:
        totals: natural log of the probability of each passage of the general text; empty of another task.
        tokens: of each passage.
        answers: to the examples of another task, by their ids; None where none came; incomplete unless it `ended`.
        targets: what is right there, by id; where the untuned model is recorded alone.
        error: why it could not be measured; empty where it could, or is not done yet.
    """

    totals: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()
    answers: Mapping[str, str | None] = field(default_factory=dict)
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ended: bool = False
    error: str = ""

    def with_line(self, line: Mapping[str, Any]) -> Recalled:
        """The same with what a further line says."""
        return Recalled(
            tuple(line.get("totals", self.totals)),
            tuple(line.get("tokens", self.tokens)),
            {**self.answers, **line.get("answers", {})},
            {**self.targets, **{id: tuple(right) for id, right in line.get("targets", {}).items()}},
            line.get("ended", self.ended),
            line.get("error", ""),
        )


@dataclass(frozen=True, slots=True)
class OtherFacts:
    """Another task that is measured on before and after tuning.

    Attributes:
        key: fingerprint of its test examples and of what zero-shot is asked with.
    """

    key: str
    name: str
    metric: str


@dataclass(frozen=True, slots=True)
class ForgettingFacts:
    """On what it was measured what tuning makes a model forget.

    Attributes:
        text: digest of the general text.
        of: specs of the approaches that train weights, as each model's records have them.
        base: what each untuned model made of each yardstick, by the key of its records and by the yardstick's.
    """

    text: str
    of: frozenset[str]
    others: tuple[OtherFacts, ...]
    base: Mapping[str, Mapping[str, Recalled]]


def read_base(place: Path, program: str) -> dict[str, Recalled]:
    """What the untuned model made of each yardstick, by its key.

    Args:
        place: of the model's records.
        program: that measured it; what another one did is as good as not there.
    """
    found: dict[str, Recalled] = {}
    for line in lines(base_path(place)):
        if line["type"] == FORGETTING and line.get("program") == program:
            found[line["on"]] = found.get(line["on"], Recalled()).with_line(line)
    return found


def base_path(place: Path) -> Path:
    """The record of the untuned model."""
    return place / f"{BASE}.jsonl"
