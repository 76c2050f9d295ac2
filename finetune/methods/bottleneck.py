"""Adapter layers behind the parts of each block: a way down, a nonlinearity, a way up, beside what passes through."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import gelu

from advisor.approaches import Facts, Tuned
from advisor.errors import NotApplicable, UserError
from advisor.models import Attached
from advisor.models.local.device import device_of
from advisor.models.local.engine import LocalModel
from finetune.adapter import key_of
from finetune.methods.contract import Inserted, LearnedTensors, Method, State
from finetune.parts import BlockPart, parts_of_layers

WEIGHTS, CONFIG = "adapter_layers.safetensors", "adapter_layers.json"


class AdapterLayer(nn.Module):
    """Adds to what it is given, shape (..., size), what a network of `width` makes of it; at first nothing."""

    def __init__(self, size: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        self.dropout = nn.Dropout(dropout)
        for rest in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(rest)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """What goes on in place of `given`."""
        found: torch.Tensor = given + self.up(self.dropout(gelu(self.down(given))))
        return found


@dataclass(frozen=True)
class BottleneckMethod(Method):
    """Adapter layers of one width. Attributes as of `finetune.bottleneck.Bottleneck`."""

    width: int
    place: str = "both"
    dropout: float = 0.0

    @contextmanager
    def inserted(self, model: LocalModel) -> Iterator[Inserted]:
        """A layer in the model's dtype behind each part."""
        with model.own_weights():
            parts = self._parts(model)
            layers = {part.name: AdapterLayer(part.size, self.width, self.dropout) for part in parts}
            take_out = put_in(model.module, layers)
            try:
                whole = nn.ModuleList(layers.values()).train()
                named = {f"{name}.{key}": p for name, layer in layers.items() for key, p in layer.named_parameters()}
                yield Inserted(whole, named)
            finally:
                take_out()

    def tuned(self, model: LocalModel, learned: LearnedTensors) -> Tuned:
        """Attached, whichever way it was learned."""
        return TunedLayers(self, {name: t.float().cpu() for name, t in learned.state.items()}, len(self._parts(model)))

    def restore(self, folder: Path, model: LocalModel) -> Tuned:
        """Read the layers, by what was saved with them.

        Raises:
            UserError: they are of another model.
        """
        saved = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        method, state = BottleneckMethod(saved["width"], saved["place"]), load_file(folder / WEIGHTS)
        parts = {f"{part.name}.down.weight": (method.width, part.size) for part in method._parts(model)}
        found = {name: tuple(t.shape) for name, t in state.items() if name.endswith(".down.weight")}
        if found != parts:
            raise UserError(f"{folder / WEIGHTS}: these adapter layers are of another model", f"not {model.name}")
        return TunedLayers(method, state, len(parts))

    def _parts(self, model: LocalModel) -> list[BlockPart]:
        found = parts_of_layers(model.module, ("mlp",) if self.place == "mlp" else ("attention", "mlp"))
        if not found:
            where = "MLP" if self.place == "mlp" else "attention or MLP"
            raise NotApplicable(f"adapter layers lie behind a block's {where}, and {model.name} has no such part")
        return found


class TunedLayers(Tuned):
    """Trained adapter layers, which are attached where they are used."""

    def __init__(self, method: BottleneckMethod, state: State, count: int) -> None:
        self.method = method
        self.state = state
        size = sum(t.numel() for t in state.values())
        note = f"Queries pass through {count} adapter layers, which no weights of the model can stand for."
        self.facts = Facts(artifact_bytes=4 * size, trainable_parameters=size, notes=(note,))
        key = f"{key_of(state)}-layers"
        self._adaptation = Attached(key, lambda module: _attached(module, state))

    @property
    def adaptation(self) -> Attached:
        """The layers, behind the parts of the model that they were trained behind."""
        return self._adaptation

    def save(self, folder: Path) -> None:
        """Write tensors by the name of the part, and what the layers are."""
        save_file(self.state, folder / WEIGHTS)
        config = {"width": self.method.width, "place": self.method.place}
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")


@torch.inference_mode(False)
@torch.no_grad()
def _attached(module: Any, state: State) -> Callable[[], None]:
    tensors: dict[str, State] = {}
    for name, tensor in state.items():
        place, way, kind = name.rsplit(".", 2)
        tensors.setdefault(place, {})[f"{way}.{kind}"] = tensor
    layers: dict[str, AdapterLayer] = {}
    for place, own in tensors.items():
        width, size = own["down.weight"].shape
        with torch.device("meta"):  # nothing is drawn
            layers[place] = AdapterLayer(size, width)
        layers[place].load_state_dict(own, assign=True)
    return put_in(module, {place: layer.eval().requires_grad_(False) for place, layer in layers.items()})


def put_in(module: Any, layers: Mapping[str, nn.Module]) -> Callable[[], None]:
    """Let what each named part of a module says pass through a layer; returns what takes the layers out again."""
    hooks = []
    for name, layer in layers.items():
        layer.to(device_of(module), module.dtype)
        hooks.append(module.get_submodule(name).register_forward_hook(_behind(layer)))

    def take_out() -> None:
        for hook in hooks:
            hook.remove()

    return take_out


def _behind(layer: nn.Module) -> Callable[[Any, Any, Any], Any]:
    def passed(part: Any, given: Any, said: Any) -> Any:
        return (layer(said[0]), *said[1:]) if isinstance(said, Sequence) else layer(said)

    return passed
