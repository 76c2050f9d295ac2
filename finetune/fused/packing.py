"""Minibatches without padding: rows one behind the other, their common beginning computed once.

A step sees the same tokens in the same rows as a padded batch, so its loss and gradients are the same; only the
padding and the repetition are gone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch.nn.functional import pad

from advisor.models.local.attention import BLOCK, behind, flash_multiplies
from advisor.models.local.packed import Layer
from advisor.models.local.prefixes import common
from advisor.models.render import Encoded
from finetune.fused.attention import causal, masked

SHORTEST_PREFIX = 8
MOST_AT_ONCE, MOST_BY_AMX = 128, 256  # tokens of a pack whose attention is taken in one, none of them left out
KEPT = 16  # masks of packs, of at most 128 kB
MOST_FILLING = 2  # times the tokens that rows may take when filled up to the longest of them


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A example as tokens: the prompt, whose first `stem` tokens other rows may share, and the answer with the
    token that ends it.

    Attributes:
        task: whose example it is: 0 for the task itself, else the number of another one that is trained on too.
        difficulty: by which examples are ordered in a curriculum.
    """

    prompt: tuple[int, ...]
    stem: int
    answer: tuple[int, ...]
    task: int = 0
    difficulty: float = 0.0

    @classmethod
    def of(cls, prompt: Encoded, answer: Sequence[int]) -> TokenRow:
        """Join an encoded prompt and its answer."""
        return cls(prompt.ids, prompt.stem, tuple(answer))

    @property
    def rows(self) -> tuple[TokenRow, ...]:
        """What is read of it: itself."""
        return (self,)

    @property
    def tokens(self) -> int:
        """Length of the row."""
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True)
class Segments:
    """Where the rows lie: the shared prefix, then each row's own part.

    Attributes:
        lengths: of the rows' own parts; with `prefix` they add up to the packed length.
        filled: where several rows are so short that their attention is taken in one; else None.
        start: keys and values of each layer that stand before all of it, shape (1, key heads, tokens, size), through
            which gradients reach what they are made of; none where rows begin with their own tokens.
    """

    prefix: int
    lengths: tuple[int, ...]
    filled: Filled | None
    start: Sequence[Layer] = ()

    @classmethod
    def of(cls, prefix: int, lengths: Sequence[int], device: torch.device, start: Sequence[Layer] = ()) -> Segments:
        """Rows of such lengths behind a prefix, and that behind a start."""
        longest = max(lengths)
        short = longest <= BLOCK and len(lengths) * longest <= MOST_FILLING * sum(lengths)
        filled = Filled.of(lengths, device) if short and len(lengths) > 1 else None
        return cls(prefix, tuple(lengths), filled, start)

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attention within each row; shapes as in `advisor.models.local.attention.Attending`."""
        if len(self.lengths) > 1 and query.shape[1] <= _few(query):
            hidden = _others(self.prefix, self.lengths, query.dtype)
            if self.start:
                key, value = self._behind_start(layer, key, value)
                hidden = pad(hidden, (key.shape[1] - query.shape[1], 0))
            return masked(query, key, value, scale, hidden).transpose(0, 1)
        parts = (x.split([self.prefix, x.shape[1] - self.prefix], dim=1) for x in (query, key, value))
        (first, *before), own = zip(*parts, strict=True)
        if self.start:
            before = list(self._behind_start(layer, *before))
        outputs = [causal(first, before[0], before[1], scale).transpose(0, 1)] if self.prefix else []
        if self.filled:
            outputs.append(self.filled.attend(own, before, scale))
        else:
            for q, k, v in zip(*(x.split(self.lengths, dim=1) for x in own), strict=True):
                outputs.append(causal(q, behind(before[0], k), behind(before[1], v), scale).transpose(0, 1))
        return torch.cat(outputs)

    def _behind_start(self, layer: int, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values, shape (key heads, tokens, size), with those of the start before them."""
        keys, values = self.start[layer]
        return torch.cat([keys[0], key], dim=1), torch.cat([values[0], value], dim=1)


def _few(like: torch.Tensor) -> int:
    """Up to how many tokens the logits of all by all are not worth cutting up, on the device and in the dtype of
    `like`.

    Forward and backward, of eight short rows behind 40 tokens that they share: 211 tokens of nine heads in 2.4 in
    place of 3.6 ms where bfloat16 is multiplied by AMX, in 3.8 and 3.7 in float32; 120 tokens in 1.3 and 2.5, in 1.4
    and 2.2.
    """
    if like.device.type != "cpu":
        return 0
    return MOST_BY_AMX if like.dtype == torch.bfloat16 and flash_multiplies() else MOST_AT_ONCE


@lru_cache(KEPT)
def _others(prefix: int, lengths: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """What hides from each token of a pack those of other rows and those behind it, shape (tokens, tokens): to be added
    to logits."""
    row = torch.tensor([0] * prefix + [number for number, n in enumerate(lengths, 1) for _ in range(n)])
    seen = ((row == row[:, None]) | (row == 0)).tril()
    return torch.zeros(seen.shape, dtype=dtype).masked_fill_(~seen, -math.inf)


@dataclass(frozen=True)
class Filled:
    """Short rows as a batch, filled up to the longest: one product for all of them in place of one for each.

    What fills a row lies behind its tokens, which do not see it, and its own attention is thrown away.

    Attributes:
        tokens: numbers of the tokens that stand at each place of the batch, shape (rows, longest); a row's last one
            fills it up.
        places: where each token stands in the batch, row by row.
    """

    tokens: torch.Tensor
    places: torch.Tensor

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> Filled:
        """Rows of such lengths, one behind the other."""
        longest = max(lengths)
        ends = torch.tensor(lengths).cumsum(0)[:, None]
        starts = ends - torch.tensor(lengths)[:, None]
        tokens = torch.minimum(starts + torch.arange(longest), ends - 1)
        places = [row * longest + token for row, length in enumerate(lengths) for token in range(length)]
        return cls(tokens.to(device), torch.tensor(places, device=device))

    def attend(self, own: Sequence[torch.Tensor], before: Sequence[torch.Tensor], scale: float) -> torch.Tensor:
        """Attention of the rows' queries, keys and values, shape (heads, tokens, size), behind a prefix's.

        Returns:
            Shape (tokens, heads, size).
        """
        query, *kv = (_Filling.apply(x, self) for x in own)  # type: ignore[no-untyped-call]
        key, value = (behind(b, x).flatten(0, 1) for b, x in zip(before, kv, strict=True))
        found = causal(query.flatten(0, 1), key, value, scale).unflatten(0, query.shape[:2])
        emptied: torch.Tensor = _Emptying.apply(found, self)  # type: ignore[no-untyped-call]
        return emptied


class _Filling(torch.autograd.Function):
    """Lays tokens, shape (heads, tokens, size), out as a batch, shape (rows, heads, longest, size).

    What fills a row gets no gradient, since nothing that sees it is kept: autograd, which cannot know, would add it up.
    """

    @staticmethod
    def forward(ctx: Any, given: torch.Tensor, filled: Filled) -> torch.Tensor:
        ctx.filled = filled
        return take(given.transpose(0, 1), filled.tokens)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _emptied(gradients[0], ctx.filled).transpose(0, 1), None


class _Emptying(torch.autograd.Function):
    """Back from the batch to tokens, shape (tokens, heads, size)."""

    @staticmethod
    def forward(ctx: Any, batch: torch.Tensor, filled: Filled) -> torch.Tensor:
        ctx.filled = filled
        return _emptied(batch, filled)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (coming,) = gradients
        rows, longest = ctx.filled.tokens.shape
        batch = coming.new_zeros(rows * longest, *coming.shape[1:]).index_copy_(0, ctx.filled.places, coming)
        return batch.unflatten(0, (rows, longest)).transpose(1, 2), None


def _emptied(batch: torch.Tensor, filled: Filled) -> torch.Tensor:
    """Tokens, shape (tokens, heads, size), from a batch, shape (rows, heads, longest, size)."""
    return batch.transpose(1, 2).flatten(0, 1).index_select(0, filled.places)


@dataclass(frozen=True)
class Pack:
    """Rows ready for one forward pass.

    Attributes:
        ids, positions: shape (1, packed length).
        predicting: numbers of the packed tokens that predict an answer's token.
        targets: the tokens to predict, shape as `predicting`.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    segments: Segments
    predicting: torch.Tensor
    targets: torch.Tensor

    @classmethod
    def of(cls, rows: Sequence[TokenRow], device: torch.device, start: Sequence[Layer] = ()) -> Pack:
        """Pack the rows; at least one token of each prompt stays its own, since it predicts.

        Args:
            start: as of `Segments`.
        """
        prefix = _common(rows)
        ids = list(rows[0].prompt[:prefix])
        positions = list(range(prefix))
        lengths: list[int] = []
        predicting: list[int] = []
        targets: list[int] = []
        for row in rows:
            own = [*row.prompt[prefix:], *row.answer[:-1]]
            first = len(ids) + len(row.prompt) - prefix - 1
            predicting += range(first, first + len(row.answer))
            targets += row.answer
            ids += own
            positions += range(prefix, prefix + len(own))
            lengths.append(len(own))
        segments = Segments.of(prefix, lengths, device, start)
        given = start[0][0].shape[2] if start else 0
        placed = torch.tensor([positions], device=device) + given
        tensors = (torch.tensor(x, device=device) for x in (predicting, targets))
        return cls(torch.tensor([ids], device=device), placed, segments, *tensors)


def take(tokens: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Shape (all tokens, heads, size) to (spans, heads, tokens of a span, size); `numbers` has (spans, tokens)."""
    taken: torch.Tensor = tokens.index_select(0, numbers.flatten()).unflatten(0, numbers.shape)
    return taken.transpose(1, 2)


def packed_length(rows: Sequence[TokenRow]) -> int:
    """Tokens that a pack of these rows has."""
    prefix = _common(rows)
    return prefix + sum(row.tokens - 1 - prefix for row in rows)


def _common(rows: Sequence[TokenRow]) -> int:
    if len(rows) == 1:
        return 0
    shared = min([common([row.prompt for row in rows]), *(min(row.stem, len(row.prompt) - 1) for row in rows)])
    return shared if shared >= SHORTEST_PREFIX else 0
