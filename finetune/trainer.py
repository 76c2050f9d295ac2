"""The training loop: AdamW on float32 masters of what is trained, loss on the answers alone, stopped early."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from advisor import progress
from advisor.errors import UserError
from advisor.models.clock import clock
from advisor.models.local.attention import packed_attention
from advisor.models.local.engine import LocalModel
from advisor.models.local.shortage import give_back, out_of_memory
from finetune.checkpointing import Context, checkpointed, foreseen, too_large, trainer_bytes
from finetune.fused import llama
from finetune.fused.packing import Pack, TokenRow, packed_length
from finetune.methods.contract import Inserted, LearnedTensors
from finetune.training import Schedule

log = logging.getLogger(__name__)

TOKENS_AT_ONCE = 4096


@dataclass
class History:
    """What happened in training.

    Attributes:
        losses: mean loss per answer token of each step.
        held_out: (step, loss) at each evaluation on the held-out examples.
        best_step: whose adapter was kept.
        setbacks: step behind which the loss was no number, and the peak learning rate from there on; one at most.
        diverged: whether it was no number once more, at half the rate, and training ended there.
        checkpointing: whether layers were computed again on the way back, at least in the end.
    """

    losses: list[float] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    tokens: int = 0
    setbacks: list[tuple[int, float]] = field(default_factory=list)
    diverged: bool = False
    checkpointing: bool = False


class Trainer:
    """Trains what was inserted into `model`.

    That works in the model's dtype; what the optimiser changes are float32 masters, since bfloat16 rounds small changes
    away.

    `train` does all of it. A search takes it in pieces: `begin`, `go_on` as often as it likes, `finish`.

    Attributes:
        working: the trained parameters in the model.
        masters, master_gradients: the same in float32, and their gradients; each kind lies in one tensor.
        at_once: tokens of one forward and backward pass; less where memory is short, or from where it ran out. A larger
            minibatch is taken in parts, exactly.
        total: steps of the whole training.
        stopped: whether the held-out loss has ended it early.
    """

    def __init__(self, model: LocalModel, inserted: Inserted, schedule: Schedule) -> None:
        self.model = model
        self.inserted = inserted
        self.schedule = schedule
        self.working: list[torch.Tensor] = list(inserted.named.values())
        flat = torch.cat([p.detach().flatten() for p in self.working]).float().requires_grad_()
        flat.grad = torch.zeros_like(flat)
        self.masters, self.master_gradients = (self._views(whole) for whole in (flat.detach(), flat.grad))
        self._flat = flat  # one tensor for the optimiser, which has some milliseconds' work with hundreds
        self._kept_in = model.dtype if inserted.rounded else flat.dtype
        self._good = flat.detach().to(self._kept_in, copy=True)  # with which the last loss was a number
        self.rate = schedule.lr
        self.optimiser = self._optimiser()
        self.history = History()
        self.at_once = TOKENS_AT_ONCE
        self.held_out: Sequence[TokenRow] = ()
        self.total = 0
        self.stopped = False
        self._best, self._idle = math.inf, 0
        self._kept: list[torch.Tensor] | None = None

    def train(self, examples: Sequence[TokenRow], held_out: Sequence[TokenRow], seed: int) -> History:
        """Train on `examples`; the adapters end as they were at the lowest loss on `held_out`, or at the end."""
        self.begin(examples, held_out, seed)
        progress.step("train", len(examples) * self.schedule.epochs)
        self.go_on(self.total)
        self.finish()
        return self.history

    def begin(self, examples: Sequence[TokenRow], held_out: Sequence[TokenRow], seed: int) -> None:
        """Lay out the whole training without taking a step."""
        self.held_out = held_out
        self._steps_an_epoch = math.ceil(len(examples) / self.schedule.batch)
        self.total = self._steps_an_epoch * self.schedule.epochs
        self._batches = _minibatches(examples, self.schedule, seed)
        longest = max(row.tokens for row in examples)
        to_come = trainer_bytes(self._flat.numel(), self.model.dtype)
        self.history.checkpointing, self.at_once = foreseen(self.model, longest, self.at_once, to_come)

    def go_on(self, until: int) -> None:
        """Take the steps up to number `until`, or to where training stops early."""
        while batch := self.take(until):
            self.update(self.gradients(batch), batch)
            progress.advance(len(batch))
            if self.evaluation_due:
                self.note_evaluation(self.loss(self.held_out))

    def finish(self) -> None:
        """Put back the adapter with the lowest held-out loss; without held-out examples, the last stays.

        Raises:
            UserError: training diverged, and no adapter of before is worth keeping.
        """
        if self._kept is None:
            if not bool(torch.isfinite(self._flat).all()):
                self._turn_back()  # the last step, behind which no loss was asked for
            if self.history.diverged:
                raise diverged(self.schedule, self.steps)
            self.history.best_step = self.steps
            return
        torch._foreach_copy_(self.masters, self._kept)
        self._publish()

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return len(self.history.losses)

    @property
    def evaluation_due(self) -> bool:
        """Whether an epoch has just ended, and the held-out examples are to be evaluated on."""
        seen = self.history.held_out[-1][0] if self.history.held_out else 0
        return bool(self.held_out) and self.steps % self._steps_an_epoch == 0 and self.steps > seen

    def take(self, until: int) -> list[TokenRow]:
        """The next step's minibatch; nothing where `until` is reached or training has stopped."""
        return [] if self.stopped or self.steps >= min(until, self.total) else next(self._batches)

    def gradients(self, batch: Sequence[TokenRow]) -> float:
        """A step's mean loss per answer token; its gradients lie in the working parameters afterwards."""
        tokens = sum(len(row.answer) for row in batch)

        def learn(part: Sequence[TokenRow]) -> float:
            share = self._summed_loss(part, self.schedule.smoothing) / tokens
            share.backward()
            return share.item()

        return self._in_parts("train", batch, learn)

    def update(self, loss: float, batch: Sequence[TokenRow]) -> None:
        """Take the next step by the gradients that lie in the working parameters.

        Where the loss or a gradient is no number, the step before was one too far: training goes back to where the
        loss was a number, and on from the same minibatch with half the learning rate; once.
        """
        missing = torch.zeros((), device=self._flat.device)
        found = [p.grad if p.grad is not None else missing.expand_as(p) for p in self.working]
        torch._foreach_copy_(self.master_gradients, found)
        for parameter in self.working:
            parameter.grad = None
        with clock.span("train"):
            norm = torch.nn.utils.clip_grad_norm_(self._flat, self.schedule.clip)
            if not (math.isfinite(loss) and math.isfinite(float(norm))):
                self._batches = chain([list(batch)], self._batches)
                self._turn_back()
                return
            self._good.copy_(self._flat.detach())
            for group in self.optimiser.param_groups:
                group["lr"] = self.rate * self.schedule.ramp(self.steps + 1, self.total)
            self.optimiser.step()
            self._publish()
        self.history.losses.append(loss)
        self.history.tokens += sum(row.tokens for row in batch)

    def _turn_back(self) -> None:
        with torch.no_grad():
            self._flat.copy_(self._good)
        self._publish()
        if self.history.setbacks:
            self.history.diverged = self.stopped = True
            return
        self.rate /= 2
        self.history.setbacks.append((self.steps, self.rate))
        self.optimiser = self._optimiser()  # what the old one remembers may be no number either

    def _optimiser(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW([self._flat], lr=self.rate, weight_decay=self.schedule.decay, fused=True)

    def note_evaluation(self, loss: float) -> None:
        """Note a loss on the held-out examples: keep the lowest one's adapter, stop where none was lower lately.

        What is no number there says of the last step what it says in training.
        """
        if not math.isfinite(loss):
            self._turn_back()
            return
        self.history.held_out.append((self.steps, loss))
        if loss < self._best:
            self._best, self._kept, self._idle = loss, self.state(), 0
            self.history.best_step = self.steps
        else:
            self._idle += 1
            self.stopped = self._idle >= self.schedule.patience

    def _views(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """Each parameter's part of what lies in one tensor for all of them."""
        parts = flat.split([p.numel() for p in self.working])
        return [part.view(p.shape) for part, p in zip(parts, self.working, strict=True)]

    @torch.no_grad()
    def _publish(self) -> None:
        torch._foreach_copy_(self.working, self.masters)

    def state(self) -> list[torch.Tensor]:
        """What the masters hold, as it answers, in the order of the trainable parameters."""
        return [m.to(self._kept_in, copy=True) for m in self.masters]

    def learned(self) -> LearnedTensors:
        """What the masters hold, as it is kept."""
        named = dict(zip(self.inserted.named, self.state(), strict=True))
        return self.inserted.learned(named)

    @torch.no_grad()
    def loss(self, rows: Sequence[TokenRow]) -> float:
        """Mean loss per answer token, without dropout."""
        tokens = sum(len(row.answer) for row in rows)
        ordered = sorted(rows, key=lambda row: row.tokens)
        with _at_rest(self.inserted.module):
            return self._in_parts("prefill", ordered, lambda part: self._summed_loss(part).item()) / tokens

    def _in_parts(self, kind: str, rows: Sequence[TokenRow], work: Callable[[Sequence[TokenRow]], float]) -> float:
        """Sum of what `work` finds for each part; where memory runs out, all of it anew in smaller parts."""
        packs = self.model.reader.packs_rows(max(row.tokens for row in rows) - 1)
        read = sum(map(packed_length, parts_of(rows, self.at_once))) if packs else sum(row.tokens - 1 for row in rows)
        with clock.span(kind, read):
            while True:
                part: list[TokenRow] = []
                try:
                    found = 0.0
                    for part in parts_of(rows, self.at_once, padded=not packs):
                        found += work(part)
                    return found
                except Exception as error:
                    if not out_of_memory(error):
                        raise
                    if len(part) == 1 and (self.history.checkpointing or kind != "train"):
                        raise too_large(self.model, error, part[0].tokens) from error
                # What the failed pass held is let go only here, where the error is gone.
                if len(part) == 1:
                    self.history.checkpointing = True
                    log.info("memory did not suffice; layers are computed again from here on")
                else:
                    self.at_once = sum(row.tokens for row in part) // 2
                    log.info("memory did not suffice; %d tokens at once from here on", self.at_once)
                for parameter in self.working:
                    parameter.grad = None
                give_back()

    def _summed_loss(self, rows: Sequence[TokenRow], smoothing: float = 0.0) -> torch.Tensor:
        reader, lengths = self.model.reader, [row.tokens - 1 for row in rows]
        found = []
        for numbers in reader.alike(lengths, 0):
            part, packs = [rows[n] for n in numbers], reader.packs_rows(max(lengths[n] for n in numbers))
            reader.turn_afresh()
            with nullcontext() if packs else self._checkpointed():
                hidden, targets = self._packed(part) if packs else _padded(self.model, part)
            found.append(self._cross_entropy(hidden, targets, smoothing))
        return torch.stack(found).sum()

    def _cross_entropy(self, hidden: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
        logits = self.model.head(hidden).float()
        return cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)

    def _packed(self, rows: Sequence[TokenRow]) -> tuple[torch.Tensor, torch.Tensor]:
        pack = Pack.of(rows, self.model.device)
        again, module = self.history.checkpointing, self.model.module
        found = llama.read(self.model, pack.ids[0], pack.positions[0], pack.segments, pack.predicting, again)
        if found is not None:
            return found, pack.targets
        with packed_attention(module), self._checkpointed(partial(packed_attention, module)):
            output = module.base_model(
                input_ids=pack.ids, position_ids=pack.positions, use_cache=False, attending=pack.segments
            )
        return output.last_hidden_state[0, pack.predicting], pack.targets

    def _checkpointed(self, again: Context = nullcontext) -> AbstractContextManager[None]:
        return checkpointed(self.model.module, again) if self.history.checkpointing else nullcontext()


def _padded(model: LocalModel, rows: Sequence[TokenRow]) -> tuple[torch.Tensor, torch.Tensor]:
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
    device = model.device
    output = model.module.base_model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False)
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


def diverged(schedule: Schedule, steps: int) -> UserError:
    """What is said of a training that never was a number."""
    what = f"training diverged: behind step {steps} the loss is no number, with a learning rate of {schedule.lr:g} and"
    return UserError(f"{what} with half of it", f"a lower one, such as lr={schedule.lr / 3:.1g}")


def _minibatches(examples: Sequence[TokenRow], schedule: Schedule, seed: int) -> Iterator[list[TokenRow]]:
    rng = random.Random(seed)
    for _ in range(schedule.epochs):
        order = list(examples)
        rng.shuffle(order)
        for first in range(0, len(order), schedule.batch):
            yield order[first : first + schedule.batch]


def parts_of(rows: Sequence[TokenRow], tokens: int, padded: bool = False) -> Iterator[list[TokenRow]]:
    """Rows in parts of at most so many tokens; a longer row is a part of its own.

    Args:
        padded: whether padding counts, and rows of like lengths come together.
    """
    part: list[TokenRow] = []
    for row in sorted(rows, key=lambda row: row.tokens) if padded else rows:
        before = len(part) * row.tokens if padded else sum(r.tokens for r in part)
        if part and before + row.tokens > tokens:
            yield part
            part = []
        part.append(row)
    if part:
        yield part
