"""One configuration's adapter in the model, beside those of others, and its training, which can be left and resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig

from advisor.models.local.engine import LocalModel
from finetune import adapter
from finetune.trainer import Schedule, Trainer


@dataclass(frozen=True)
class Recipe:
    """All that decides a training beside its examples and its seed; named as the fields of `Settings`."""

    rank: int
    alpha: int
    lr: float
    epochs: int
    batch: int
    dropout: float
    dora: bool = False

    @property
    def config(self) -> LoraConfig:
        """The configuration for PEFT, which names no layers yet; each time another object."""
        return adapter.configuration(self.rank, self.alpha, self.dropout, self.dora)


class Candidate:
    """A recipe's adapter and trainer. What happens to other candidates changes nothing in it.

    Attributes:
        random: where its dropout comes from; it goes on where it stopped, as in a training without pauses.
    """

    def __init__(self, model: LocalModel, wrapped: Any, name: str, recipe: Recipe) -> None:
        self.model = model
        self.wrapped = wrapped
        self.name = name
        self.recipe = recipe
        self.trainer = Trainer(model, wrapped, Schedule(recipe.lr, recipe.epochs, recipe.batch))
        self.random = torch.Generator(model.device)
        self.random.set_state(_generator(model.device).get_state())

    @property
    def config(self) -> LoraConfig:
        """The configuration as it is in this model: with the layers that the adapter lies on, and those left out."""
        found: LoraConfig = self.wrapped.peft_config[self.name]
        return found

    @contextmanager
    def active(self) -> Iterator[None]:
        """While the block runs, the model computes with this adapter, and dropout is drawn from `random`."""
        self.wrapped.set_adapter(self.name)
        with self.drawing():
            yield

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """While the block runs, torch draws from `random` where no generator is named."""
        drawn = _generator(self.model.device)
        drawn.set_state(self.random.get_state())
        yield
        self.random.set_state(drawn.get_state())

    def state(self) -> adapter.State:
        """The adapter, as its float32 masters hold it; named as PEFT names it."""
        with self.active():
            names = [name for name, parameter in self.wrapped.named_parameters() if parameter.requires_grad]
            masters = dict(zip(names, self.trainer.state(), strict=True))
            return adapter.state_of(self.wrapped, self.name, masters)


@contextmanager
def entered(model: LocalModel, recipes: Sequence[Recipe], seed: int) -> Iterator[list[Candidate]]:
    """An adapter for each recipe in the model, none of them trained; each begins as it would alone."""
    torch.manual_seed(seed)
    with adapter.inserted(model, recipes[0].config) as wrapped:
        found = [Candidate(model, wrapped, adapter.FIRST, recipes[0])]
        for number, recipe in enumerate(recipes[1:], start=2):
            torch.manual_seed(seed)
            adapter.add(wrapped, f"candidate_{number}", recipe.config)
            found.append(Candidate(model, wrapped, f"candidate_{number}", recipe))
        yield found


@contextmanager
def untouched(candidates: Sequence[Candidate]) -> Iterator[None]:
    """Where the block fails, the candidates draw again what they drew in it."""
    before = [candidate.random.get_state() for candidate in candidates]
    try:
        yield
    except BaseException:
        for candidate, state in zip(candidates, before, strict=True):
            candidate.random.set_state(state)
        raise


def _generator(device: torch.device) -> torch.Generator:
    """The generator from which torch draws on `device` where no other is named."""
    if device.type == "cuda":
        found: torch.Generator = torch.cuda.default_generators[device.index or 0]
        return found
    return torch.mps._get_default_mps_generator() if device.type == "mps" else torch.default_generator
