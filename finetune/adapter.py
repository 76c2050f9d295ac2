"""Low-rank adapters (Hu et al. 2021) on a local model: put in by PEFT, taken out again without a trace."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer, ParamWrapper
from safetensors.torch import load_file, save_file

from advisor.errors import NotApplicable
from advisor.models import Attached, Merged
from advisor.models.local.engine import LocalModel
from finetune.fused.layers import fused
from finetune.targets import ALL, left_out

State = dict[str, torch.Tensor]
WEIGHTS_FILE = "adapter_model.safetensors"  # PEFT's own name, so that its loaders find it
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
    with _quietly():
        return get_peft_model(module, config, autocast_adapter_dtype=False)


def _take_out(wrapped: Any, module: Any) -> None:
    wrapped.unload()
    module.requires_grad_(False)
    module.eval()
    for leftover in ("peft_config", "_hf_peft_config_loaded"):
        vars(module).pop(leftover, None)


def add(wrapped: Any, name: str, config: LoraConfig) -> None:
    """A further adapter beside those in `wrapped`, from now on the active one; `inserted` takes it out too.

    Raises:
        NotApplicable: PEFT can lay only one adapter on the parameters of experts.
    """
    if any(isinstance(module, ParamWrapper) for module in wrapped.modules()):
        raise NotApplicable(
            "this model has experts, whose adapters cannot stand beside others in a search; "
            "name the configurations one by one instead (--approach lora:rank=8 --approach lora:lr=3e-4)"
        )
    with _quietly():
        config.exclude_modules = wrapped.peft_config[FIRST].exclude_modules
        wrapped.add_adapter(name, config, autocast_adapter_dtype=False)
    wrapped.set_adapter(name)


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


def merged(model: LocalModel, config: LoraConfig, state: State) -> Merged:
    """The model's weights with the adapter in them, computed in float32 by PEFT's own merge and rounded once.

    Args:
        state: the adapter's tensors in float32, named as PEFT names them.
    """
    tensors: dict[str, object] = {}
    with inserted(model, config) as wrapped, torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        set_peft_model_state_dict(wrapped, state)
        layers: list[tuple[str, Any]] = [(n, m) for n, m in wrapped.named_modules() if isinstance(m, LoraLayer)]
        for name, layer in layers:
            part = getattr(layer, "parameter_name", "weight")  # experts hold several matrices, adapted one by one
            parameter = getattr(layer.get_base_layer(), part)
            own = parameter.data
            parameter.data = own.to(torch.float32, copy=True)
            layer.merge(adapter_names=[FIRST])
            owner = name.removeprefix("base_model.model.").replace(".base_layer", "")
            tensors[f"{owner}.{part}"] = parameter.data.to(own.dtype)
            parameter.data = own
            layer.merged_adapters.clear()
    return Merged(key_of(state), tensors)


def attached(config: LoraConfig, state: State) -> Attached:
    """The adapter as PEFT computes it beside the model's own weights, in the model's dtype.

    Args:
        state: as for `merged`.
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


def key_of(state: State) -> str:
    """Content hash of an adapter."""
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
    save_file(state, folder / WEIGHTS_FILE)
    config.save_pretrained(str(folder))


def load(folder: Path) -> tuple[LoraConfig, State]:
    """Read what `save` wrote."""
    return LoraConfig.from_pretrained(str(folder)), load_file(folder / WEIGHTS_FILE)
