"""Low-rank adapters (Hu et al. 2021) on a local model: put in by PEFT, taken out again without a trace."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer, ParamWrapper
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from advisor.errors import NotApplicable
from advisor.models import Attached, Merged
from advisor.models.adaptation import Rebuilt
from advisor.models.local import onto
from advisor.models.local.engine import LocalModel
from advisor.models.local.folder import ADAPTER_WEIGHTS
from advisor.models.local.quantising import dequantised, holds_numbers
from advisor.models.local.shortage import telling
from finetune.fused.layers import fused
from finetune.methods.contract import State
from finetune.targets import ALL, left_out

INSIDE = "base_model.model."  # before the names of a model's modules, where PEFT has it
FIRST = "default"  # PEFT's name of a model's first adapter


@contextmanager
def inserted(model: LocalModel, config: LoraConfig) -> Iterator[Any]:
    """The model with fresh adapters in it; afterwards it is bit for bit the model that it was.

    The adapters are held in the model's dtype, so that a step computes in that dtype throughout.
    """
    with model.own_weights():
        wrapped = _put_in(model.module, config)
        try:
            with fused(wrapped):
                yield wrapped
        finally:
            _take_out(wrapped, model.module)


def _put_in(module: Any, config: LoraConfig) -> Any:
    if config.target_modules == ALL:
        config.exclude_modules = left_out(module).layers or None
    if config.use_dora and any(_loses_scales(part) for part in module.modules()):
        raise NotApplicable(
            "DoRA cannot be laid beside weights of eight bits on a CPU, whose scales PEFT loses when it reads them; "
            "leave dora out, or quantise to four bits (--quantize 4bit)"
        )
    with _quietly():
        wrapped = get_peft_model(module, config, autocast_adapter_dtype=False)
    _in_format_of(module, wrapped)
    return wrapped


def _loses_scales(part: Any) -> bool:
    """Whether a layer holds codes of bitsandbytes' eight bits on a CPU, which PEFT puts into it anew for DoRA."""
    weight: Any = getattr(part, "weight", None)
    return type(weight).__name__ == "Int8Params" and weight.device.type == "cpu"


def _in_format_of(module: Any, wrapped: Any) -> None:
    """Hold adapters beside codes in the number format in which these compute; PEFT has them in float32."""
    for layer in wrapped.modules():
        if not isinstance(layer, LoraLayer) or isinstance(layer, ParamWrapper):
            continue
        if not holds_numbers(getattr(layer.get_base_layer(), "weight", None)):
            for parameter in cast("nn.Module", layer).parameters():
                if parameter.requires_grad:
                    parameter.data = parameter.data.to(module.dtype)


def _take_out(wrapped: Any, module: Any) -> None:
    wrapped.unload()
    module.requires_grad_(False)
    module.eval()
    for leftover in ("peft_config", "_hf_peft_config_loaded"):
        vars(module).pop(leftover, None)


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():  # PEFT asks the model by a name that Transformers is giving up
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out", UserWarning)  # it then does what is right
        # weights may lie elsewhere now; that they are the same is told by their contents
        warnings.filterwarnings("ignore", "The PEFT config's `base_model_name_or_path`", UserWarning)
        yield


def configuration(rank: int, alpha: int, dropout: float = 0.0, dora: bool = False) -> LoraConfig:
    """LoRA, or DoRA, on all linear layers but the output layer, and but what `targets.left_out` says of a model."""
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        use_dora=dora,
        target_modules=ALL,
        task_type="CAUSAL_LM",
    )


def layers_of(model: LocalModel, config: LoraConfig, state: State) -> list[Layer]:
    """The layers that an adapter changes, as PEFT has them, with the adapter in float32; out of the model again.

    Args:
        state: the adapter's tensors in float32, named as PEFT names them.
    """
    with inserted(model, config) as wrapped, torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        set_peft_model_state_dict(wrapped, state)
        return [
            Layer(n.removeprefix(INSIDE).replace(".base_layer", ""), m)
            for n, m in wrapped.named_modules()
            if isinstance(m, LoraLayer)
        ]


@dataclass(frozen=True)
class Layer:
    """One adapted layer.

    Attributes:
        name: of the model's own layer, in the model's module.
        peft: PEFT's layer around it.
    """

    name: str
    peft: Any

    @property
    def base(self) -> Any:
        """The model's own layer."""
        return self.peft.get_base_layer()

    @property
    def of_codes(self) -> bool:
        """Whether what the model has there are codes, to which nothing can be added."""
        return not holds_numbers(getattr(self.base, self.part, None))

    @property
    def can_be_rebuilt(self) -> bool:
        """Whether PEFT tells what the adapter adds to these codes (not of GPTQ's and AWQ's), and they are those of a
        linear layer, not of experts or a layer whose weight is transposed."""
        tells = hasattr(self.peft, "get_delta_weight") and not isinstance(self.peft, ParamWrapper)
        return tells and not isinstance(self.base, Conv1D)

    @property
    def part(self) -> str:
        """Which of its parameters is changed."""
        return onto.part_of(self.peft)

    @torch.inference_mode(False)
    @torch.no_grad()
    def merged(self, own: torch.Tensor) -> torch.Tensor:
        """What its own numbers become with the adapter in them."""
        try:
            return onto.merged(self.peft, own)
        finally:
            self.peft.merged_adapters.clear()  # so that it can be asked for again

    @torch.inference_mode(False)
    @torch.no_grad()
    def rebuilt(self, number_format: torch.dtype) -> nn.Linear:
        """A layer of plain numbers in place of its codes: what these stand for and the adapter, rounded once."""
        own = dequantised(self.base, number_format)
        both = own + self.peft.get_delta_weight(FIRST).float()
        if FIRST in self.peft.lora_variant:  # DoRA, whose rows have the length that it learned (Liu et al. 2024, eq. 5)
            length = self.peft.lora_magnitude_vector[FIRST].weight
            both *= (length / torch.linalg.norm(both, dim=1))[:, None]
        bias = self.base.bias
        found = nn.Linear(both.shape[1], both.shape[0], bias=bias is not None, device="meta")
        found.weight = nn.Parameter(both.to(number_format), requires_grad=False)
        if bias is not None:
            found.bias = nn.Parameter(bias.detach().to(number_format), requires_grad=False)
        return found.eval()


class MergedTensors(Mapping[str, torch.Tensor]):
    """Full tensors by parameter name, each merged when it is asked for: what is kept is the adapter."""

    def __init__(self, model: LocalModel, layers: Sequence[Layer]) -> None:
        self._model = model
        self._layers = {f"{layer.name}.{layer.part}": layer for layer in layers}

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._layers[name].merged(self._model.originals.own(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


def merged(model: LocalModel, layers: Sequence[Layer], state: State) -> Merged:
    """The model's weights with the adapter in them; of a model whose weights are codes, `rebuilt`.

    Args:
        layers: as `layers_of` finds them.
    """
    return Merged(key_of(state), MergedTensors(model, layers))


def rebuilt(model: LocalModel, layers: Sequence[Layer], state: State) -> Rebuilt:
    """The numbers that the model's codes stand for, with the adapter in them: never quantised again, which would take
    away what was learned.

    Args:
        layers: as `layers_of` finds them, each of which can be rebuilt.
    """

    def attach(module: Any) -> Callable[[], None]:
        own: list[tuple[Any, str, Any]] = []

        def put_back() -> None:
            for parent, name, layer in own:
                setattr(parent, name, layer)

        size = sum(layer.base.in_features * layer.base.out_features for layer in layers) * model.dtype.itemsize
        try:
            with telling("the adapter in the model's dequantised weights", model.device, size):
                for layer in layers:
                    stem, _, name = layer.name.rpartition(".")
                    parent, new = module.get_submodule(stem), layer.rebuilt(model.dtype)
                    own.append((parent, name, layer.base))
                    setattr(parent, name, new)
        except BaseException:
            put_back()
            raise
        return put_back

    return Rebuilt(f"{key_of(state)}-dequantised", attach)


def attached(config: LoraConfig, state: State) -> Attached:
    """The adapter as PEFT computes it beside the model's own weights, in the model's dtype.

    Args:
        state: as for `layers_of`.
    """

    def attach(module: Any) -> Callable[[], None]:
        with torch.inference_mode(False):
            wrapped = _put_in(module, config)
            try:
                set_peft_model_state_dict(wrapped, state)
                wrapped.requires_grad_(False)
                wrapped.eval()
            except BaseException:
                _take_out(wrapped, module)
                raise
        return lambda: _take_out(wrapped, module)

    return Attached(f"{key_of(state)}-attached", attach)


def key_of(state: Mapping[str, torch.Tensor]) -> str:
    """Content hash of what was learned."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().cpu().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def state_of(wrapped: Any, name: str = FIRST, tensors: State | None = None) -> State:
    """The tensors of the adapter `name` as PEFT names them, copied to the CPU in float32.

    Args:
        tensors: by parameter name, what is to be taken in place of the parameters themselves.
    """
    found = get_peft_model_state_dict(wrapped, state_dict=tensors, adapter_name=name)
    return {key: t.detach().float().cpu().clone() for key, t in found.items()}


def save(folder: Path, config: LoraConfig, state: State) -> None:
    """Write the adapter as PEFT would, for any tool that reads PEFT's format."""
    save_file(state, folder / ADAPTER_WEIGHTS)
    config.save_pretrained(str(folder))


def load(folder: Path) -> tuple[LoraConfig, State]:
    """Read what `save` wrote."""
    return LoraConfig.from_pretrained(str(folder)), load_file(folder / ADAPTER_WEIGHTS)
