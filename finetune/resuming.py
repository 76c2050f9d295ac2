"""How far a training came, kept while it goes on, and gone on from: bit for bit as if it had not been killed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.scratch import Scratch
from finetune.fused.packing import TokenRow
from finetune.insertion import generators, set_generators
from finetune.trainer import History, Trainer
from finetune.training import Schedule

TRAINING = "training"  # what is kept is called so
REUSED = "steps of a training that was interrupted"  # as the report names what was not done again
_TENSORS, _FACTS = "tensors.safetensors", "training.json"
_GENERATOR, _WEIGHTS = "generator.", "weights."


def identity(recipe: Schedule, rows: Sequence[Sequence[TokenRow]], model: LocalModel, seed: int) -> str:
    """Digest of all that decides what a training does; what was kept of another one is as good as not there."""
    digest = hashlib.sha256()
    about = (recipe, seed, model.name, model.revision, model.dtype, model.device.type)
    digest.update(repr((*about, version("torch"), version("optuna"))).encode())
    for split in rows:
        read = [(one.prompt, one.answer, row.task, row.difficulty) for row in split for one in row.rows]
        digest.update(repr(read).encode())
    return digest.hexdigest()


@dataclass
class TrainingKeeper:
    """Keeps a training's state where it is due, in what the run has lent.

    Attributes:
        identity: of the training, as `identity` tells it.
        began: by the run's clock.
    """

    scratch: Scratch
    identity: str
    began: float

    def resume(self, trainer: Trainer) -> None:
        """Let a trainer that has begun go on from what was kept, if that is of the same training."""
        folder = self.scratch.kept(TRAINING)
        facts = _read(folder, self.identity) if folder else None
        if folder is None or facts is None:
            return
        tensors = load_file(folder / _TENSORS)
        _load(trainer, facts, tensors)
        clock.credit(REUSED, facts["seconds"])

    def told(self, trainer: Trainer) -> None:
        """A step is done."""
        if self.scratch.due:
            self.scratch.keep(TRAINING, lambda folder: self._write(trainer, folder))

    def _write(self, trainer: Trainer, folder: Path) -> None:
        facts = {
            "identity": self.identity,
            "seconds": clock.now() - self.began,
            "history": asdict(trainer.history),
            "rate": trainer.rate,
            "at_once": trainer.at_once,
            "stopped": trainer.stopped,
            "best": trainer.best,
            "idle": trainer.idle,
        }
        (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
        drawn = {_GENERATOR + kind: state for kind, state in generators(trainer.model.device).items()}
        save_file({_WEIGHTS + n: t for n, t in trainer.weights.state().items()} | drawn, folder / _TENSORS)


def _read(folder: Path, known: str) -> dict[str, Any] | None:
    facts: dict[str, Any] = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    return facts if facts["identity"] == known else None


def _load(trainer: Trainer, facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    trainer.history = history_of(facts["history"])
    trainer.rate, trainer.at_once = facts["rate"], facts["at_once"]
    trainer.stopped, trainer.idle = facts["stopped"], facts["idle"]
    trainer.best = (facts["best"][0], facts["best"][1])
    trainer.weights.load({n.removeprefix(_WEIGHTS): t for n, t in tensors.items() if n.startswith(_WEIGHTS)})
    trainer.skip_to(trainer.steps)
    drawn = {n.removeprefix(_GENERATOR): t for n, t in tensors.items() if n.startswith(_GENERATOR)}
    set_generators(trainer.model.device, drawn)


def history_of(read: dict[str, Any]) -> History:
    """A history as JSON had it."""
    pairs = ("held_out", "answered", "setbacks")
    return History(**read | {name: [(step, value) for step, value in read[name]] for name in pairs})
