"""Training on pairs of answers: the loop of `finetune.trainer` with a loss on how far the better one is ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy

from advisor.models.local.engine import LocalModel
from finetune.fused.packing import TokenRow
from finetune.methods.contract import Inserted
from finetune.passes import passes
from finetune.preference_losses import Ratios, of_each_pair
from finetune.preference_settings import PairSettings
from finetune.trainer import Trainer, at_rest


@dataclass(frozen=True, slots=True)
class TokenPair(TokenRow):
    """A row whose answer is the better of two.

    Attributes:
        rejected: the worse one, with the token that ends it.
        others: the same prompt with answers to another one, by which KTO tells how far the model is from its start.
    """

    rejected: tuple[int, ...] = ()
    others: tuple[TokenRow, ...] = ()

    @property
    def rows(self) -> tuple[TokenRow, ...]:
        """The prompt with either answer."""
        return tuple(TokenRow(self.prompt, self.stem, answer) for answer in (self.answer, self.rejected))

    @property
    def tokens(self) -> int:
        """Length of both."""
        return 2 * len(self.prompt) + len(self.answer) + len(self.rejected)


class PreferenceTrainer(Trainer):
    """Trains what was inserted on pairs.

    What the model is held to is the model as it was when training began, whatever it stands on: what was inserted
    changes nothing before the first step, so its log-probabilities are read then, in the arithmetic of training.
    """

    schedule: PairSettings

    def __init__(self, model: LocalModel, inserted: Inserted, schedule: PairSettings) -> None:
        super().__init__(model, inserted, schedule)
        self._start: dict[TokenRow, float] = {}
        self._divergence = 0.0

    def begin(self, examples: Sequence[TokenRow], held_out: Sequence[TokenRow], seed: int) -> None:
        """Lay out the whole training and read what it begins with, without taking a step."""
        super().begin(examples, held_out, seed)
        rows = {row: None for pair in (*examples, *held_out) for row in self._read_of(pair)}
        with torch.no_grad(), at_rest(self.inserted.module):
            self._in_parts("prefill", sorted(rows, key=lambda row: row.tokens), self._note_start)

    def gradients(self, batch: Sequence[TokenRow]) -> float:
        """A step's mean loss per pair; its gradients lie in the working parameters afterwards."""
        self._divergence = self._from_start(batch)
        return super().gradients(batch)

    def loss(self, rows: Sequence[TokenRow]) -> float:
        """Mean loss per pair, without dropout."""
        self._divergence = self._from_start(rows)
        return super().loss(rows)

    def finish(self) -> None:
        """Put back the best, and say how far answers moved on what was not trained on, else on what was."""
        super().finish()
        self.history.remarks = [self._moved(self.held_out, "held-out pairs")] if self.held_out else []

    def _size(self, rows: Sequence[TokenRow]) -> int:
        return len(rows)

    def _summed_loss(self, rows: Sequence[TokenRow], smoothing: float = 0.0) -> torch.Tensor:
        """Also where it is only asked for the loss is that of training: `smoothing` is part of what is believed."""
        recipe = self.schedule
        return of_each_pair(recipe.loss, self._ratios(rows), recipe.beta, recipe.smoothing).sum()

    def _ratios(self, pairs: Sequence[TokenRow]) -> Ratios:
        rows = [row for pair in pairs for row in pair.rows]
        gained = self._log_probabilities(rows) - self._started(rows)
        lengths = torch.tensor([len(row.answer) for row in rows], device=gained.device)
        return Ratios(gained[::2], gained[1::2], lengths[::2], lengths[1::2], self._divergence)

    def _log_probabilities(self, rows: Sequence[TokenRow]) -> torch.Tensor:
        """Of the rows' answers, shape (rows,), through which gradients reach what is trained."""
        found: dict[int, torch.Tensor] = {}
        for numbers, hidden, targets in passes(self.model, rows, self.inserted.start, self.history.checkpointing):
            each = -cross_entropy(self.model.head(hidden).float(), targets, reduction="none")
            parts = each.split([len(rows[number].answer) for number in numbers])
            found.update(zip(numbers, (part.sum() for part in parts), strict=True))
        return torch.stack([found[number] for number in range(len(rows))])

    def _started(self, rows: Sequence[TokenRow]) -> torch.Tensor:
        return torch.tensor([self._start[row] for row in rows], device=self.model.device)

    def _note_start(self, rows: Sequence[TokenRow]) -> float:
        self._start.update(zip(rows, self._log_probabilities(rows).tolist(), strict=True))
        return 0.0

    def _read_of(self, pair: TokenRow) -> tuple[TokenRow, ...]:
        others = pair.others if isinstance(pair, TokenPair) and self.schedule.loss == "kto" else ()
        return (*pair.rows, *others)

    @torch.no_grad()
    def _from_start(self, pairs: Sequence[TokenRow]) -> float:
        """The mean log-ratio of answers to other prompts, at least 0; 0 where no loss asks for it."""
        others = [row for pair in pairs for row in self._read_of(pair)[2:]]
        if not others:
            return 0.0
        with at_rest(self.inserted.module):
            gained = self._in_parts("prefill", others, lambda part: self._gained(part).sum().item())
        return max(0.0, gained / len(others))

    def _gained(self, rows: Sequence[TokenRow]) -> torch.Tensor:
        return self._log_probabilities(rows) - self._started(rows)

    @torch.no_grad()
    def _moved(self, pairs: Sequence[TokenRow], called: str) -> str:
        moved: list[Ratios] = []

        def note(part: Sequence[TokenRow]) -> float:
            moved.append(self._ratios(part))
            return 0.0

        with at_rest(self.inserted.module):
            self._in_parts("prefill", pairs, note)
        chosen, rejected = (torch.cat([getattr(one, side) for one in moved]) for side in ("chosen", "rejected"))
        ahead = float((chosen > rejected).float().mean())
        return (
            f"On {len(pairs)} {called} the chosen answer gained more than the rejected one in {ahead:.0%} (implicit "
            f"reward accuracy): its log-probability changed by {float(chosen.mean()):+.1f} nats, that of the rejected "
            f"one by {float(rejected.mean()):+.1f}."
        )
