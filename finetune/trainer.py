"""The training loop: AdamW on float32 masters of what is trained, loss on the answers alone, stopped early. What
minimises another loss is a trainer of its own (`finetune.preference_trainer`)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from advisor import progress
from advisor.errors import UserError
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.models.local.shortage import give_back, out_of_memory
from finetune.checkpointing import check_room, foreseen, too_large, within_logits
from finetune.conflicts import combined, weighting
from finetune.fused.packing import TokenRow, packed_length
from finetune.masters import MasterWeights
from finetune.methods.contract import Inserted, LearnedTensors, State
from finetune.minibatches import by_task, minibatches, parts_of, pass_size
from finetune.passes import passes
from finetune.training import Schedule

log = logging.getLogger(__name__)

TOKENS_AT_ONCE = 4096


@dataclass
class History:
    """What happened in training.

    Attributes:
        losses: mean loss per answer token of each step.
        held_out: (step, loss) at each evaluation on the held-out examples.
        answered: (step, worth) of the answers to them at each evaluation, from 0 to 1; empty where they were not asked
            for.
        best_step: whose parameters were kept.
        tokens: of training examples that were seen, prompts and answers.
        setbacks: step behind which the loss was no number, and the peak learning rate from there on; one at most.
        diverged: whether it was no number once more, at half the rate, and training ended there.
        checkpointing: whether layers were computed again on the way back, at least in the end.
        remarks: what else is to be said of it, in full sentences.
    """

    losses: list[float] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    answered: list[tuple[int, float]] = field(default_factory=list)
    best_step: int = 0
    tokens: int = 0
    setbacks: list[tuple[int, float]] = field(default_factory=list)
    diverged: bool = False
    checkpointing: bool = False
    remarks: list[str] = field(default_factory=list)


class Trainer:
    """Trains what was inserted into `model`.

    `train` does all of it. A search takes it in pieces: `begin`, `go_on` as often as it likes, `finish`.

    Attributes:
        weights: what is trained.
        at_once: tokens of one forward and backward pass; less where memory is short, or from where it ran out. A larger
            minibatch is taken in parts, exactly.
        total: steps of the whole training.
        stopped: whether the held-out examples have ended it early.
        best: how it stood at best, as `stands` has it.
        examined: what the answers to the held-out examples are worth now, from 0 to 1; None where training is judged by
            the loss. It may put others into the model in the parameters' place (`lie_in`).
        told: called after each step.
    """

    def __init__(self, model: LocalModel, inserted: Inserted, schedule: Schedule) -> None:
        self.model = model
        self.inserted = inserted
        self.schedule = schedule
        if inserted.rounded:
            check_room(model, sum(p.numel() for p in inserted.named.values()))
        self.weights = MasterWeights(list(inserted.named.values()), schedule.decay, inserted.rounded)
        self._weighting = weighting(schedule.conflicts)
        self.rate = schedule.lr
        self.history = History()
        self.at_once = TOKENS_AT_ONCE
        self.held_out: Sequence[TokenRow] = ()
        self.total = 0
        self.stopped = False
        self.best, self.idle = (math.inf, math.inf), 0
        self.examined: Callable[[], float] | None = None
        self.told: Callable[[], None] = _nothing

    def train(self, examples: Sequence[TokenRow], held_out: Sequence[TokenRow], seed: int) -> History:
        """Train on `examples`; what is trained ends as it did best on `held_out`, or as it was at the end."""
        self.begin(examples, held_out, seed)
        self.go_to_the_end()
        return self.history

    def begin(self, examples: Sequence[TokenRow], held_out: Sequence[TokenRow], seed: int) -> None:
        """Lay out the whole training without taking a step."""
        self.held_out = held_out
        number, tokens = pass_size(examples, self.schedule.mix)
        self._steps_an_epoch = math.ceil(number / self.schedule.batch)
        self.total = self.schedule.steps(number, tokens)
        self._batches_from = partial(minibatches, examples, self.schedule, seed)
        self._batches = self._batches_from(0)
        longest = max(row.tokens for row in examples)
        answers = sum(len(row.answer) for row in examples) / sum(row.tokens for row in examples)
        self.at_once = within_logits(self.model, answers, self.at_once)
        self.history.checkpointing, self.at_once = foreseen(self.model, longest, self.at_once, self.schedule)

    def go_to_the_end(self) -> None:
        """Take all the steps that are left, and finish."""
        progress.step("train", sum(map(len, islice(self._batches_from(self.steps), self.total - self.steps))))
        self.go_on(self.total)
        self.finish()

    def go_on(self, until: int) -> None:
        """Take the steps up to number `until`, or to where training stops early."""
        while batch := self.take(until):
            self.update(self.gradients(batch), batch)
            progress.advance(len(batch))
            if self.evaluation_due:
                self.note_evaluation(*self.evaluated())
            self.told()

    def finish(self) -> None:
        """Put back the parameters that did best on the held-out examples; without such examples, the last stay.

        Raises:
            UserError: training diverged, and no parameters of before are worth keeping.
        """
        if self.weights.kept is not None:
            self.weights.put_back()
            return
        if not self.weights.finite:
            self._turn_back()  # the last step, behind which no loss was asked for
        if self.history.diverged:
            raise diverged(self.schedule, self.steps)
        self.history.best_step = self.steps

    def skip_to(self, step: int) -> None:
        """Go on behind a step, whose minibatches and those before it are not taken again."""
        self._batches = self._batches_from(step)

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return len(self.history.losses)

    @property
    def evaluation_due(self) -> bool:
        """Whether an epoch, or all of training, has just ended, and the held-out examples are to be evaluated on."""
        ended = self.steps % self._steps_an_epoch == 0 or self.steps == self.total
        return bool(self.held_out) and ended and self.steps > self.evaluated_at

    @property
    def evaluated_at(self) -> int:
        """The step behind which the held-out examples were evaluated on last; 0 where they never were."""
        return self.history.held_out[-1][0] if self.history.held_out else 0

    def take(self, until: int) -> list[TokenRow]:
        """The next step's minibatch; nothing where `until` is reached or training has stopped."""
        return [] if self.stopped or self.steps >= min(until, self.total) else next(self._batches)

    def gradients(self, batch: Sequence[TokenRow]) -> float:
        """A step's mean loss per answer token; its gradients lie in the working parameters afterwards."""
        size, tasks = self._size(batch), by_task(batch)

        def learn(part: Sequence[TokenRow]) -> float:
            share = self._summed_loss(part, self.schedule.smoothing) / size
            share.backward()
            return share.item()

        if len(tasks) == 1:
            with self.inserted.of_task(batch[0].task):
                return self._in_parts("train", batch, learn)
        loss, found = 0.0, []
        for rows in tasks:  # one after the other, since only rows of one task have their beginning in common
            with self.inserted.of_task(rows[0].task):
                loss += self._in_parts("train", rows, learn)
            found.append(self.weights.hand_over())
        with clock.span("train"):
            self.weights.lay_in(combined(found, self._weighting))
        return loss

    def update(self, loss: float, batch: Sequence[TokenRow]) -> None:
        """Take the next step by the gradients that lie in the working parameters.

        Where the loss or a gradient is no number, the step before was one too far: training goes back to where the
        loss was a number, and on from the same minibatch with half the learning rate; once.
        """
        with clock.span("train"):
            norm = self.weights.take_gradients(self.schedule.clip)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                self._batches = chain([list(batch)], self._batches)
                self._turn_back()
                return
            self.weights.step(self.rate * self.schedule.ramp(self.steps + 1, self.total))
        self.history.losses.append(loss)
        self.history.tokens += sum(row.tokens for row in batch)

    def _turn_back(self) -> None:
        self.weights.turn_back()
        if self.history.setbacks:
            self.history.diverged = self.stopped = True
            return
        self.rate /= 2
        self.history.setbacks.append((self.steps, self.rate))
        self.weights.start_anew()  # what the optimiser remembers may be no number either

    def evaluated(self) -> tuple[float, float | None]:
        """The loss on the held-out examples now, and what the answers to them are worth where these are asked for."""
        loss = self.loss(self.held_out)
        return loss, self.examined() if self.examined is not None and math.isfinite(loss) else None

    def note_evaluation(self, loss: float, worth: float | None = None) -> None:
        """Note an evaluation on the held-out examples: keep the parameters that do best, stop where none did lately.

        What is no number there says of the last step what it says in training.
        """
        if not math.isfinite(loss):
            self._turn_back()
            return
        self.history.held_out.append((self.steps, loss))
        if worth is not None:
            self.history.answered.append((self.steps, worth))
        if (found := stands(loss, worth)) < self.best:
            self.best, self.idle = found, 0
            self.weights.keep()
            self.history.best_step = self.steps
        else:
            self.idle += 1
            self.stopped = self.idle >= self.schedule.patience

    def lie_in(self, inserted: Inserted) -> None:
        """Train what was inserted anew from here on; the values go on."""
        self.inserted = inserted
        self.weights.lie_in(list(inserted.named.values()))

    def masters(self) -> State:
        """What is trained, by name, copied."""
        return dict(zip(self.inserted.named, self.weights.values(), strict=True))

    def learned(self) -> LearnedTensors:
        """What the masters hold, as it is kept."""
        return self.inserted.learned(self.masters())

    @torch.no_grad()
    def loss(self, rows: Sequence[TokenRow]) -> float:
        """Mean loss per answer token, without dropout."""
        ordered = sorted(rows, key=lambda row: row.tokens)
        with at_rest(self.inserted.module):
            return self._in_parts("prefill", ordered, lambda part: self._summed_loss(part).item()) / self._size(rows)

    def _in_parts(self, kind: str, rows: Sequence[TokenRow], work: Callable[[Sequence[TokenRow]], float]) -> float:
        """Sum of what `work` finds for each part; where memory runs out, all of it anew in smaller parts."""
        lengths = [one.tokens for row in rows for one in row.rows]
        packs = self.model.reader.packs_rows(self.inserted.virtual_tokens + max(lengths) - 1)
        parts = ([one for row in part for one in row.rows] for part in parts_of(rows, self.at_once))
        read = sum(map(packed_length, parts)) if packs else sum(lengths) - len(lengths)
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
                    never = self.history.checkpointing or self.schedule.checkpointing == "never" or kind != "train"
                    if len(part) == 1 and never:
                        raise too_large(self.model, error, part[0].tokens) from error
                # What the failed pass held is let go only here, where the error is gone.
                if len(part) == 1:
                    self.history.checkpointing = True
                    log.info("memory did not suffice; layers are computed again from here on")
                else:
                    self.at_once = sum(row.tokens for row in part) // 2
                    log.info("memory did not suffice; %d tokens at once from here on", self.at_once)
                self.weights.drop_gradients()
                give_back()

    def _size(self, rows: Sequence[TokenRow]) -> int:
        """What a mean loss is the mean over."""
        return sum(len(row.answer) for row in rows)

    def _summed_loss(self, rows: Sequence[TokenRow], smoothing: float = 0.0) -> torch.Tensor:
        read = passes(self.model, rows, self.inserted.start, self.history.checkpointing)
        return torch.stack([self._cross_entropy(hidden, targets, smoothing) for _, hidden, targets in read]).sum()

    def _cross_entropy(self, hidden: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
        logits = self.model.head(hidden).float()
        return cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)


@contextmanager
def at_rest(wrapped: Any) -> Iterator[None]:
    """Without the adapters' dropout; only they are in training mode, the model itself never is."""
    active = [module for module in wrapped.modules() if module.training]
    for module in active:
        module.training = False
    try:
        yield
    finally:
        for module in active:
            module.training = True


def stands(loss: float, worth: float | None) -> tuple[float, float]:
    """How training stands by what it is judged by, less being better, with the loss to tell those apart that are
    alike."""
    return (loss if worth is None else 1 - worth), loss


def diverged(schedule: Schedule, steps: int) -> UserError:
    """What is said of a training that never was a number."""
    what = f"training diverged: behind step {steps} the loss is no number, with a learning rate of {schedule.lr:g} and"
    return UserError(f"{what} with half of it", f"a lower one, such as lr={schedule.lr / 3:.1g}")


def _nothing() -> None:
    """Nobody is told."""
