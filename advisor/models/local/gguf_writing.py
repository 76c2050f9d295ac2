"""A model folder written as a GGUF file that llama.cpp loads: the Llama and Qwen families."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFWriter, LlamaFileType, RopeScalingType, get_tensor_name_map
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import quantize
from numpy.typing import NDArray
from safetensors import safe_open

from advisor.models.local.gguf_tokenizer import write_tokenizer

FAMILIES: Mapping[str, tuple[MODEL_ARCH, bool]] = {
    "llama": (MODEL_ARCH.LLAMA, True),
    "qwen2": (MODEL_ARCH.QWEN2, False),
    "qwen3": (MODEL_ARCH.QWEN3, False),
}
"""By Transformers' name of the family: llama.cpp's, and whether it wants the rows of queries and keys in pairs."""
KINDS: Mapping[str, tuple[GGMLQuantizationType, LlamaFileType]] = {
    "Q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "Q5_1": (GGMLQuantizationType.Q5_1, LlamaFileType.MOSTLY_Q5_1),
    "Q5_0": (GGMLQuantizationType.Q5_0, LlamaFileType.MOSTLY_Q5_0),
    "Q4_1": (GGMLQuantizationType.Q4_1, LlamaFileType.MOSTLY_Q4_1),
    "Q4_0": (GGMLQuantizationType.Q4_0, LlamaFileType.MOSTLY_Q4_0),
    "BF16": (GGMLQuantizationType.BF16, LlamaFileType.MOSTLY_BF16),
    "F16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "F32": (GGMLQuantizationType.F32, LlamaFileType.ALL_F32),
}
"""How weights are written: as the `gguf` package quantises; its K types it only reads."""
EMBEDDED_AS = GGMLQuantizationType.Q8_0  # the embedding and the output layer, where others have fewer bits
UNROUNDED = tuple(KINDS[kind][0] for kind in ("BF16", "F16", "F32"))
ROPE_FACTORS = "rope_freqs.weight"  # by which llama.cpp divides the frequencies of a Llama 3


@dataclass(frozen=True)
class Shape:
    """What decides how tensors are laid out.

    Attributes:
        family: as in `FAMILIES`.
        heads, key_heads: of attention.
        head: size of one.
    """

    family: str
    layers: int
    heads: int
    key_heads: int
    head: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Shape:
        """From a `config.json`."""
        heads = int(config["num_attention_heads"])
        return cls(
            str(config["model_type"]),
            int(config["num_hidden_layers"]),
            heads,
            int(config.get("num_key_value_heads") or heads),
            int(config.get("head_dim") or config["hidden_size"] // heads),
        )


def cannot_write(config: Mapping[str, Any]) -> str:
    """Why a model of this configuration is not written as GGUF; empty where it is."""
    family = config.get("model_type")
    if family not in FAMILIES:
        return f"GGUF is written of the families {', '.join(FAMILIES)}, and this is {family}"
    kind = _rope(config).get("rope_type", "default")
    if kind not in ("default", "linear", "llama3"):
        return f"its positions are scaled by {kind!r}, which is not written as GGUF yet"
    if config.get("use_sliding_window"):
        return "its attention slides over a window, which is not written as GGUF yet"
    if config.get("mlp_bias"):
        return "its feed-forward layers have biases, which llama.cpp's family of that name has not"
    return ""


def write_gguf(folder: Path, file: Path, kind: str, name: str) -> None:
    """Write a folder's weights, tokenizer and chat template as one file.

    Norms, biases and whatever its blocks do not divide are not quantised.

    Args:
        folder: safetensors, `config.json`, `tokenizer.json` and `tokenizer_config.json`.
        kind: of `KINDS`.
        name: of the model, as the file's metadata have it.

    Raises:
        UserError: llama.cpp would split texts into other tokens.
        ValueError: a tensor has no place in llama.cpp's model of this family.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = Shape.of(config)
    arch, _ = FAMILIES[shape.family]
    writer = GGUFWriter(file, shape.family)
    try:
        writer.add_type("model")
        writer.add_name(name)
        _add_shape(writer, config, shape)
        writer.add_file_type(KINDS[kind][1])
        writer.add_quantization_version(2)
        write_tokenizer(writer, folder, int(config["vocab_size"]))
        names = get_tensor_name_map(arch, shape.layers)
        for found, tensor in _tensors(folder):
            there = names.get_name(found, try_suffixes=(".weight", ".bias"))
            if there is None:
                raise ValueError(f"{found} has no place in llama.cpp's {shape.family}")
            quantised = _type_of(there, tensor, KINDS[kind][0])
            writer.add_tensor(there, quantize(_arranged(found, tensor, shape), quantised), raw_dtype=quantised)
        if _rope(config).get("rope_type") == "llama3":
            writer.add_tensor(ROPE_FACTORS, llama3_factors(config, shape.head))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def llama3_factors(config: Mapping[str, Any], head: int) -> NDArray[np.float32]:
    """By what each frequency of a head is divided (Llama 3.1's scaling): 1 where waves are short, the factor where
    they are long, smoothly between; shape (head / 2,)."""
    rope = _rope(config)
    factor, low, high = (float(rope[name]) for name in ("factor", "low_freq_factor", "high_freq_factor"))
    window = float(rope["original_max_position_embeddings"])
    waves = 2 * math.pi * float(_theta(config)) ** (np.arange(0, head, 2, dtype=np.float64) / head)
    smooth = np.clip((window / waves - low) / (high - low), 0.0, 1.0)
    found: NDArray[np.float32] = (1.0 / ((1.0 - smooth) / factor + smooth)).astype(np.float32)
    return found


def _add_shape(writer: GGUFWriter, config: Mapping[str, Any], shape: Shape) -> None:
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.key_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_rope_freq_base(float(_theta(config)))
    writer.add_vocab_size(int(config["vocab_size"]))
    if _rope(config).get("rope_type") == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(_rope(config)["factor"]))


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """How positions are told, under the name of today's Transformers or of yesterday's."""
    found = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return found if isinstance(found, dict) else {}


def _theta(config: Mapping[str, Any]) -> float:
    return float(_rope(config).get("rope_theta") or config.get("rope_theta") or 10_000.0)


def _tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """All of a folder's, one at a time."""
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - it is no mapping
                yield name, opened.get_tensor(name)


def _type_of(name: str, tensor: torch.Tensor, wanted: GGMLQuantizationType) -> GGMLQuantizationType:
    if tensor.ndim < 2:
        return GGMLQuantizationType.F32
    if name.startswith(("token_embd", "output.")) and wanted not in UNROUNDED:
        wanted = EMBEDDED_AS
    return wanted if tensor.shape[-1] % GGML_QUANT_SIZES[wanted][0] == 0 else GGMLQuantizationType.F16


def _arranged(name: str, tensor: torch.Tensor, shape: Shape) -> NDArray[np.float32]:
    """A tensor's numbers as llama.cpp expects them."""
    found: NDArray[np.float32] = tensor.float().numpy()
    heads = {"q_proj": shape.heads, "k_proj": shape.key_heads}.get(name.split(".")[-2], 0)
    if not heads or not FAMILIES[shape.family][1]:
        return found
    halves = found.reshape(heads, 2, found.shape[0] // heads // 2, *found.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(found.shape))
