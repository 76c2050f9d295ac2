"""How well a ranking finds what is relevant: recall, reciprocal rank and nDCG, for one question each."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence


def recall(found: Sequence[str], relevant: Collection[str]) -> float:
    """Share of the relevant documents among those found; a document counts once.

    Args:
        found: ids, best first.
        relevant: ids, at least one.
    """
    return len(set(relevant).intersection(found)) / len(set(relevant))


def reciprocal_rank(found: Sequence[str], relevant: Collection[str]) -> float:
    """1 / rank of the first relevant document, where each document counts at its first place; 0 if none was found."""
    distinct = dict.fromkeys(found)
    return next((1 / rank for rank, one in enumerate(distinct, 1) if one in relevant), 0.0)


def ndcg(found: Sequence[str], relevant: Collection[str], k: int) -> float:
    """Normalised discounted cumulative gain of the first `k` distinct documents, from 0 to 1.

    All relevant documents are worth 1 and the discount is 1 / log2(rank + 1) (Järvelin and Kekäläinen 2002); the ideal
    ranking has as many relevant ones on top as there are, `k` at most.
    """
    distinct = list(dict.fromkeys(found))[:k]
    gained = sum(1 / math.log2(rank + 1) for rank, one in enumerate(distinct, 1) if one in relevant)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(set(relevant)), k) + 1))
    return gained / ideal if ideal else 0.0
