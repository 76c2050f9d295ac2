"""How well a ranking of documents holds what is sought: recall, reciprocal rank and nDCG, each from 0 to 1.

A ranking names a document once, at its best place; the evidence is a set of at least one document.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence


def ranked(found: Sequence[str]) -> list[str]:
    """Documents of passages, best first, each at the place of its first passage."""
    return list(dict.fromkeys(found))


def recall(found: Sequence[str], evidence: Collection[str]) -> float:
    """The share of the evidence that was found."""
    return len(set(evidence).intersection(found)) / len(set(evidence))


def reciprocal_rank(found: Sequence[str], evidence: Collection[str]) -> float:
    """One over the rank of the first document of the evidence, from 1; 0 where none was found."""
    return next((1 / rank for rank, one in enumerate(ranked(found), 1) if one in evidence), 0.0)


def ndcg(found: Sequence[str], evidence: Collection[str], k: int) -> float:
    """Normalised discounted cumulative gain at `k` of documents that are either right or not (Järvelin & Kekäläinen
    2002): each right one counts 1 / log2(rank + 1), and the best ranking of `k` has 1."""
    gains = [1 / math.log2(rank + 1) for rank, one in enumerate(ranked(found)[:k], 1) if one in evidence]
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(set(evidence)), k) + 1))
    return sum(gains) / best if best else 0.0
