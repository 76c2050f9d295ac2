"""What of a model's attention is known, and rows of models that cannot be packed: padded, with Transformers' cache."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicCache


def may_pack(module: Any) -> bool:
    """Whether its rows might be read one behind the other; whether they can is seen by trying."""
    capped = getattr(module.config.get_text_config(decoder=True), "attn_logit_softcapping", None)
    attends = bool(getattr(module, "_supports_attention_backend", False))
    return attends and not capped and only_full_attention(module.config) and places_tokens(module)


def only_full_attention(config: Any) -> bool:
    """Whether every layer attends to all earlier tokens."""
    text = config.get_text_config(decoder=True)
    kinds = getattr(text, "layer_types", None)
    if "local" in (getattr(text, "attention_layers", None) or ()):  # GPT-Neo's name for a sliding window
        return False
    if kinds is not None:
        return all(kind == "full_attention" for kind in kinds)
    state_space = any(hasattr(text, name) for name in ("ssm_cfg", "state_size", "mamba_d_state", "rescale_every"))
    return not state_space and getattr(text, "sliding_window", None) is None


def places_tokens(module: Any) -> bool:
    """Whether a token stands where `position_ids` says, not where it lies in the row (ALiBi: Bloom, MPT)."""
    alibi = getattr(module.config.get_text_config(decoder=True), "alibi", False)
    return not alibi and "position_ids" in inspect.signature(module.base_model.forward).parameters


def token_bytes(module: Any) -> int:
    """Bytes of the keys and values of one token, in all layers; at most, where a model keeps less than it computes."""
    layers = _layers(module)
    heads = [getattr(layer, "num_attention_heads", None) or 1 for layer in layers]
    sizes = [getattr(layer, "head_dim", None) or layer.hidden_size // n for layer, n in zip(layers, heads, strict=True)]
    kept = [getattr(layer, "num_key_value_heads", None) or n for layer, n in zip(layers, heads, strict=True)]
    return int(sum(2 * n * size for n, size in zip(kept, sizes, strict=True)) * module.dtype.itemsize)


def passing_bytes(module: Any, layers: int = 1) -> int:
    """Bytes that one token takes on its way through the model, roughly: its keys and values, and all that so many
    layers compute; of one where it is let go, of all where it is kept for the backward pass."""
    text = module.config.get_text_config(decoder=True)
    sizes = [getattr(layer, "intermediate_size", None) or 4 * text.hidden_size for layer in _layers(module)]
    inner = max(max(size) if isinstance(size, list) else size for size in sizes)  # Gemma 3n lists them itself
    return token_bytes(module) + int(layers * (8 * text.hidden_size + 3 * inner) * module.dtype.itemsize)


def _layers(module: Any) -> list[Any]:
    """The configuration of each layer, which are of several sizes in some models (Gemma 4)."""
    text = module.config.get_text_config(decoder=True)
    return list(text.per_layer_config) if text.is_heterogeneous else [text] * text.num_hidden_layers


class PaddedRows:
    """Rows of token ids, padded on the left, read and continued through the model's own cache.

    Attributes:
        hidden: the last hidden state of each row, shape (rows, size).
    """

    def __init__(self, module: Any, rows: Sequence[Sequence[int]]) -> None:
        self.module = module
        longest = max(map(len, rows))
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, longest - len(row) :] = torch.tensor(row)
            mask[i, longest - len(row) :] = 1
        self.mask = mask.to(module.device)
        self.cache = DynamicCache(config=module.config)
        positions = (self.mask.cumsum(1) - 1).clamp(min=0)
        self.hidden = self._read(ids.to(module.device), positions)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Continue each row by one token, shape (rows,); returns its hidden state, shape (rows, size)."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        return self._read(tokens[:, None], self.mask.sum(1, keepdim=True) - 1)

    def drop(self, row: int) -> None:
        """Give up one row; the last one takes its number."""
        kept = list(range(len(self.mask)))
        kept[row] = kept[-1]
        index: Any = torch.tensor(kept[:-1], device=self.mask.device)  # a LongTensor, which torch has no type for
        self.mask = self.mask[index]
        self.cache.reorder_cache(index)

    def _read(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        # A mask of nothing but ones says nothing, and without it attention takes its fastest path.
        mask = None if bool(self.mask.all()) else self.mask
        output = self.module.base_model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=self.cache, use_cache=True
        )
        hidden: torch.Tensor = output.last_hidden_state[:, -1]
        return hidden
