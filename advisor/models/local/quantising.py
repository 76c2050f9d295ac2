"""Base weights in fewer bits: quantised while they are read, by bitsandbytes (Dettmers et al. 2022, 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from advisor.errors import UserError
from advisor.extras import needed
from advisor.models.load import Quantize

NAMES: Mapping[Quantize, str] = {"4bit": "NF4", "8bit": "INT8"}
EXTRA = "qlora"
BYTES: Mapping[Quantize, float] = {"4bit": 0.516, "8bit": 1.0}
"""Bytes of a weight: 4 bits and the scales of blocks of 64, quantised too; 8 bits and a scale for each row."""


def quantiser(name: str, quantize: Quantize, number_format: torch.dtype, where: torch.device) -> BitsAndBytesConfig:
    """How a model's linear layers are quantised: to NF4 with its scales quantised too, or to eight bits (LLM.int8).

    What else there is, the embedding, the output layer and norms, keeps the number format, in which layers compute.

    Raises:
        UserError: bitsandbytes is not installed, or does not run on this device.
    """
    if where.type == "mps":
        raise UserError(f"{name}: bitsandbytes does not quantise on Apple's GPUs", "--device cpu, or no --quantize")
    with needed(f"--quantize {quantize}", EXTRA):
        import bitsandbytes  # noqa: F401
    if quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=number_format,
    )


def checked(name: str, stored: str | None, quantize: Quantize | None) -> Quantize | None:
    """The number of bits asked for, if the weights are not quantised already in a form that stays.

    Args:
        stored: how a folder's config.json says that they are (`gptq`); what a GGUF file holds is dequantised.

    Raises:
        UserError: they are.
    """
    if quantize is not None and stored is not None:
        raise UserError(f"{name}: its weights are quantised already ({stored})", "leave --quantize out")
    return quantize


def quantised(module: Any) -> bool:
    """Whether any of a model's weights are codes, which mean something only together with their scales."""
    return getattr(module, "hf_quantizer", None) is not None
