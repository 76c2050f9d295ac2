"""The options of a benchmark run, and its tasks."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.speed import ROOT

Role = Literal["short labels", "long labels", "questions"]
# For each role the public data set that the goals speak of, and the project's example of the same kind.
FOLDERS: dict[Role, tuple[str, str]] = {
    "short labels": ("trec6", "ticket-routing"),
    "long labels": ("banking77", "ticket-routing"),
    "questions": ("squad2_dev", "handbook-qa"),
}


@dataclass(frozen=True)
class Options:
    """The options of one call of `python -m benchmarks.speed`.

    Attributes:
        pairs: how often each side runs.
        minutes: after which a case begins no further pair; the first is always run.
        smoke: everything at tiny sizes with a tiny random model, to see that it works.
        train, test: examples of the whole comparison.
        data: folder with a task folder for each data set; None for the project's examples.
        work: folder for what is made on the way.
    """

    pairs: int
    minutes: float
    smoke: bool
    train: int
    test: int
    data: Path | None
    work: Path

    def task_folder(self, role: Role) -> Path:
        """The task for a role: from the data sets where they hold it, else the project's example."""
        name, example = FOLDERS[role]
        if self.data is not None and not self.smoke:
            if (self.data / name / "task.toml").is_file():
                return self.data / name
            print(f"  {self.data} holds no task {name}: examples/{example} serves", file=sys.stderr)
        return ROOT / "examples" / example

    def goes_on(self, done: int, began: float) -> bool:
        """Whether another pair is to be run after `done`, the first of which began at `began` (`perf_counter`)."""
        return done < self.pairs and (not done or time.perf_counter() - began < 60 * self.minutes)
