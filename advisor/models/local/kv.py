"""What is known of a model's attention, and what its keys and values take."""

from __future__ import annotations

import inspect
from typing import Any

from advisor.models.local.device import devices_of

WINDOWS = {"sliding_attention": "sliding_window", "chunked_attention": "attention_chunk_size"}


def may_pack(module: Any) -> bool:
    """Whether rows that fit its `window` might be read one behind the other; whether they can is seen by trying.

    Where a model is spread over several devices, what knows where the rows lie would have to be on each.
    """
    text = module.config.get_text_config(decoder=True)
    attends = bool(getattr(module, "_supports_attention_backend", False))
    capped = getattr(text, "attn_logit_softcapping", None)
    whole = len(devices_of(module)) == 1
    return whole and attends and not capped and only_attention(module.config) and places_tokens(module)


def only_attention(config: Any) -> bool:
    """Whether every layer attends to all earlier tokens, of a row no longer than its `window`."""
    text = config.get_text_config(decoder=True)
    kinds = getattr(text, "layer_types", None)
    if "local" in (getattr(text, "attention_layers", None) or ()):  # GPT-Neo's name for a sliding window
        return False
    if kinds is not None:
        return all(kind == "full_attention" or kind in WINDOWS for kind in kinds)
    return not any(hasattr(text, name) for name in ("ssm_cfg", "state_size", "mamba_d_state", "rescale_every"))


def window(config: Any) -> int | None:
    """Tokens of the longest row of which every token still sees all before it; None where there is no bound."""
    text = config.get_text_config(decoder=True)
    names = {WINDOWS[kind] for kind in getattr(text, "layer_types", None) or () if kind in WINDOWS}
    if getattr(text, "layer_types", None) is None:
        names = {"sliding_window", "attention_window_size"}
    if "local" in (getattr(text, "attention_layers", None) or ()):
        names = {"window_size"}
    return min((size for name in names if (size := getattr(text, name, None))), default=None)


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
    return list(text.per_layer_config) if getattr(text, "is_heterogeneous", False) else [text] * text.num_hidden_layers
