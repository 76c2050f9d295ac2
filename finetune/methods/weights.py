"""Weights of the model's own: all that a text passes through, or those of the last layers and behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from advisor.approaches import Facts, Tuned
from advisor.errors import NotApplicable, UserError
from advisor.models import Merged
from advisor.models.local.engine import LocalModel
from advisor.models.local.quantising import holds_numbers, quantised
from advisor.models.local.shortage import give_back
from finetune.adapter import key_of
from finetune.methods.contract import Inserted, LearnedTensors, Method
from finetune.parts import order_of
from finetune.targets import left_out

FILE = "weights.safetensors"


@dataclass(frozen=True)
class WeightsMethod(Method):
    """Trains the model's own parameters where they lie, and puts back what they were.

    Attributes:
        last: layers that are trained, with what lies behind the last of them; 0 for all weights.
    """

    last: int = 0

    @contextmanager
    def inserted(self, model: LocalModel) -> Iterator[Inserted]:
        """The parameters themselves, their originals being kept elsewhere meanwhile.

        Raises:
            NotApplicable: they are codes, or there is no room for what training them takes.
        """
        if quantised(model.module):
            raise NotApplicable(
                f"the weights of {model.name} are quantised, and codes are not trained; lora lies beside"
            )
        names = _all(model.module) if not self.last else _last(model.module, self.last)
        named = {name: model.module.get_parameter(name) for name in names}
        if not all(holds_numbers(p) for p in named.values()):
            raise NotApplicable(f"some weights of {model.name} are codes, and codes are not trained; lora lies beside")
        with in_place(model, named):
            yield Inserted(model.module, named, rounded=True)

    def tuned(self, model: LocalModel, learned: LearnedTensors) -> Tuned:
        """In place of the model's own."""
        give_back()  # some gigabytes that training took, and nobody will ask for again
        return TunedWeights(model, {name: t.cpu() for name, t in learned.state.items()})

    def restore(self, folder: Path, model: LocalModel) -> Tuned:
        """Read the weights, each when it is asked for.

        Raises:
            UserError: they are of another model.
        """
        tensors = TensorsOfFile(folder / FILE)
        own = {name: p.shape for name, p in model.module.named_parameters()}
        if any(own.get(name) != torch.Size(shape) for name, shape in tensors.shapes.items()):
            raise UserError(f"{folder / FILE}: these weights are of another model", f"not {model.name}")
        return TunedWeights(model, tensors)

    def notes(self, model: LocalModel) -> tuple[str, ...]:
        """What was trained, and what was not."""
        if not self.last:
            parts = left_out(model.module).parts
            return (f"Not trained: {', '.join(parts)}, which no text passes through.",) if parts else ()
        count, tied = len(order_of(model.module).blocks), _head_is_tied(model.module)
        head = "; the head is the embedding's matrix and was left as it is" if tied else " and the head"
        return (f"Trained were the last {min(self.last, count)} of {count} layers, the final norm{head}.",)


@contextmanager
def in_place(model: LocalModel, named: Mapping[str, torch.nn.Parameter]) -> Iterator[None]:
    """Parameters of the model's own may be trained in the block; afterwards they are bit for bit what they were.

    Args:
        named: by their names in the model.
    """
    with model.own_weights(), model.originals.held(named):
        for parameter in named.values():
            parameter.requires_grad_(True)
        try:
            yield
        finally:
            for parameter in named.values():
                parameter.requires_grad_(False)
                parameter.grad = None


class TunedWeights(Tuned):
    """Tuned weights that stand in place of the model's own."""

    def __init__(self, model: LocalModel, tensors: Mapping[str, torch.Tensor]) -> None:
        self._tensors = tensors
        own = {name: model.module.get_parameter(name) for name in tensors}
        notes: tuple[str, ...] = ()
        if model.originals.place(own) == "disk":
            notes = ("The model's own weights lay on disk meanwhile: memory had no room for a second copy.",)
        self.facts = Facts(
            artifact_bytes=sum(p.nbytes for p in own.values()),
            trainable_parameters=sum(p.numel() for p in own.values()),
            notes=notes,
        )
        self._adaptation = Merged(key_of(tensors), tensors)

    @property
    def adaptation(self) -> Merged:
        """The weights, by the names of the model's own."""
        return self._adaptation

    def save(self, folder: Path) -> None:
        """Write the weights in the number format in which they answer, the very numbers."""
        save_file(dict(self._tensors), folder / FILE)


class TensorsOfFile(Mapping[str, torch.Tensor]):
    """The tensors of a file, each read when it is asked for."""

    def __init__(self, file: Path) -> None:
        opened: Any = safe_open(file, "pt")
        self._open = opened
        self.shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self.shapes:
            raise KeyError(name)
        found: torch.Tensor = self._open.get_tensor(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


def _all(module: Any) -> list[str]:
    apart = tuple(f"{part}." for part in left_out(module).parts)
    return [name for name, _ in module.named_parameters() if not name.startswith(apart)]


def _last(module: Any, count: int) -> list[str]:
    """Parameters of the last layers, and of what a text passes through behind them and not before."""
    order = order_of(module)
    inside = tuple(f"{block}." for block in order.blocks[-count:])
    before = {
        id(p)
        for name, part in module.named_modules()
        if name not in order.behind and not f"{name}.".startswith(inside)
        for p in part.parameters(recurse=False)
    }
    behind = set(order.behind)
    return [
        name
        for name, p in module.named_parameters()
        if name.startswith(inside) or (name.rpartition(".")[0] in behind and id(p) not in before)
    ]


def _head_is_tied(module: Any) -> bool:
    head, embedding = module.get_output_embeddings(), module.get_input_embeddings()
    return head is not None and head.weight is embedding.weight
