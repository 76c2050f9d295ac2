"""The key-value cache behind generation and scoring: buffers written in place, and prefixes computed once."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


class BufferedLayer(DynamicLayer):
    """A full-attention layer of the cache that writes into room reserved in advance.

    `DynamicLayer` copies all keys and values at every token; at a few hundred tokens of prompt and a batch of
    32 that copy costs more than the matrix products of a small model.

    Args:
        room: tokens to reserve beyond those present when the layer is first written.
    """

    def __init__(self, room: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.room = room
        self.length = 0
        self.buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    @classmethod
    def seeded(cls, keys: torch.Tensor, values: torch.Tensor, batch: int, room: int) -> BufferedLayer:
        """A layer that begins with the same (1, heads, length, size) keys and values in each of `batch` rows."""
        layer = cls(room)
        layer.lazy_initialization(keys, values)
        shape = (batch, keys.shape[1], keys.shape[2] + room, keys.shape[3])
        layer.buffers = (keys.new_empty(shape), values.new_empty((*shape[:3], values.shape[3])))
        layer.length = keys.shape[2]
        for buffer, seed in zip(layer.buffers, (keys, values), strict=True):
            buffer[:, :, : layer.length] = seed
        layer._show()
        return layer

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states of shape (batch, heads, new, size); returns views of all states so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.length + key_states.shape[2]
        if self.buffers is None or end > self.buffers[0].shape[2]:
            self._grow(key_states, value_states, end + self.room)
        assert self.buffers is not None
        self.buffers[0][:, :, self.length : end] = key_states
        self.buffers[1][:, :, self.length : end] = value_states
        self.length = end
        return self._show()

    def keep_rows(self, rows: torch.Tensor) -> None:
        """Go on with these rows of the batch only."""
        assert self.buffers is not None
        self.buffers = (self.buffers[0].index_select(0, rows), self.buffers[1].index_select(0, rows))
        self._show()

    def _grow(self, keys: torch.Tensor, values: torch.Tensor, room: int) -> None:
        old = self.buffers
        self.buffers = (
            keys.new_empty((*keys.shape[:2], room, keys.shape[3])),
            values.new_empty((*values.shape[:2], room, values.shape[3])),
        )
        if old is not None:
            for new, before in zip(self.buffers, old, strict=True):
                new[:, :, : self.length] = before[:, :, : self.length]

    def _show(self) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.buffers is not None
        keys, values = (buffer[:, :, : self.length] for buffer in self.buffers)
        self.keys, self.values = keys, values
        return keys, values


def only_full_attention(config: Any) -> bool:
    """Whether every layer attends to all earlier tokens, so that prefixes can be shared and rows packed."""
    text = config.get_text_config(decoder=True)
    kinds = getattr(text, "layer_types", None)
    if "local" in (getattr(text, "attention_layers", None) or ()):  # GPT-Neo's name for a sliding window
        return False
    if kinds is not None:
        return all(kind == "full_attention" for kind in kinds)
    state_space = any(hasattr(text, name) for name in ("ssm_cfg", "state_size", "mamba_d_state", "rescale_every"))
    return not state_space and getattr(text, "sliding_window", None) is None


def places_tokens(module: Any) -> bool:
    """Whether a token stands where `position_ids` says, not where it lies in the cache (ALiBi: Bloom, MPT)."""
    alibi = getattr(module.config.get_text_config(decoder=True), "alibi", False)
    return not alibi and "position_ids" in inspect.signature(module.base_model.forward).parameters


def new_cache(config: Any, room: int) -> Cache:
    """An empty cache for a batch; `room` tokens are reserved where the model allows it."""
    if only_full_attention(config):
        layers = config.get_text_config(decoder=True).num_hidden_layers
        return Cache(layers=[BufferedLayer(room) for _ in range(layers)])
    return DynamicCache(config=config)


def spread(prefix: Cache, batch: int, room: int) -> Cache:
    """A cache for `batch` rows that all begin with the one row of `prefix`; `prefix` stays as it is."""
    layers: Any = prefix.layers
    return Cache(layers=[BufferedLayer.seeded(layer.keys, layer.values, batch, room) for layer in layers])


def keep_rows(cache: Cache, rows: torch.Tensor) -> None:
    """Drop all rows of the batch but these, in place."""
    layers: Any = cache.layers
    for layer in layers:
        if isinstance(layer, BufferedLayer):
            layer.keep_rows(rows)
        else:
            layer.reorder_cache(rows)
