"""Attention of packed rows: the door into Transformers' models, and exact attention in parts.

Rows of a batch lie one behind the other in a single packed row, without padding, so that every matrix product works
on real tokens. Transformers' `AttentionInterface` hands queries, keys and values of the packed row to whoever knows
where its rows lie, passed as the keyword `attending`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from advisor.models.local.device import cpu_flags

ATTENTION = "advisor_packed"
FEW = 16  # queries; as many rows as a matrix product needs to be worth its preparation
KEPT = 256  # masks of blocks, of at most 16 kB
LOGITS_AT_ONCE = 2**24  # in float32: 64 MB
BLOCK = 128  # queries at once; larger blocks compute more of what is masked, smaller ones pay more per call

Part = tuple[torch.Tensor, torch.Tensor]


class NotPassedOn(Exception):
    """The architecture keeps from its attention what it is not asked for, so its rows cannot be packed."""


# What architectures raise that are tried for what they were not made for.
FOREIGN = (NotPassedOn, AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError)


class Attending(Protocol):
    """Whoever knows where the rows of a packed row lie."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attention within each row.

        Args:
            query: shape (heads, packed length, size); `key` and `value` may have fewer heads.

        Returns:
            Shape (packed length, heads, size of the values).
        """
        ...


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    attending: Attending | None = None,
    **unused: Any,
) -> tuple[torch.Tensor, None]:
    """What Transformers calls in each layer; shapes (1, heads, packed length, size).

    Raises:
        NotPassedOn: `attending` did not come through, or the logits are more than products: capped, or beside sinks.
    """
    if attending is None or unused.get("softcap") or unused.get("s_aux") is not None:
        raise NotPassedOn
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    layer: int = module.layer_idx  # type: ignore[assignment]
    attended = attending.attend(layer, query[0], key[0], value[0], scale)
    return attended.contiguous()[
        None
    ], None  # as Transformers' own functions hand it back: some models take views of it


AttentionInterface.register(ATTENTION, attend)


@contextmanager
def packed_attention(module: Any) -> Iterator[None]:
    """The model attends by `attend` while the block runs.

    Set where the layers read it: `set_attn_implementation` walks through all modules each time, 4 ms for 30 layers.
    """
    before = module.config._attn_implementation
    module.config._attn_implementation = ATTENTION
    try:
        yield
    finally:
        module.config._attn_implementation = before


def part(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float,
    *,
    causal: bool = False,
    mask: torch.Tensor | None = None,
) -> Part:
    """Attention to some of the keys, with what `joined` needs to join it with attention to the others.

    Args:
        query: shape (batch, heads, queries, size).
        key, value: shape (batch, key heads, keys, size); each key head serves as many heads in turn.
        causal: query i sees keys up to i.
        mask: added to the logits, in the dtype of `query`, shape (batch or 1, 1, queries or 1, keys).

    Returns:
        The attention, shape as `query`, and the log of the sum of the exponentiated logits in float32, shape
        (batch, heads, queries).
    """
    if query.device.type == "cpu" and query.shape[-1] == value.shape[-1]:
        result: Part = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, causal, attn_mask=mask, scale=scale
        )
        return result
    batch, heads, queries, _ = query.shape
    most = max(1, LOGITS_AT_ONCE // (batch * heads * key.shape[2]))
    found = []
    for start in range(0, queries, most):
        place = slice(start, start + most)
        hides = mask[:, :, place] if mask is not None and mask.shape[2] > 1 else mask
        found.append(_by_logits(query[:, :, place], key, value, scale, hides, start if causal else None))
    if len(found) == 1:
        return found[0]
    attended, totals = zip(*found, strict=True)
    return torch.cat(attended, dim=2), torch.cat(totals, dim=2)


def _by_logits(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float,
    mask: torch.Tensor | None,
    first: int | None,
) -> Part:
    """As `part`, by all logits in float32; where `first` is given, query i sees keys up to `first` + i."""
    batch, heads, queries, size = query.shape
    groups = heads // key.shape[1]
    grouped = query.reshape(batch, key.shape[1], groups * queries, size)
    logits = torch.matmul(grouped, key.transpose(2, 3)).float().mul_(scale).view(batch, heads, queries, -1)
    if first is not None:
        hidden = torch.ones(queries, logits.shape[-1], dtype=torch.bool, device=query.device).triu_(first + 1)
        logits.masked_fill_(hidden, -math.inf)
    if mask is not None:
        logits += mask
    total = logits.logsumexp(-1)
    shares = torch.exp(logits - total[..., None]).to(value.dtype)
    attended = torch.matmul(shares.view(batch, key.shape[1], groups * queries, -1), value)
    return attended.view(batch, heads, queries, -1), total


def joined(first: Part, second: Part) -> torch.Tensor:
    """Attention to the keys of both parts together, exactly; shape as each part's first tensor."""
    share = torch.sigmoid(first[1] - second[1])[..., None].to(first[0].dtype)  # of the first in both sums together
    return torch.lerp(second[0], first[0], share)


def causal_rows(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    """Causal attention of rows of one length that attend to nothing else; shapes as in `part`.

    Where attention is taken `by_products`, there may be more keys than queries, which are then the last of the row.
    """
    if not by_products(query, query.shape[2]):
        several = query.shape[1] != key.shape[1]
        return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=several)
    # Rows stand side by side like heads, and the queries of all heads that share a key head form one matrix.
    grouped = query.unflatten(1, (key.shape[1], -1)).flatten(0, 1)
    attended = in_order([found for _, found, _ in by_blocks(grouped, key.flatten(0, 1), value.flatten(0, 1), scale)])
    return attended.reshape(*query.shape[:3], -1)


def by_products(like: torch.Tensor, queries: int) -> bool:
    """Whether plain matrix products are the fastest way for so many queries, on the device and in the dtype of `like`.

    Torch's flash kernel for CPUs does not multiply in the processor's own bfloat16 instructions but where these are
    AMX's: 4.4 ms for a row of 480 tokens where products take 2.2 (Zen 4), but 2.4 where products take 4.2 (AMX). In
    float32, and for few queries, it is the faster one.
    """
    return like.device.type == "cpu" and like.dtype == torch.bfloat16 and queries >= FEW and not flash_multiplies()


@lru_cache(1)
def flash_multiplies() -> bool:
    """Whether torch's flash kernel for CPUs has bfloat16 products of this processor's own."""
    return "amx_bf16" in cpu_flags()


def behind(before: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Whole rows, from their own parts, shape (..., tokens, size), and the beginning that they share, which has as many
    leading dimensions or fewer."""
    if not before.shape[-2]:
        return own
    return torch.cat([before.expand(*own.shape[:-2], -1, -1), own], dim=-2)


def by_blocks(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, hidden: torch.Tensor | None = None
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Causal attention, block of queries by block of queries, nothing computed far beyond the diagonal.

    Args:
        query: shape (key heads, heads served by each, queries, size): of the last tokens of the row.
        key, value: shape (key heads, tokens, size).
        hidden: added to the logits where queries see something else than what stands before them, shape (queries,
            tokens); they are then one block.

    Yields:
        The block; its attention, shape (key heads, served, queries of the block, size of the values); and the shares
        that the keys have in it, shape (key heads, served x queries of the block, keys seen by the last of them).
    """
    nothing = query.new_empty(())
    for place, seen in blocks(query.shape[2], key.shape[1], hidden is not None):
        part = query[:, :, place]
        served, queries = part.shape[1:3]
        logits = torch.baddbmm(nothing, part.flatten(1, 2), key[:, :seen].transpose(1, 2), beta=0, alpha=scale)
        each = logits.unflatten(1, (served, queries))
        if hidden is None:
            each[..., seen - queries :].masked_fill_(_future(queries, query.device), -math.inf)
        else:
            each += hidden  # filled in, they would take three times as long
        shares = logits.softmax(-1)
        yield place, torch.bmm(shares, value[:, :seen]).unflatten(1, (served, queries)), shares


def in_order(found: Sequence[torch.Tensor]) -> torch.Tensor:
    """What was found for each block, shape (key heads, heads served by each, queries, size), for all queries."""
    return found[0] if len(found) == 1 else torch.cat(list(found), dim=2)


@lru_cache(KEPT)
def _future(queries: int, device: torch.device) -> torch.Tensor:
    """What each query of a block does not see of the block's keys."""
    return torch.ones(queries, queries, dtype=torch.bool, device=device).triu_(1)


def blocks(queries: int, tokens: int, one: bool = False) -> Iterator[tuple[slice, int]]:
    """Where the blocks of a row's last queries lie, or the `one` block of all, and how many of its tokens the last
    query of each sees."""
    size = queries if one else BLOCK
    for start in range(0, queries, size):
        stop = min(queries, start + size)
        yield slice(start, stop), tokens - queries + stop
