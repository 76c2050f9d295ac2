"""What stands before the first token of every row: keys and values that were not read of tokens, but given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import pad
from transformers.cache_utils import DynamicCache

from advisor.models.local.device import device_of
from advisor.models.local.packed import Layer, Prefix
from advisor.models.local.padded import Beginning


@dataclass(frozen=True)
class Start:
    """A beginning of all rows, as packed and as padded rows take it.

    Attributes:
        prefix: its keys and values; of no length where rows begin with their own tokens.
        beginning: the same in a cache; None where there is none, or where the model's cache takes none.
    """

    prefix: Prefix = field(default_factory=Prefix)
    beginning: Beginning | None = None

    @classmethod
    def of(cls, module: Any, layers: Sequence[tuple[Any, Any]], cached: bool) -> Start:
        """Of keys and values, a pair for each layer, each of shape (1, key heads, tokens, size).

        Args:
            cached: whether rows may be padded, for which a cache has to hold them.
        """
        device = device_of(module)
        own = [(key.to(device, module.dtype), value.to(device, module.dtype)) for key, value in layers]
        prefix = Prefix(own[0][0].shape[2], own)
        return cls(prefix, Beginning(prefix.length, holding(module, own)) if cached else None)

    def cached(self, module: Any) -> Beginning:
        """The same in a cache, where there is one, also of a model whose rows are packed."""
        return self.beginning or Beginning(self.length, holding(module, self.prefix.layers))

    @property
    def length(self) -> int:
        """Tokens that it takes the place of."""
        return self.prefix.length


def holding(module: Any, layers: Sequence[Layer]) -> DynamicCache:
    """A cache of one row that holds these keys and values, as the model would have made it."""
    cache = DynamicCache(config=module.config)
    for number, (key, value) in enumerate(layers):
        cache.update(key, value, number)
    return cache


def keys_of(module: Any, **read: torch.Tensor) -> list[Layer]:
    """Keys and values that the model computes of a row's tokens, by layer, shape (1, key heads, tokens, size).

    Where a sliding window let go of the first ones, which nothing behind the row sees, zeros stand for them.

    Args:
        read: `input_ids` of shape (1, tokens), or `inputs_embeds` of shape (1, tokens, size).
    """
    tokens = next(iter(read.values())).shape[1]
    kept = module.base_model(use_cache=True, **read).past_key_values
    return [(_filled(layer.keys, tokens), _filled(layer.values, tokens)) for layer in kept.layers]


def _filled(kept: torch.Tensor, tokens: int) -> torch.Tensor:
    return pad(kept, (0, 0, tokens - kept.shape[2], 0)) if kept.shape[2] < tokens else kept
