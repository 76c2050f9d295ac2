"""Base weights in fewer bits: quantised while they are read, by bitsandbytes (Dettmers et al. 2022, 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import nn
from transformers import BitsAndBytesConfig

from advisor.errors import UserError
from advisor.extras import needed
from advisor.models.load import Quantize

NAMES: Mapping[Quantize, str] = {"4bit": "NF4", "8bit": "INT8"}
EXTRA = "qlora"
AT_ONCE = 1024  # rows of the identity, from which codes are read
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


def in_codes(layer: nn.Linear, quantize: Quantize, number_format: torch.dtype) -> nn.Linear:
    """A linear layer of the same weights as codes, in memory of its own; the layer stays as it is.

    Args:
        number_format: in which it computes.

    Raises:
        UserError: bitsandbytes is not installed.
    """
    with needed("a base of codes", EXTRA):
        import bitsandbytes
    nn_of: Any = bitsandbytes.nn  # whose types do not say what they are
    bias, own = layer.bias is not None, layer.weight.detach()
    shape, device = (layer.in_features, layer.out_features, bias), own.device
    if quantize == "8bit":
        found = nn_of.Linear8bitLt(*shape, has_fp16_weights=False, device="meta")
        found.weight = nn_of.Int8Params(own.cpu().clone(), requires_grad=False).to(device)
    else:
        found = nn_of.Linear4bit(*shape, compute_dtype=number_format, quant_type="nf4", device="meta")
        found.weight = nn_of.Params4bit(own.clone(), requires_grad=False, quant_type="nf4", module=found).to(device)
    if bias:
        found.bias = nn.Parameter(layer.bias.detach(), requires_grad=False)
    unpacked(found)
    return found.eval()  # type: ignore[no-any-return]


def code_bytes(layer: Any) -> int:
    """Bytes of a layer's codes with their scales."""
    weight = layer.weight
    state = getattr(weight, "quant_state", None)
    scales = [getattr(weight, "SCB", None)] if state is None else [state.absmax]
    if state is not None and state.nested:
        scales += [state.state2.absmax]
    return int(weight.nbytes + sum(scale.nbytes for scale in scales if scale is not None))


def check_codes(name: str, codes: str | None, quantize: Quantize | None, adapted: bool) -> None:
    """See that weights are quantised once, and hold numbers where an adapter is to be merged into them.

    Args:
        codes: how the weights are quantised as they lie there (`gptq`).

    Raises:
        UserError: they are not.
    """
    if quantize is not None and codes is not None:
        raise UserError(f"{name}: its weights are quantised already ({codes})", "leave --quantize out")
    if adapted and (quantize or codes):
        raise UserError(
            f"{name}: an adapter is merged into numbers, and the weights of its base are codes ({quantize or codes})",
            "name the base in full precision and no --quantize, or take vllm:NAME, which serves it beside them",
        )


def quantised(module: Any) -> bool:
    """Whether any of a model's weights are codes, which mean something only together with their scales."""
    return getattr(module, "hf_quantizer", None) is not None


def unpacked(module: Any) -> Any:
    """The module, whose codes of four bits stay in the order in which they were read.

    On CPUs with bfloat16 instructions bitsandbytes brings them into another at the first reading without gradients,
    for good: no gradient goes through them from then on, the numbers that they stand for are not had back exactly, and
    in float32 the layers round as in bfloat16. One token is three times as fast in that order, 512 are four times as
    slow (six layers of SmolLM2-135M, bfloat16, one Zen 4 core).
    """
    for layer in module.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
    return module


def holds_numbers(weight: Any) -> bool:
    """Whether a layer's weight is a matrix of numbers to which others can be added, not of codes."""
    return type(weight) is torch.nn.Parameter and weight.is_floating_point() and weight.itemsize > 1


@torch.no_grad()
def dequantised(layer: Any, number_format: torch.dtype) -> torch.Tensor:
    """The numbers that a linear layer multiplies by, in float32, shape (out, in), whatever it keeps them as.

    Codes are told by the layer itself, from the rows of the identity: so those of any library can be read.

    Args:
        number_format: in which the layer is given its input.
    """
    if holds_numbers(getattr(layer, "weight", None)):
        return layer.weight.detach().float()  # type: ignore[no-any-return]
    rows = layer.in_features
    device = next(chain(layer.parameters(), layer.buffers())).device
    columns = []
    for first in range(0, rows, AT_ONCE):
        given = torch.zeros(min(AT_ONCE, rows - first), rows, dtype=number_format, device=device)
        given[:, first : first + AT_ONCE].fill_diagonal_(1)
        found = layer(given).float()
        columns.append(found if layer.bias is None else found - layer.bias.float())
    return torch.cat(columns).T.contiguous()
