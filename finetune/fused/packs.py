"""Packs one behind the other, one for each adapter, filled up to the longest so that each is a matrix of a batch.

A pack of its own already holds several examples, of which longer ones are attended one by one; with several packs
that would be hundreds of small kernels a layer. Here all examples of all packs are laid out as one padded batch for the
attention alone, so that their number does not change how often a GPU is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from finetune.fused.packing import Pack, TokenRow, take

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Spans:
    """Stretches of tokens, each of which attends to what comes before it and to itself.

    What fills them up to the longest is the first token of their own pack, so that not even a number that is none
    gets from one pack to another.

    Attributes:
        queries: numbers of the tokens, shape (spans, longest).
        keys: numbers of the tokens that they may see, shape (spans, longest).
        seen: which of the keys each query sees, shape (spans, 1, queries, keys).
    """

    queries: torch.Tensor
    keys: torch.Tensor
    seen: torch.Tensor

    @classmethod
    def of(cls, spans: Sequence[tuple[range, range, int]], device: torch.device) -> Spans:
        """Lay out spans of (tokens before, own tokens, what to fill with)."""
        most_queries = max(len(own) for _, own, _ in spans)
        most_keys = max(len(before) + len(own) for before, own, _ in spans)
        queries = torch.tensor([[*own] + [fill] * (most_queries - len(own)) for _, own, fill in spans])
        keys = torch.tensor(
            [[*before, *own] + [fill] * (most_keys - len(before) - len(own)) for before, own, fill in spans]
        )
        last = torch.tensor([[len(before)] for before, _, _ in spans]) + torch.arange(most_queries)
        seen = torch.arange(most_keys) <= last[:, None, :, None]
        return cls(queries.to(device), keys.to(device), seen.to(device))


@dataclass(frozen=True)
class Layout:
    """Where the examples of all packs lie.

    Attributes:
        spans: the packs' prefixes, where there are some, and the examples' own parts; apart, since their lengths
            differ.
        places: for each token its number among all queries of all spans, one behind the other.
    """

    spans: tuple[Spans, ...]
    places: torch.Tensor

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attention within each example of each pack; shapes as in `advisor.models.local.attention.Attending`."""
        groups = query.shape[0] // key.shape[0]
        queries, keys, values = (x.transpose(0, 1) for x in (query, key, value))
        outputs = []
        for spans in self.spans:
            q = take(queries, spans.queries)
            k, v = (take(x, spans.keys) for x in (keys, values))
            if groups > 1:
                k, v = (x.repeat_interleave(groups, dim=1) for x in (k, v))
            found = scaled_dot_product_attention(q, k, v, attn_mask=spans.seen, scale=scale)
            outputs.append(found.transpose(1, 2).flatten(0, 1))
        return torch.cat(outputs).index_select(0, self.places)


@dataclass(frozen=True)
class Packs:
    """Several packs ready for one forward pass.

    Attributes:
        ids, positions: shape (1, packs x longest).
        layout: for the attention.
        predicting: numbers of the tokens that predict an answer's token.
        targets: the tokens to predict, shape as `predicting`.
        answers: how many of them belong to each pack.
        lengths: of the packs, before they were filled up.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    layout: Layout
    predicting: torch.Tensor
    targets: torch.Tensor
    answers: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, minibatches: Sequence[Sequence[TokenRow]], device: torch.device) -> Packs:
        """Pack each minibatch by itself and lay the packs one behind the other."""
        packs = [Pack.of(rows, _CPU) for rows in minibatches]
        lengths = tuple(pack.ids.shape[1] for pack in packs)
        width = max(lengths)
        ids = pad_sequence([pack.ids[0] for pack in packs], batch_first=True)
        positions = pad_sequence([pack.positions[0] for pack in packs], batch_first=True)
        predicting = torch.cat([n * width + pack.predicting for n, pack in enumerate(packs)])
        targets = torch.cat([pack.targets for pack in packs])
        return cls(
            ids.view(1, -1).to(device),
            positions.view(1, -1).to(device),
            _layout(packs, width, device),
            predicting.to(device),
            targets.to(device),
            tuple(len(pack.targets) for pack in packs),
            lengths,
        )


def _layout(packs: Sequence[Pack], width: int, device: torch.device) -> Layout:
    prefixes: list[tuple[range, range, int]] = []
    parts: list[tuple[range, range, int]] = []
    for number, pack in enumerate(packs):
        first = number * width
        prefix = range(first, first + pack.segments.prefix)
        if prefix:
            prefixes.append((range(0), prefix, first))
        start = prefix.stop
        for length in pack.segments.lengths:
            parts.append((prefix, range(start, start + length), first))
            start += length
    places = torch.zeros(len(packs), width, dtype=torch.long).flatten()
    found, before = [], 0
    for spans in filter(None, (prefixes, parts)):
        longest = max(len(own) for _, own, _ in spans)
        for number, (_, own, _) in enumerate(spans):
            places[own.start : own.stop] = before + number * longest + torch.arange(len(own))
        found.append(Spans.of(spans, device))
        before += len(spans) * longest
    for row, pack in zip(places.view(-1, width), packs, strict=True):
        row[pack.ids.shape[1] :] = row[0]  # what fills up reads what its pack's first token reads
    return Layout(tuple(found), places.to(device))
