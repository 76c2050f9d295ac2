"""A model by what its parts do: its blocks, their attention and MLP, and what lies behind the last one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from finetune.checkpointing import blocks_of
from finetune.targets import send_through

Kind = Literal["attention", "mlp"]
CALLED: dict[Kind, tuple[str, ...]] = {  # what Transformers calls them, over its families
    "attention": (
        *("self_attn", "self_attention", "attention", "attn", "multi_head_attention", "norm_attn_norm", "linear_attn"),
        *("mixer", "mamba", "conv", "temporal_block"),
    ),
    "mlp": ("mlp", "mlp_block", "feed_forward", "ffn", "block_sparse_moe", "moe", "fc2", "shared_mlp"),
}


@dataclass(frozen=True)
class BlockPart:
    """A part of a block. Attributes: its name in the model, and the size of the states that it says."""

    name: str
    size: int


@dataclass(frozen=True)
class Order:
    """The modules of a model as a text passes through them.

    Attributes:
        blocks: names of those that are repeated, in this order.
        sizes: of the states that a module says, by its name; of those that said none, nothing.
        behind: names of the modules that are done when all blocks are.
    """

    blocks: tuple[str, ...]
    sizes: dict[str, int]
    behind: tuple[str, ...]


def order_of(module: Any) -> Order:
    """Seen by sending a text through once, since names and the order of registration differ among families."""
    blocks_there = set(blocks_of(module))
    repeated = {name for name, part in module.named_modules() if part in blocks_there}
    done: list[str] = []
    sizes: dict[str, int] = {}

    def note(name: str, said: Any) -> None:
        first = said[0] if isinstance(said, Sequence) and said else said
        done.append(name)
        if isinstance(first, torch.Tensor):
            sizes[name] = first.shape[-1]

    send_through(module, note)
    places = [place for place, name in enumerate(done) if name in repeated]
    blocks = tuple(dict.fromkeys(done[place] for place in places))
    return Order(blocks, sizes, tuple(done[max(places, default=-1) + 1 :]))


def parts_of_layers(module: Any, kinds: Sequence[Kind]) -> list[BlockPart]:
    """Of each block the parts of these kinds, one of a kind at most, through which a text passes."""
    order = order_of(module)
    found = []
    for block in order.blocks:
        for kind in kinds:
            there = (f"{block}.{called}" for called in CALLED[kind])
            name = next((name for name in there if name in order.sizes), None)
            found += [BlockPart(name, order.sizes[name])] if name else []
    return found
