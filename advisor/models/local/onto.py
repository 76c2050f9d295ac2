"""A LoRA adapter of PEFT's format as part of a model: laid onto its base when that is loaded, and merged there."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, get_peft_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

from advisor.errors import UserError

WEIGHTS = "adapter_model.safetensors"  # PEFT's name


def check_adapter(name: str, folder: Path) -> None:
    """See that a folder holds a LoRA adapter that can be merged.

    Raises:
        UserError: it holds another kind of adapter, or pickled weights alone.
    """
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            f"{name}: the adapter in {folder} has no {WEIGHTS}",
            "save it anew with safetensors (PEFT: save_pretrained); pickled weights are not read",
        )
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except Exception as error:  # whatever a foreign file makes of the reader
        raise UserError(f"{folder / 'adapter_config.json'}: cannot be read: {error}", "copy it anew") from error
    if not isinstance(config, LoraConfig):
        kind = getattr(config.peft_type, "value", config.peft_type)
        raise UserError(f"{name}: the adapter is of the kind {kind}, not LoRA", "merge it into its base model yourself")


@torch.no_grad()
def merge(name: str, module: Any, folder: Path) -> Any:
    """The module with the adapter in its weights: computed in float32 by PEFT's own merge, and rounded once.

    Raises:
        UserError: the adapter is not one of this model.
    """
    try:
        config = LoraConfig.from_pretrained(str(folder))
        state = load_file(folder / WEIGHTS)
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
                    _merge_layer(layer)
            return wrapped.merge_and_unload()
    except (ValueError, KeyError, RuntimeError, TypeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if "size mismatch" in line), lines[0] if lines else type(error).__name__)
        raise UserError(f"{name}: the adapter in {folder} does not fit the base model: {reason}", _FIT) from error


_FIT = "name the base model that it was trained on: --model BASE+ADAPTER_FOLDER"


def _merge_layer(layer: Any) -> None:
    part = getattr(layer, "parameter_name", "weight")  # experts hold several matrices, adapted one by one
    parameter = getattr(layer.get_base_layer(), part)
    own = parameter.data
    parameter.data = own.to(torch.float32, copy=True)
    for adapted in layer.parameters():
        if adapted is not parameter:
            adapted.data = adapted.data.float()
    layer.merge()
    parameter.data = parameter.data.to(own.dtype)


def revision_of(base: str, digest: str) -> str:
    """The revision of a model of two parts."""
    return hashlib.sha256(f"{base}+{digest}".encode()).hexdigest()[:16]
