"""A LoRA adapter of PEFT's format as part of a model: laid onto its base when that is loaded, and merged there."""

from __future__ import annotations

import hashlib
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from advisor.errors import UserError
from advisor.models.load import ADAPTER
from advisor.models.local.device import devices_of
from advisor.models.local.folder import ADAPTER_WEIGHTS

PEFT = f"peft {version('peft')}"
_FIT = "name the base model that it was trained on: --model BASE+ADAPTER_FOLDER"


def check_adapter(name: str, folder: Path) -> None:
    """See that a folder holds a LoRA adapter that can be merged.

    Raises:
        UserError: it holds no adapter, another kind of adapter, or pickled weights alone.
    """
    from peft import LoraConfig, PeftConfig  # which takes a second to come, and most models need none of it

    if not (folder / ADAPTER).is_file():
        raise UserError(f"{name}: {folder} has no {ADAPTER}, so it is no adapter", "pass the folder that holds it")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise UserError(
            f"{name}: the adapter in {folder} has no {ADAPTER_WEIGHTS}",
            "save it anew with safetensors (PEFT: save_pretrained); pickled weights are not read",
        )
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except Exception as error:  # whatever a foreign file makes of the reader
        raise UserError(f"{folder / ADAPTER}: cannot be read: {error}", "copy it anew") from error
    if not isinstance(config, LoraConfig):
        kind = getattr(config.peft_type, "value", config.peft_type)
        raise UserError(f"{name}: the adapter is of the kind {kind}, not LoRA", "merge it into its base model yourself")


@torch.no_grad()
def merge(name: str, module: Any, folder: Path) -> Any:
    """The module with the adapter in its weights: computed in float32 by PEFT's own merge, and rounded once.

    Raises:
        UserError: the adapter is not one of this model, or parts of the weights lie elsewhere.
    """
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from peft.tuners.lora import LoraLayer

    if len(devices_of(module)) > 1:
        raise UserError(
            f"{name}: an adapter is not merged into weights that are spread over {', '.join(devices_of(module))}",
            "merge it first (PEFT: merge_and_unload) and pass that folder, or name one --device",
        )
    try:
        config = LoraConfig.from_pretrained(str(folder))
        state = load_file(folder / ADAPTER_WEIGHTS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that PEFT asks for; that adapters are merged already
            wrapped = get_peft_model(module, config)
            found: Any = set_peft_model_state_dict(wrapped, state)
            absent = [key for key in found.missing_keys if "lora_" in key]
            if absent or found.unexpected_keys:
                odd = (absent or list(found.unexpected_keys))[0]
                raise ValueError(f"{odd} is {'missing in it' if absent else 'no part of the model'}")
            for layer in wrapped.modules():
                if isinstance(layer, LoraLayer):
                    _merge_in_place(layer)
            return wrapped.merge_and_unload()
    except (ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if "size mismatch" in line), lines[0] if lines else type(error).__name__)
        raise UserError(f"{name}: the adapter in {folder} does not fit the base model: {reason}", _FIT) from error


def laid_beside(module: Any, folder: Path) -> Any:
    """The module with an adapter of any of PEFT's kinds beside its weights, as PEFT itself brings it back.

    Raises:
        UserError: PEFT does not.
    """
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return PeftModel.from_pretrained(module, str(folder)).eval()
    except (ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{folder}: PEFT does not lay it beside its base model: {reason}") from error


def _merge_in_place(layer: Any) -> None:
    for key, own_of_adapter in layer.named_parameters():
        if "lora_" in key:
            own_of_adapter.data = own_of_adapter.data.float()
    parameter = getattr(layer.get_base_layer(), part_of(layer))
    parameter.data = merged(layer, parameter.data)


def part_of(layer: Any) -> str:
    """Which parameter PEFT's layer changes of its base layer; experts hold several matrices, adapted one by one."""
    return str(getattr(layer, "parameter_name", "weight"))


def merged(layer: Any, own: torch.Tensor) -> torch.Tensor:
    """What `own` becomes with an adapter in it, by PEFT's own merge in float32, rounded once.

    Args:
        layer: PEFT's, with the adapter in float32; PEFT takes it for merged afterwards, its base layer is as it was.
        own: the numbers of its base layer without the adapter.
    """
    parameter = getattr(layer.get_base_layer(), part_of(layer))
    held = parameter.data
    parameter.data = own.to(torch.float32, copy=True)
    try:
        layer.merge()
        found: torch.Tensor = parameter.data
        return found.to(held.dtype)
    finally:
        parameter.data = held


def revision_of(base: str, digest: str) -> str:
    """The revision of a model of two parts."""
    return hashlib.sha256(f"{base}+{digest}".encode()).hexdigest()[:16]
