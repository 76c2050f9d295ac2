"""The reward model: the language model with an adapter, and a head that makes one number of an answer's last state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import logsigmoid

from advisor.models import Attached
from advisor.models.local.engine import LocalModel
from finetune import adapter
from finetune.fused.packing import TokenRow
from finetune.lora import Lora
from finetune.methods.contract import Inserted, LearnedTensors, State, TrainedStart
from finetune.methods.lora import LoraMethod
from finetune.methods.peft import AdapterConfig
from finetune.minibatches import parts_of
from finetune.passes import passes
from finetune.trainer import TOKENS_AT_ONCE, Trainer, at_rest

HEAD = "reward head"
_BEGUN = 0.02  # standard deviation of a fresh head, as Transformers has it


@dataclass(frozen=True)
class RewardRecipe(Lora):
    """How a reward model is trained."""

    lr: float = field(default=2e-4, kw_only=True)

    name: ClassVar[str] = "reward model"

    def method(self) -> Any:
        """An adapter and a head."""
        return RewardMethod(self.rank, self.alpha, self.dropout, targets=self.targets, serve="attached")

    def trainer(self) -> Any:
        """On pairs."""
        return RewardTrainer


@dataclass(frozen=True)
class RewardMethod(LoraMethod):
    """Low-rank adapters, and a head beside the model's own."""

    @contextmanager
    def inserted(self, model: LocalModel) -> Iterator[Inserted]:
        """An adapter on each linear layer, and a head in float32."""
        with LoraMethod.inserted(self, model) as lora:
            size = model.module.get_input_embeddings().weight.shape[1]
            head = torch.nn.Parameter(_BEGUN * torch.randn(size, device=model.device))

            def learned(masters: State) -> LearnedTensors:
                own = {name: tensor for name, tensor in masters.items() if name != HEAD}
                found = lora.learned(own)
                return LearnedTensors({**found.state, HEAD: masters[HEAD]}, found.config)

            yield Inserted(lora.module, {**lora.named, HEAD: head}, learned)


class RewardTrainer(Trainer):
    """Chosen answers are to get more than rejected ones: the loss of a pair is that of Bradley and Terry."""

    def accuracy(self, pairs: Sequence[TokenRow]) -> float:
        """Share of the pairs whose chosen answer gets more, without dropout."""
        with torch.no_grad(), at_rest(self.inserted.module):
            return self._in_parts("prefill", pairs, lambda part: float((self._ahead(part) > 0).sum())) / len(pairs)

    def _size(self, rows: Sequence[TokenRow]) -> int:
        return len(rows)

    def _summed_loss(self, rows: Sequence[TokenRow], smoothing: float = 0.0) -> torch.Tensor:
        return -logsigmoid(self._ahead(rows)).sum()

    def _ahead(self, pairs: Sequence[TokenRow]) -> torch.Tensor:
        rows = [row for pair in pairs for row in pair.rows]
        states = last_states(self.model, rows, self.inserted.start, self.history.checkpointing)
        rewards = states @ self.inserted.named[HEAD]
        return rewards[::2] - rewards[1::2]


@dataclass(frozen=True)
class RewardModel:
    """What tells the worth of answers.

    Attributes:
        learned: adapter and head.
        accuracy: share of the pairs held out whose chosen answer gets more; None where none were.
        pairs: how many these are.
    """

    learned: LearnedTensors
    accuracy: float | None
    pairs: int

    @property
    def adaptation(self) -> Attached:
        """The adapter."""
        own = {name: tensor for name, tensor in self.learned.state.items() if name != HEAD}
        return adapter.attached(self.learned.config.peft, own)

    @torch.no_grad()
    def rewards(self, model: LocalModel, rows: Sequence[TokenRow]) -> list[float]:
        """Of answers behind their prompts, by the model, which answers with its own weights afterwards."""
        head, found = self.learned.state[HEAD].to(model.device), dict[TokenRow, float]()
        model.activate(self.adaptation)
        try:
            for part in parts_of(sorted(set(rows), key=lambda row: row.tokens), TOKENS_AT_ONCE):
                found.update(zip(part, (last_states(model, part) @ head).tolist(), strict=True))
        finally:
            model.activate(None)
        return [found[row] for row in rows]

    def save(self, folder: Path) -> None:
        """Write what `load` needs."""
        own, config = dict(self.learned.state), self.learned.config
        save_file({"head": own.pop(HEAD).cpu().contiguous()}, folder / "head.safetensors")
        (folder / "adapter").mkdir()
        adapter.save(folder / "adapter", config.peft, own, config.trained)

    @classmethod
    def load(cls, folder: Path, accuracy: float | None, pairs: int) -> RewardModel:
        """Read what was saved."""
        config, state, trained = adapter.load(folder / "adapter")
        head = load_file(folder / "head.safetensors")["head"]
        return cls(LearnedTensors({**state, HEAD: head}, AdapterConfig(config, trained)), accuracy, pairs)


def last_states(
    model: LocalModel, rows: Sequence[TokenRow], start: TrainedStart | None = None, again: bool = False
) -> torch.Tensor:
    """The last hidden state that has seen each row's whole answer but the token that ends it, float32, shape (rows,
    size)."""
    found: dict[int, torch.Tensor] = {}
    for numbers, hidden, _ in passes(model, rows, start, again):
        ends = torch.tensor([len(rows[number].answer) for number in numbers]).cumsum(0) - 1
        found.update(zip(numbers, hidden[ends.to(hidden.device)].float(), strict=True))
    return torch.stack([found[number] for number in range(len(rows))])
