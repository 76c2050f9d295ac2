"""Causal attention for training, exact, with nothing computed beyond the diagonal.

On a CPU, the flash kernel of torch 2.13 spends most of a training step's attention in its backward pass; taking
the queries in blocks through plain matrix products, those of all heads that share their keys in one, takes a third
of that (a row of 480 tokens, nine heads on three, bfloat16: 6 against 16 ms).
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from advisor.models.local.attention import blocks, by_blocks, in_order


def causal(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    """Attention of a row's last tokens to all of its tokens up to themselves.

    Args:
        query: shape (heads, queries, size): the last `queries` of the row's tokens.
        key, value: shape (key heads, tokens, size), tokens >= queries; each key head serves as many heads in turn; the
            values may have a size of their own.

    Returns:
        Shape (heads, queries, size of the values).
    """
    if query.device.type == "cpu":
        result: torch.Tensor = _Blocks.apply(query, key, value, scale, None)  # type: ignore[no-untyped-call]
        return result
    before, served = key.shape[1] - query.shape[1], query.shape[0] // key.shape[0]
    # Repeated, since not every kernel that takes a mask lets several heads share their keys.
    q, k, v = query[None], *(x.repeat_interleave(served, dim=0)[None] for x in (key, value))
    if not before:
        return scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)[0]
    mask = torch.ones(query.shape[1], key.shape[1], dtype=torch.bool, device=query.device).tril(before)
    return scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)[0]


def masked(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, hidden: torch.Tensor
) -> torch.Tensor:
    """Attention on a CPU of as many tokens as there are, each to those that it sees; shapes as in `causal`.

    Args:
        hidden: added to the logits, shape (tokens, tokens).
    """
    result: torch.Tensor = _Blocks.apply(query, key, value, scale, hidden)  # type: ignore[no-untyped-call]
    return result


class _Blocks(torch.autograd.Function):
    """Softmax attention, block of queries by block of queries; probabilities are kept for the backward pass.

    Inside, queries have the shape (key heads, heads served by each, queries, size): what a block's products have
    for rows are the queries of all heads that a key head serves.
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, hidden: torch.Tensor | None
    ) -> torch.Tensor:
        grouped = query.unflatten(0, (key.shape[0], -1))
        _, found, kept = zip(*by_blocks(grouped, key, value, scale, hidden), strict=True)
        ctx.save_for_backward(query, key, value, *kept)
        ctx.scale, ctx.one = scale, hidden is not None
        return in_order(found).flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, *kept = ctx.saved_tensors
        queries, coming = (x.unflatten(0, (key.shape[0], -1)) for x in (query, gradients[0]))
        to_query = []
        to_key = to_value = None
        nothing, scale = query.new_empty(()), ctx.scale
        # From the last block on, which has seen all keys, so that sums begin with it.
        places = blocks(query.shape[1], key.shape[1], ctx.one)
        for (place, seen), shares in reversed(list(zip(places, kept, strict=True))):
            own, gradient = (x[:, :, place].flatten(1, 2) for x in (queries, coming))
            to_value = _added(to_value, torch.bmm(shares.transpose(1, 2), gradient), seen)
            to_shares = torch.bmm(gradient, value[:, :seen].transpose(1, 2))
            to_logits = torch._softmax_backward_data(to_shares, shares, -1, shares.dtype)
            found = torch.baddbmm(nothing, to_logits, key[:, :seen], beta=0, alpha=scale)
            to_query.append(found.unflatten(1, (queries.shape[1], -1)))
            to_key = _added(to_key, torch.baddbmm(nothing, to_logits.transpose(1, 2), own, beta=0, alpha=scale), seen)
        assert to_key is not None and to_value is not None
        return in_order(to_query[::-1]).flatten(0, 1), to_key.to(key.dtype), to_value.to(value.dtype), None, None


def _added(sums: torch.Tensor | None, more: torch.Tensor, seen: int) -> torch.Tensor:
    """Sums over blocks, wide enough where there are several; a further one has seen the first keys only."""
    if sums is None:
        return more
    sums = sums.to(torch.promote_types(more.dtype, torch.float32))
    sums[:, :seen] += more
    return sums
