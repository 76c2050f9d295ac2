"""A run to do, as plain data that another process can carry out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advisor.approaches import Approach, Part, configuration
from advisor.errors import AdvisorError
from advisor.measuring.yardsticks import Yardsticks
from advisor.models.language_model import vectors_beside
from advisor.tasks import Example, Query


@dataclass(frozen=True)
class Owed:
    """What another model was asked before a run (`advisor.approaches.SecondPass`).

    Attributes:
        part: of the approach, which asked it.
        parameter, alias: by which the part names that model.
        key: digest of all that decides what was told; empty where the model could not be had.
        path: where that is kept.
        model: what tells which model it was: `id` and `revision`.
        trouble: why nothing was told; None where it was.
    """

    part: Part
    parameter: str
    alias: str
    key: str = ""
    path: Path | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    trouble: AdvisorError | None = None


@dataclass(frozen=True)
class Assignment:
    """One run to do: an approach by its spec, with a seed, recorded in `path`.

    Attributes:
        batch: test examples that are answered together.
        program, machine: what does it; recorded.
        p95_seconds: limit of the 95th percentile, for which more requests are sent alone; None without one.
        key: digest of all that decides the run, by which it is shared with other comparisons; empty where it is not.
        threads, threads_alone: as in `ModelFacts`; recorded.
        texts: whether the passages that stood beside a query are recorded with its answer.
        yardsticks: on what it is measured what the model has forgotten; None where that is not asked for.
        second: what other models were asked before it.
        metrics: metrics that ask a model, to be measured of the finished run, with a digest of what gives their values.
        pairs: preferences held out, both answers of which it is to say how likely they are.
    """

    approach: Approach
    spec: str
    seed: int
    path: Path
    batch: int
    latency_examples: int
    program: str
    machine: str
    key: str
    p95_seconds: float | None = None
    threads: int | None = None
    threads_alone: int | None = None
    texts: bool = True
    yardsticks: Yardsticks | None = None
    second: tuple[Owed, ...] = ()
    pairs: int = 0
    metrics: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the fitted predictor is kept, beside the record."""
        return self.path.with_suffix("")

    @property
    def answers(self) -> Path:
        """Where a model that is asked over a connection keeps its answers until the run is finished."""
        return self.path.with_suffix(".asked.jsonl")

    @property
    def scratch(self) -> Path:
        """Where a fit that takes long keeps how far it came, until it is recorded."""
        return self.path.with_suffix(".unfinished")

    def head(self) -> dict[str, Any]:
        """What a record says of the run where an attempt begins."""
        approach = self.approach
        asked = [{"parameter": o.parameter, "alias": o.alias, "key": o.key, **o.model} for o in self.second]
        return {
            "type": "run",
            "spec": self.spec,
            "seed": self.seed,
            "control": approach.control,
            "uses_model": approach.uses_model,
            "trains_model": approach.trains_model,
            "shows": approach.shows,
            "config": configuration(approach),
            "program": self.program,
            "machine": self.machine,
            "threads": self.threads,
            "threads_alone": self.threads_alone,
            **({"asked": asked} if asked else {}),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }

    def queries(self, examples: Sequence[Example]) -> list[Query]:
        """What the approach is asked: of a control each with its evidence."""
        return [e.grounded if self.approach.control else e.query for e in examples]

    def drop_answers(self) -> None:
        """Take away what was kept of the model's answers: all of it stands in the record."""
        for kept in (self.answers, vectors_beside(self.answers)):
            kept.unlink(missing_ok=True)
