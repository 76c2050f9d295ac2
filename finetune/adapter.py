"""Adapters of PEFT's kinds on a local model: put in by PEFT, taken out again without a trace."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.tuners.lora import LoraLayer, ParamWrapper
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from advisor.errors import NotApplicable
from advisor.models import Attached
from advisor.models.local.engine import LocalModel
from advisor.models.local.folder import ADAPTER_WEIGHTS
from advisor.models.local.quantising import holds_numbers
from finetune.fused.layers import fused
from finetune.methods.contract import State
from finetune.targets import ALL, left_out

INSIDE = "base_model.model."  # before the names of a model's modules, where PEFT has it
TRAINED = "trainable_parameters"  # beside the tensors of a saved adapter; PEFT reads past it
FIRST = "default"  # PEFT's name of a model's first adapter


@contextmanager
def inserted(model: LocalModel, config: PeftConfig) -> Iterator[Any]:
    """The model with fresh adapters in it; afterwards it is bit for bit the model that it was.

    Low-rank ones are held in the model's dtype, so that a step computes in that dtype throughout; the others as PEFT
    has them, in float32 where their layers know how to compute so beside a model of another dtype.

    Raises:
        NotApplicable: they do not go into this model.
    """
    with model.own_weights():
        wrapped = _put_in(model.module, config)
        try:
            with fused(wrapped):
                yield wrapped
        finally:
            _take_out(wrapped, model.module)


def _put_in(module: Any, config: PeftConfig) -> Any:
    low_rank = isinstance(config, LoraConfig)
    if isinstance(config, LoraConfig) and config.target_modules == ALL:
        config.exclude_modules = [*left_out(module).layers, *(config.exclude_modules or ())] or None
    if isinstance(config, LoraConfig) and config.use_dora and any(_loses_scales(part) for part in module.modules()):
        raise NotApplicable(
            "DoRA cannot be laid beside weights of eight bits on a CPU, whose scales PEFT loses when it reads them; "
            "leave dora out, or quantise to four bits (--quantize 4bit)"
        )
    own = list(module.named_modules())
    try:
        with _quietly():
            wrapped = get_peft_model(module, config, autocast_adapter_dtype=not low_rank)
    except BaseException as error:
        _put_back(module, own)
        if isinstance(error, ValueError | TypeError | NotImplementedError):
            why = next(iter(str(error).splitlines()), type(error).__name__)
            raise NotApplicable(f"{kind_of(config)} does not go onto this model: {why}") from error
        raise
    if low_rank:
        _in_format_of(module, wrapped)
    return wrapped


def kind_of(config: PeftConfig) -> str:
    """PEFT's name of a kind of adapters, as it is written here."""
    return str(getattr(config.peft_type, "value", config.peft_type)).lower()


def _put_back(module: Any, own: list[tuple[str, nn.Module]]) -> None:
    """The modules that it had, where adapters were put in half way."""
    for name, part in own:
        if name and module.get_submodule(name) is not part:
            stem, _, last = name.rpartition(".")
            setattr(module.get_submodule(stem), last, part)
    _as_it_was(module)


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
    _as_it_was(module)


def _as_it_was(module: Any) -> None:
    """Without what PEFT leaves behind where its layers are out again."""
    module.requires_grad_(False)
    module.eval()
    for leftover in ("peft_config", "_hf_peft_config_loaded"):
        vars(module).pop(leftover, None)


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():  # PEFT asks the model by a name that Transformers is giving up
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out", UserWarning)  # it then does what is right
        warnings.filterwarnings("ignore", "Unsupported layer type", UserWarning)  # norms, which it copies as they are
        # what other kinds chose, or did without
        warnings.filterwarnings("ignore", "", UserWarning, module=r"peft\.tuners\.(boft|frod)")
        # weights may lie elsewhere now; that they are the same is told by their contents
        warnings.filterwarnings("ignore", "The PEFT config's `base_model_name_or_path`", UserWarning)
        yield


def configuration(rank: int, alpha: int, dropout: float = 0.0, **more: Any) -> LoraConfig:
    """LoRA on all linear layers but the output layer, and but what `targets.left_out` says of a model.

    Args:
        more: fields of PEFT's configuration.
    """
    values = {"target_modules": ALL, "task_type": "CAUSAL_LM", **more}
    return LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, **values)


def attached(config: PeftConfig, state: State) -> Attached:
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


def state_of(wrapped: Any, masters: State | None = None) -> State:
    """The tensors of the adapter as PEFT names them, copied to the CPU in float32, with what is drawn and not trained;
    numbers of places among that stay integers.

    Args:
        masters: by parameter name, what is to be taken in place of the parameters' own numbers.
    """
    masters = masters or {}
    named = {name: p for name, p in wrapped.named_parameters() if name in masters}
    held = {name: p.data for name, p in named.items()}
    try:
        for name, parameter in named.items():  # under each of its names, where several layers share it
            parameter.data = masters[name].to(parameter.device)
        found = get_peft_model_state_dict(wrapped, adapter_name=FIRST)
        return {key: (t.float() if t.is_floating_point() else t).detach().cpu().clone() for key, t in found.items()}
    finally:
        for name, parameter in named.items():
            parameter.data = held[name]


def save(folder: Path, config: PeftConfig, state: State, trained: int) -> None:
    """Write the adapter as PEFT would, for any tool that reads PEFT's format."""
    save_file(state, folder / ADAPTER_WEIGHTS, {"format": "pt", TRAINED: str(trained)})
    config.save_pretrained(str(folder))


def load(folder: Path) -> tuple[PeftConfig, State]:
    """Read what `save` wrote."""
    kind = PeftConfig.from_pretrained(str(folder)).peft_type
    config = PEFT_TYPE_TO_CONFIG_MAPPING[kind].from_pretrained(str(folder))
    with safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
        return config, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping


def trained(folder: Path) -> int | None:
    """How many of the saved numbers were trained; None where another tool wrote them."""
    with safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
        said = (file.metadata() or {}).get(TRAINED)
    return int(said) if said else None
