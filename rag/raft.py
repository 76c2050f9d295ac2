"""Passages for training, sometimes without the right one (RAFT, Zhang et al. 2024, arXiv:2403.10131)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from advisor.models import Passage
from advisor.tasks import Example

# what is needed for one example but costs a search, so that it is asked for only where it is used
Lookup = Callable[[], list[Passage]]


def training_passages(
    retrieved: Sequence[Passage],
    evidence: Sequence[str],
    gold: Lookup,
    others: Lookup,
    miss: float,
    chance: random.Random,
) -> tuple[Passage, ...]:
    """What a training example is shown, given what retrieval brings for it at inference.

    RAFT shows the right document in P % of the examples and wrong ones alone in the rest, and asks for the
    same answer in both; so a model learns to read the passages without relying on them blindly. Here P is
    1 - `miss`, and the wrong ones are what the retriever itself takes for right.

    Args:
        retrieved: passages as at inference, best first.
        evidence: ids of the documents that hold the answer.
        gold: the passage to put in where none of `retrieved` is from `evidence`; may be empty.
        others: as many passages as `retrieved` has, best first, none from `evidence`.
        miss: share of examples that are shown no passage from `evidence`.
        chance: settles whether, and at which rank the right passage is put in: at any, with equal chance,
            in place of the last one.
    """
    if chance.random() < miss:
        return tuple(others())
    if any(passage.source in evidence for passage in retrieved):
        return tuple(retrieved)
    found = gold()
    if not found:
        return tuple(retrieved)
    shown = list(retrieved[:-1])
    shown.insert(chance.randint(0, len(shown)), found[0])
    return tuple(shown)


def chance_of(example: Example, seed: int) -> random.Random:
    """Randomness that belongs to one example, whichever others are trained on beside it."""
    return random.Random(f"{seed}:{example.id}:{example.input}")
