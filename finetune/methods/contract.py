"""The contract of what is trained: what a tuner puts into a model, and what answers with it afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from advisor.approaches import Tuned
from advisor.models.local.engine import LocalModel
from advisor.models.local.packed import Layer

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class LearnedTensors:
    """What was learned.

    Attributes:
        state: tensors by name; in float32, but for weights of the model's own.
        config: what has to be known to make anything of them, as the method keeps it; None where that is nothing.
    """

    state: State
    config: Any = None


@dataclass(frozen=True)
class TrainedStart:
    """What is trained where it stands before every row.

    Attributes:
        tokens: whose place it takes.
        layers: makes its keys and values of what is trained, through which gradients reach that; one pair a layer,
            shape (1, key heads, tokens, size).
    """

    tokens: int
    layers: Callable[[], Sequence[Layer]]


def _alike(task: int) -> AbstractContextManager[None]:
    """All tasks have all of it in common."""
    return nullcontext()


@dataclass(frozen=True)
class Inserted:
    """What is trained, where it lies in the model.

    Attributes:
        module: the model's module with it, or what stands around that; its modules in training mode are those that
            drop out, and rest where a loss is only asked for.
        named: the parameters that are trained, by name, in the number format in which a step computes.
        learned: makes of the parameters' values, by name, what is kept.
        rounded: whether they answer in that number format, as weights of the model's own do, and not in float32: then
            their values are told in it, and a state that may be gone back to takes no more room.
        start: what stands before every row; None where rows begin with their own tokens.
        of_task: while its block runs, what is trained is that of a task of this number, 0 being the one that is kept:
            where each task has a part of its own (`modulation=task`). Gradients are those of that part afterwards.
    """

    module: Any
    named: dict[str, torch.nn.Parameter]
    learned: Callable[[State], LearnedTensors] = LearnedTensors
    start: TrainedStart | None = None
    rounded: bool = False
    of_task: Callable[[int], AbstractContextManager[None]] = _alike

    @property
    def virtual_tokens(self) -> int:
        """Tokens before each row's own."""
        return self.start.tokens if self.start else 0

    @classmethod
    def of(cls, module: Any, learned: Callable[[State], LearnedTensors] = LearnedTensors) -> Inserted:
        """All of a module that asks for gradients."""
        named = {name: p for name, p in module.named_parameters() if p.requires_grad}
        return cls(module, named, learned)


class Method(ABC):
    """What one tuner trains; made of its hyper-parameters."""

    @abstractmethod
    def inserted(self, model: LocalModel) -> AbstractContextManager[Inserted]:
        """What is trained, in the model while the block runs, drawn from torch's generator; afterwards the model is
        bit for bit what it was.

        Raises:
            NotApplicable: this model cannot be trained so.
        """

    @abstractmethod
    def tuned(self, model: LocalModel, learned: LearnedTensors) -> Tuned:
        """What was learned, in the form in which it answers."""

    @abstractmethod
    def restore(self, folder: Path, model: LocalModel) -> Tuned:
        """What `Tuned.save` wrote."""

    def notes(self, model: LocalModel) -> tuple[str, ...]:
        """What a reader of the report has to know of this model with this method, in full sentences."""
        return ()
