"""The training of an encoder: AdamW on all its layers in float32, stopped early, the best of it kept."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

import torch
from torch import nn

from advisor import progress
from advisor.errors import UserError
from advisor.models.clock import clock
from finetune.trainer import History
from finetune.training import Descent

Batch = TypeVar("Batch", bound=Sequence[object])


class Course(ABC, Generic[Batch]):
    """What is trained, and on what.

    Attributes:
        module: holds all that is trained.
        fresh: parameters that begin at random, which take `FASTER` steps.
    """

    module: nn.Module
    fresh: Sequence[nn.Parameter] = ()

    @abstractmethod
    def epoch(self, rng: random.Random) -> list[Batch]:
        """The minibatches of one pass; each time as many."""

    @abstractmethod
    def loss(self, batch: Batch) -> torch.Tensor:
        """Of a minibatch, to descend."""

    @abstractmethod
    def held_out(self) -> float | None:
        """The loss on held-out examples, without dropout; None where there are none."""


FASTER = 10.0  # times the learning rate of the layers that were trained before


def follow(course: Course[Batch], schedule: Descent, seed: int) -> History:
    """Train to the end, or until the held-out loss no longer falls; the parameters end as they were where it was
    lowest, be it before the first step.

    Args:
        schedule: its epochs are as many as there are to be.

    Raises:
        UserError: the loss is no number any more.
    """
    rng, history = random.Random(seed), History()
    parameters = [p for p in course.module.parameters() if p.requires_grad]
    optimiser = _optimiser(course, parameters, schedule)
    best = _Best(parameters, schedule.patience)
    best.note(history, _judged(course))
    for number in range(schedule.epochs):
        batches = course.epoch(rng)
        total = len(batches) * schedule.epochs
        if not number:
            progress.step("train", sum(map(len, batches)) * schedule.epochs)
        course.module.train()
        for batch in batches:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * schedule.ramp(len(history.losses) + 1, total)
            history.losses.append(_step(course, batch, optimiser, schedule))
            progress.advance(len(batch))
        if best.note(history, _judged(course)):
            break
    best.bring_back()
    return history


def _optimiser(course: Course[Batch], parameters: Sequence[nn.Parameter], schedule: Descent) -> torch.optim.Optimizer:
    fresh = {id(p) for p in course.fresh}
    groups = [
        {"params": [p for p in parameters if (id(p) in fresh) == new], "peak": schedule.lr * (FASTER if new else 1.0)}
        for new in (False, True)
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], weight_decay=schedule.decay, fused=True)


def _step(course: Course[Batch], batch: Batch, optimiser: torch.optim.Optimizer, schedule: Descent) -> float:
    with clock.span("train"):
        loss = course.loss(batch)
        loss.backward()
        trained = [p for group in optimiser.param_groups for p in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(trained, schedule.clip)
        if not (math.isfinite(found := loss.item()) and math.isfinite(float(norm))):
            what = f"training diverged: the loss is no number, with a learning rate of {schedule.lr:g}"
            raise UserError(what, f"a lower one, such as lr={schedule.lr / 3:.1g}")
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return found


@torch.no_grad()
def _judged(course: Course[Batch]) -> float | None:
    course.module.eval()
    with clock.span("prefill"):
        return course.held_out()


class _Best:
    """The parameters where the held-out loss was lowest."""

    def __init__(self, parameters: Sequence[nn.Parameter], patience: int) -> None:
        self.parameters = parameters
        self.patience = patience
        self.lowest, self.idle = math.inf, 0
        self.kept: list[torch.Tensor] | None = None

    def note(self, history: History, loss: float | None) -> bool:
        """Note an evaluation; whether none was better for long."""
        steps = len(history.losses)
        if loss is None:
            history.best_step = steps
            return False
        history.held_out.append((steps, loss))
        if loss < self.lowest:
            self.lowest, self.idle, history.best_step = loss, 0, steps
            self.kept = [p.detach().clone() for p in self.parameters]
        else:
            self.idle += 1
        return self.idle >= self.patience

    @torch.no_grad()
    def bring_back(self) -> None:
        if self.kept is not None:
            torch._foreach_copy_(list(self.parameters), self.kept)
