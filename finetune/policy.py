"""Training on drawn answers: those that a reward model rewards more than others to the same prompt become likelier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev

import torch
from torch.nn.functional import cross_entropy

from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from finetune.fused.packing import TokenRow
from finetune.insertion import Insertion
from finetune.methods.contract import Inserted
from finetune.minibatches import parts_of
from finetune.passes import passes
from finetune.preference_settings import PolicySettings
from finetune.rewards import RewardModel
from finetune.trainer import TOKENS_AT_ONCE, Trainer, at_rest

LEAST_SPREAD = 1e-4  # added to the spread of rewards, by which GRPO divides


@dataclass(frozen=True, slots=True)
class DrawnRow(TokenRow):
    """An answer that was drawn.

    Attributes:
        started: log-probability of each of its tokens by the model that training began with.
        reward: what the reward model gives it.
        advantage: by how much it is better than the others.
    """

    started: tuple[float, ...] = ()
    reward: float = 0.0
    advantage: float = 0.0


class PolicyTrainer(Trainer):
    """Takes prompts; each step draws answers to some, has them rewarded and follows the policy gradient once.

    Attributes, to be set before `begin`:
        insertion: what is trained, which the model is without while the reward model and the start are asked.
        reward: tells what answers are worth.
        longest: tokens of a drawn answer at most.
        watched: prompts whose answers tell the reward before and after.
    """

    schedule: PolicySettings
    insertion: Insertion
    reward: RewardModel
    longest: int
    watched: Sequence[TokenRow]

    def __init__(self, model: LocalModel, inserted: Inserted, schedule: PolicySettings) -> None:
        super().__init__(model, inserted, schedule)
        self.before = math.nan
        self.asked: Sequence[TokenRow] = ()

    def begin(self, examples: Sequence[TokenRow], held_out: Sequence[TokenRow], seed: int) -> None:
        """Lay out the whole training, and see what answers are worth before it."""
        super().begin(examples, held_out, seed)
        self.asked = examples
        self.before = fmean(row.reward for row in self._rewarded(self._drawn(self.watched, 1)))

    def finish(self) -> None:
        """Say what became of the reward, and how far answers are from the start."""
        super().finish()
        drawn = self._rewarded(self._drawn(self.watched, 1))
        after, divergence = fmean(row.reward for row in drawn), self._divergence(drawn)
        self.history.remarks = [
            f"Mean reward of drawn answers to {len(drawn)} prompts: {self.before:+.2f} before, {after:+.2f} after; the "
            f"KL divergence from the start was {divergence:.1f} nats an answer."
        ]

    def gradients(self, batch: Sequence[TokenRow]) -> float:
        """The loss of a step's drawn answers; its gradients lie in the working parameters afterwards."""
        samples = self.schedule.samples
        drawn = self._with_advantages(self._rewarded(self._drawn(batch, samples)), samples)
        size = sum(len(row.answer) for row in drawn) if self.schedule.by == "grpo" else len(drawn)

        def learn(part: Sequence[TokenRow]) -> float:
            share = torch.stack([self._loss_of(row, own) for row, own in zip(part, self._told(part), strict=True)])
            loss = share.sum() / size
            loss.backward()
            return loss.item()

        return self._in_parts("train", drawn, learn)

    def _loss_of(self, row: TokenRow, own: torch.Tensor) -> torch.Tensor:
        """Of one answer: RLOO's of the whole, GRPO's summed over its tokens, with the divergence of each (Schulman's
        estimate, which is never below 0)."""
        assert isinstance(row, DrawnRow)
        if self.schedule.by == "rloo":
            return -row.advantage * own.sum()
        ratio = torch.tensor(row.started, device=own.device) - own
        return (self.schedule.beta * (ratio.exp() - ratio - 1) - row.advantage * own).sum()

    @torch.no_grad()
    def _with_advantages(self, drawn: Sequence[DrawnRow], samples: int) -> list[DrawnRow]:
        """How much better each is than the others to its prompt."""
        worth = [row.reward for row in drawn]
        if self.schedule.by == "rloo":
            own = self._quietly_told(drawn)
            far = [float(each.sum()) - sum(row.started) for each, row in zip(own, drawn, strict=True)]
            worth = [reward - self.schedule.beta * gone for reward, gone in zip(worth, far, strict=True)]
        groups = [worth[at : at + samples] for at in range(0, len(worth), samples)]
        found = [one for group in groups for one in advantages(group, self.schedule.by)]
        return [replace(row, advantage=one) for row, one in zip(drawn, found, strict=True)]

    @torch.no_grad()
    def _drawn(self, prompts: Sequence[TokenRow], each: int) -> list[DrawnRow]:
        """So many answers to each prompt, drawn from what is trained as it is now, without dropout."""
        end, drawn = self.model.renderer.end_id, list[DrawnRow]()
        with at_rest(self.inserted.module), clock.span("generate"):
            for row in prompts:
                for answer in self._answers(row.prompt, each):
                    drawn.append(DrawnRow(row.prompt, row.stem, (*answer, end)))
        return drawn

    def _answers(self, prompt: tuple[int, ...], each: int) -> list[tuple[int, ...]]:
        """Answers without the token that ends them, at temperature 1; one that does not end is cut off."""
        end, module = self.model.renderer.end_id, self.model.module
        ids = torch.tensor([prompt] * each, device=self.model.device)
        cache, written = None, list[torch.Tensor]()
        ended = torch.zeros(each, dtype=torch.bool, device=ids.device)
        for _ in range(self.longest):
            output = module(input_ids=ids, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            ids = torch.multinomial(output.logits[:, -1].float().softmax(-1), 1)
            ended = ended | (ids[:, 0] == end)
            if bool(ended.all()):
                break
            written.append(ids[:, 0])
        rows = torch.stack(written, 1).tolist() if written else [[] for _ in range(each)]
        return [tuple(row[: row.index(end)] if end in row else row) for row in rows]

    def _rewarded(self, drawn: Sequence[DrawnRow]) -> list[DrawnRow]:
        """The same with what the start and the reward model say of them."""
        with clock.span("prefill", 2 * sum(row.tokens for row in drawn)):
            with self.insertion.taken_out():
                self.model.activate(None)
                started = self._told_in_parts(drawn)
                rewards = self.reward.rewards(self.model, [TokenRow(r.prompt, r.stem, r.answer) for r in drawn])
            self.lie_in(self.insertion.inserted)
        return [
            replace(row, started=tuple(own.tolist()), reward=reward)
            for row, own, reward in zip(drawn, started, rewards, strict=True)
        ]

    def _divergence(self, drawn: Sequence[DrawnRow]) -> float:
        own = self._quietly_told(drawn)
        return fmean(float(each.sum()) - sum(row.started) for each, row in zip(own, drawn, strict=True))

    def _quietly_told(self, rows: Sequence[DrawnRow]) -> list[torch.Tensor]:
        with at_rest(self.inserted.module), clock.span("prefill", sum(row.tokens for row in rows)):
            return self._told_in_parts(rows)

    @torch.no_grad()
    def _told_in_parts(self, rows: Sequence[DrawnRow]) -> list[torch.Tensor]:
        return [own for part in parts_of(rows, TOKENS_AT_ONCE) for own in self._told(part)]

    def _told(self, rows: Sequence[TokenRow]) -> list[torch.Tensor]:
        """Log-probabilities of the tokens of each answer, by what the model is now."""
        found: dict[int, torch.Tensor] = {}
        for numbers, hidden, targets in passes(self.model, rows, None, self.history.checkpointing):
            each = -cross_entropy(self.model.head(hidden).float(), targets, reduction="none")
            found.update(zip(numbers, each.split([len(rows[number].answer) for number in numbers]), strict=True))
        return [found[number] for number in range(len(rows))]


def advantages(worth: Sequence[float], by: str) -> list[float]:
    """Of answers to one prompt: each beside the mean of the others, or beside that of all in units of their spread."""
    if by == "rloo":
        total = sum(worth)
        return [one - (total - one) / (len(worth) - 1) for one in worth]
    mean, spread = fmean(worth), pstdev(worth) * math.sqrt(len(worth) / (len(worth) - 1))
    return [(one - mean) / (spread + LEAST_SPREAD) for one in worth]
