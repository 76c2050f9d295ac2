"""Minibatches without padding: rows one behind the other, their common beginning computed once.

A step sees the same tokens in the same rows as a padded batch, so its loss and gradients are the same; only the
padding and the repetition are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from advisor.models.render import Encoded
from finetune.attention import causal

SHORTEST_PREFIX = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A lesson as tokens: the prompt, whose first `stem` tokens other rows may share, and the answer with the
    token that ends it."""

    prompt: tuple[int, ...]
    stem: int
    answer: tuple[int, ...]

    @classmethod
    def of(cls, prompt: Encoded, answer: Sequence[int]) -> Row:
        """Join an encoded prompt and its answer."""
        return cls(prompt.ids, prompt.stem, tuple(answer))

    @property
    def tokens(self) -> int:
        """Length of the row."""
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True)
class Segments:
    """Where the rows lie: the shared prefix, then each row's own part.

    Attributes:
        lengths: of the rows' own parts; with `prefix` they add up to the packed length.
    """

    prefix: int
    lengths: tuple[int, ...]

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Attention within each row; shapes as in `advisor.models.attention.Attending`."""
        groups = query.shape[0] // key.shape[0]
        if groups > 1:
            key, value = (x.repeat_interleave(groups, dim=0) for x in (key, value))
        parts = [self.prefix, *self.lengths] if self.prefix else list(self.lengths)
        queries, keys, values = (torch.split(x, parts, dim=1) for x in (query, key, value))
        outputs = [causal(queries[0], keys[0], values[0], scale)]
        for q, k, v in zip(queries[1:], keys[1:], values[1:], strict=True):
            if self.prefix:
                k, v = torch.cat([keys[0], k], dim=1), torch.cat([values[0], v], dim=1)
            outputs.append(causal(q, k, v, scale))
        return torch.cat(outputs, dim=1).transpose(0, 1)


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
    def of(cls, rows: Sequence[Row], device: torch.device) -> Pack:
        """Pack the rows; at least one token of each prompt stays its own, since it predicts."""
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
        segments = Segments(prefix, tuple(lengths))
        tensors = (torch.tensor(x, device=device) for x in (predicting, targets))
        return cls(torch.tensor([ids], device=device), torch.tensor([positions], device=device), segments, *tensors)


def packed_length(rows: Sequence[Row]) -> int:
    """Tokens that a pack of these rows has."""
    prefix = _common(rows)
    return prefix + sum(row.tokens - 1 - prefix for row in rows)


def _common(rows: Sequence[Row]) -> int:
    shared = min(min(row.stem, len(row.prompt) - 1) for row in rows) if len(rows) > 1 else 0
    for row in rows[1:]:
        while row.prompt[:shared] != rows[0].prompt[:shared]:
            shared -= 1
    return shared if shared >= SHORTEST_PREFIX else 0
