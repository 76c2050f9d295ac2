"""The training loop: AdamW on float32 masters of the adapters, loss on the answers alone, stopped early."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from advisor.approaches import progress
from advisor.models.attention import packed_attention
from advisor.models.clock import clock
from advisor.models.engine import LocalModel
from finetune.packing import Pack, Row, packed_length

TOKENS_AT_ONCE = 4096  # of one forward and backward pass; a larger minibatch is taken in parts, exactly
LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        rate: peak learning rate; it rises over the first tenth of the steps and falls linearly to nought.
        epochs: passes over the lessons at most.
        batch: lessons a step.
        patience: looks at the held-out loss without a gain before training stops.
    """

    rate: float
    epochs: int
    batch: int
    patience: int = 2


@dataclass
class Course:
    """What happened in training.

    Attributes:
        losses: mean loss per answer token of each step.
        held_out: (step, loss) at each look at the held-out lessons.
        best_step: whose adapter was kept.
    """

    losses: list[float] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    tokens: int = 0


class Trainer:
    """Trains the adapters in `wrapped`, which is `model` with adapters inserted.

    The adapters work in the model's dtype; what the optimiser changes are float32 masters, since bfloat16
    rounds small changes away.
    """

    def __init__(self, model: LocalModel, wrapped: Any, schedule: Schedule) -> None:
        self.model = model
        self.wrapped = wrapped
        self.schedule = schedule
        self.working = [p for p in wrapped.parameters() if p.requires_grad]
        self.masters = [p.detach().clone().float().requires_grad_() for p in self.working]
        self.optimiser = torch.optim.AdamW(self.masters, lr=schedule.rate, weight_decay=0.0)
        self.course = Course()
        self.packs = model.packs

    def train(self, lessons: Sequence[Row], held_out: Sequence[Row], seed: int) -> Course:
        """Train on `lessons`; the adapters end as they were at the lowest loss on `held_out`, or at the end."""
        with packed_attention(self.model.module) if self.packs else nullcontext():
            self._run(lessons, held_out, seed)
        return self.course

    def _run(self, lessons: Sequence[Row], held_out: Sequence[Row], seed: int) -> None:
        steps_an_epoch = math.ceil(len(lessons) / self.schedule.batch)
        total = steps_an_epoch * self.schedule.epochs
        best, kept, idle = math.inf, None, 0
        progress.step("train", len(lessons) * self.schedule.epochs)
        for step, batch in enumerate(_minibatches(lessons, self.schedule, seed), start=1):
            with clock.span("train", sum(map(packed_length, _parts(batch)))):
                self._step(batch, step, total)
            progress.advance(len(batch))
            if not held_out or step % steps_an_epoch:
                continue
            loss = self.loss(held_out)
            self.course.held_out.append((step, loss))
            if loss < best:
                best, kept, idle = loss, [m.detach().clone() for m in self.masters], 0
                self.course.best_step = step
            else:
                idle += 1
                if idle >= self.schedule.patience:
                    break
        if kept is not None:
            for master, value in zip(self.masters, kept, strict=True):
                master.data.copy_(value)
            self._publish()
        else:
            self.course.best_step = len(self.course.losses)

    def _step(self, batch: Sequence[Row], step: int, total: int) -> None:
        tokens = sum(len(row.answer) for row in batch)
        loss = 0.0
        for part in _parts(batch):
            share = self._summed_loss(part) / tokens
            share.backward()
            loss += share.item()
        for master, parameter in zip(self.masters, self.working, strict=True):
            master.grad = parameter.grad.float() if parameter.grad is not None else None
            parameter.grad = None
        torch.nn.utils.clip_grad_norm_(self.masters, LARGEST_GRADIENT)
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate * _ramp(step, total)
        self.optimiser.step()
        self._publish()
        self.course.losses.append(loss)
        self.course.tokens += sum(row.tokens for row in batch)

    @torch.no_grad()
    def _publish(self) -> None:
        for parameter, master in zip(self.working, self.masters, strict=True):
            parameter.copy_(master)

    def state(self) -> list[torch.Tensor]:
        """The masters, in the order of the trainable parameters."""
        return [m.detach().clone() for m in self.masters]

    @torch.no_grad()
    def loss(self, rows: Sequence[Row]) -> float:
        """Mean loss per answer token, without dropout."""
        tokens = sum(len(row.answer) for row in rows)
        ordered = sorted(rows, key=lambda row: row.tokens)
        parts = list(_parts(ordered))
        with clock.span("prefill", sum(map(packed_length, parts))), _at_rest(self.wrapped):
            return sum(self._summed_loss(part).item() for part in parts) / tokens

    def _summed_loss(self, rows: Sequence[Row]) -> torch.Tensor:
        hidden, targets = self._packed(rows) if self.packs else self._padded(rows)
        logits = self.model.head(hidden).float()
        return cross_entropy(logits, targets, reduction="sum")

    def _packed(self, rows: Sequence[Row]) -> tuple[torch.Tensor, torch.Tensor]:
        pack = Pack.of(rows, self.model.device)
        output = self.model.module.base_model(
            input_ids=pack.ids, position_ids=pack.positions, use_cache=False, attending=pack.segments
        )
        return output.last_hidden_state[0, pack.predicting], pack.targets

    def _padded(self, rows: Sequence[Row]) -> tuple[torch.Tensor, torch.Tensor]:
        longest = max(row.tokens for row in rows) - 1
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        predicting: list[int] = []
        targets: list[int] = []
        for i, row in enumerate(rows):
            whole = (*row.prompt, *row.answer[:-1])
            ids[i, : len(whole)] = torch.tensor(whole)
            mask[i, : len(whole)] = 1
            first = i * longest + len(row.prompt) - 1
            predicting += range(first, first + len(row.answer))
            targets += row.answer
        device = self.model.device
        output = self.model.module.base_model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
        hidden = output.last_hidden_state.flatten(0, 1)[torch.tensor(predicting, device=device)]
        return hidden, torch.tensor(targets, device=device)


@contextmanager
def _at_rest(wrapped: Any) -> Iterator[None]:
    """Without the adapters' dropout; only they are in training mode, the model itself never is."""
    active = [module for module in wrapped.modules() if module.training]
    for module in active:
        module.training = False
    try:
        yield
    finally:
        for module in active:
            module.training = True


def _ramp(step: int, total: int) -> float:
    warm = max(1, round(0.1 * total))
    if step <= warm:
        return step / warm
    return max(0.0, (total - step + 1) / (total - warm + 1))


def _minibatches(lessons: Sequence[Row], schedule: Schedule, seed: int) -> Iterator[list[Row]]:
    rng = random.Random(seed)
    for _ in range(schedule.epochs):
        order = list(lessons)
        rng.shuffle(order)
        for first in range(0, len(order), schedule.batch):
            yield order[first : first + schedule.batch]


def _parts(rows: Sequence[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        if part and sum(r.tokens for r in part) + row.tokens > TOKENS_AT_ONCE:
            yield part
            part = []
        part.append(row)
    if part:
        yield part
