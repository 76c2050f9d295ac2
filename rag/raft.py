"""Passages for training, sometimes without the right one (RAFT, Zhang et al. 2024, arXiv:2403.10131)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from advisor.models import Passage
from advisor.tasks import Example
from rag.index import PassageIndex


def training_passages(
    index: PassageIndex, examples: Sequence[Example], k: int, miss: float, seed: int
) -> list[list[Passage]]:
    """What each training example is shown: what retrieval brings for it, with or without the right passage.

    RAFT shows the right document in P % of the examples and wrong ones alone in the rest, and asks for the
    same answer in both; so a model learns to read the passages without relying on them blindly. Here P is
    1 - `miss`, and the wrong ones are what the retriever itself takes for right. Where it does not find the right
    passage, that is put in at any rank, with equal chance, in place of the last one. Examples whose evidence is not
    known are shown what inference would bring.

    Args:
        k: passages for each example.
        miss: share of examples that are shown no passage of their evidence.
    """
    chances = [_chance_of(example, seed) for example in examples]
    known = [index.knows(example.evidence) for example in examples]
    missed = [has and chance.random() < miss for has, chance in zip(known, chances, strict=True)]
    hidden = [example.evidence if gone else () for example, gone in zip(examples, missed, strict=True)]
    shown = index.search([example.input for example in examples], k, without=hidden)
    lacking = [at for at, e in enumerate(examples) if known[at] and not missed[at] and not _from(shown[at], e.evidence)]
    asked, evidence = [examples[at].input for at in lacking], [examples[at].evidence for at in lacking]
    for at, found in zip(lacking, index.search(asked, 1, within=evidence), strict=True):
        if found:
            others = shown[at][: k - 1]
            place = chances[at].randint(0, len(others))
            shown[at] = [*others[:place], found[0], *others[place:]]
    return shown


def _from(passages: Sequence[Passage], sources: Sequence[str]) -> bool:
    return any(passage.source in sources for passage in passages)


def _chance_of(example: Example, seed: int) -> random.Random:
    """Randomness that belongs to one example, whichever others are trained on beside it."""
    return random.Random(f"{seed}:{example.id}:{example.input}")
