"""What a search has tried so far, kept while it goes on, so that one that was killed goes on from there.

What is drawn next follows from the seed and from how the trials before went, so nothing of the sampler need be kept:
the search draws anew, and takes from here how those went that were done.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.scratch import Scratch, scratch
from finetune.methods.contract import LearnedTensors, State
from finetune.resuming import history_of, identity
from finetune.session import SplitRows
from finetune.trainer import History
from finetune.training import TrainingSettings

TRIALS = "trials"  # what is kept is called so
REUSED = "trials of a search that was interrupted"  # as the report names what was not done again
_FACTS, _BEST = "trials.json", "best.safetensors"


STAGES = {1: "an eighth", 2: "a quarter", 4: "half", 8: "all"}  # of training, in eighths, after which one is judged
ALL = max(STAGES)
NOWHERE = (math.inf, math.inf)


@dataclass(frozen=True)
class TriedRecipe:
    """One configuration, and what was seen of it.

    Attributes:
        losses: lowest held-out loss so far, by stage of `STAGES`; infinite where it was no number. Of a training that
            is judged by the metric, what its answers were short of 1.
        steps: that it took.
        stands: what it is judged by and its held-out loss at best, where it came to its end; else infinite.
    """

    recipe: TrainingSettings
    losses: Mapping[int, float]
    steps: int
    stands: tuple[float, float] = NOWHERE

    @property
    def ended(self) -> bool:
        """Whether it came to its end, as a number."""
        return math.isfinite(self.stands[0])

    @property
    def stage(self) -> int:
        """How far it came."""
        return max(self.losses)

    @property
    def loss(self) -> float:
        """Its loss where it ended."""
        return self.losses[self.stage]


@dataclass
class Winner:
    """The best of the trials so far.

    Attributes:
        masters: what it learned, by name, in float32.
        learned: the same as it is kept; None where a killed process learned it.
    """

    trial: TriedRecipe
    masters: State
    history: History
    learned: LearnedTensors | None = None


@dataclass
class TrialKeeper:
    """The trials of one search: those that a killed process had done, and those that are done now.

    Attributes:
        done: in their order.
        winner: the best of them that came to its end.
    """

    lent: Scratch | None
    identity: str
    done: list[TriedRecipe] = field(default_factory=list)
    winner: Winner | None = None

    def __post_init__(self) -> None:
        self._began = clock.now()
        self._facts, self._folder = self._kept()
        if self._facts:
            clock.credit(REUSED, self._facts["seconds"])

    @classmethod
    def of(cls, given: TrainingSettings, rows: SplitRows, model: LocalModel, seed: int) -> TrialKeeper:
        """Of a search from this configuration."""
        return cls(scratch(), identity(given, (rows.train, rows.held_out), model, seed))

    def known(self, recipe: TrainingSettings) -> TriedRecipe | None:
        """How the next trial went in a process that was killed; None where it has to be done."""
        number, trials = len(self.done), self._facts.get("trials", ())
        return _trial(recipe, trials[number]) if number < len(trials) else None

    def winner_known(self, trial: TriedRecipe) -> Winner | None:
        """What a trial of a killed process learned; None where another was better there."""
        winner = self._facts.get("winner")
        if winner is None or self._folder is None or winner["number"] != len(self.done):
            return None
        return Winner(trial, load_file(self._folder / _BEST), history_of(winner["history"]))

    def note(self, trial: TriedRecipe, winner: Winner | None) -> None:
        """A trial is done, and is the best so far where there is a winner."""
        self.winner = winner or self.winner
        self.done.append(trial)
        more = len(self.done) > len(self._facts.get("trials", ()))
        if self.lent is not None and more and self.lent.due:
            self.lent.keep(TRIALS, self._write)

    def _write(self, folder: Path) -> None:
        facts: dict[str, Any] = {
            "identity": self.identity,
            "seconds": clock.now() - self._began,
            "trials": [{"losses": one.losses, "steps": one.steps, "stands": one.stands} for one in self.done],
        }
        if self.winner is not None:
            number = next(n for n, one in enumerate(self.done) if one is self.winner.trial)
            save_file({name: tensor.cpu() for name, tensor in self.winner.masters.items()}, folder / _BEST)
            facts["winner"] = {"number": number, "history": asdict(self.winner.history)}
        (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")

    def _kept(self) -> tuple[dict[str, Any], Path | None]:
        folder = self.lent.kept(TRIALS) if self.lent else None
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8")) if folder else {}
        return (facts, folder) if facts.get("identity") == self.identity else ({}, None)


def _trial(recipe: TrainingSettings, read: dict[str, Any]) -> TriedRecipe:
    losses = {int(stage): float(loss) for stage, loss in read["losses"].items()}
    return TriedRecipe(recipe, losses, read["steps"], (read["stands"][0], read["stands"][1]))
