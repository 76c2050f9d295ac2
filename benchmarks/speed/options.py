"""How a benchmark is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.machine import ROOT


@dataclass(frozen=True)
class Options:
    """Of one call of `python -m benchmarks.speed`.

    Attributes:
        pairs: how often each side runs.
        smoke: everything at tiny sizes with a tiny random model, to see that it works.
        data: folder of public data sets, a task folder each; where one is missing, `examples/` serves.
        work: folder for what is made on the way.
    """

    pairs: int
    smoke: bool
    data: Path
    work: Path

    def task_folder(self, name: str, otherwise: str) -> Path:
        """The task folder `name` of the data sets, or the example `otherwise`, which a smoke run always takes."""
        folder = self.data / name
        if self.smoke or not (folder / "task.toml").is_file():
            return ROOT / "examples" / otherwise
        return folder
