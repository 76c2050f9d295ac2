"""How much of the best measured quality is luck: the best of several is partly so by chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from advisor.measure.metrics import confusion, label_set, macro_f1, scores

DRAWS = 200  # of halves, each of which chooses once

Texts = Mapping[str, Mapping[str, str]]
"""By approach, its answers by the id of the example."""
_Rows = NDArray[np.intp]


def halved(metric: str, texts: Texts, accepted: Mapping[str, Sequence[str]]) -> float:
    """The mean quality, on one half of the test examples, of the approach that is best on the other half.

    Choosing by half of the examples is less sure than choosing by all, so this is at most what a choice by all of them
    is worth on others.

    Args:
        accepted: the answers that count as right, by the id of the example; these examples count.
    """
    ids = sorted(accepted)
    targets = [accepted[one] for one in ids]
    judges = [_judge(metric, [found[one] for one in ids], targets) for found in texts.values()]
    rng = np.random.default_rng(0)
    worth = []
    for _ in range(DRAWS):
        order = rng.permutation(len(ids))
        chosen_by, judged_by = order[: len(ids) // 2], order[len(ids) // 2 :]
        reached = np.array([judge(chosen_by) for judge in judges])
        best = np.flatnonzero(reached >= reached.max() - 1e-9)
        worth.append(np.mean([judges[one](judged_by) for one in best]))
    return float(np.mean(worth))


def _judge(metric: str, texts: Sequence[str], targets: Sequence[Sequence[str]]) -> Callable[[_Rows], float]:
    if metric == "macro_f1":
        counts = confusion(texts, targets, label_set(texts, targets))
        return lambda rows: float(macro_f1(counts[rows].sum(axis=0)))
    found = scores(metric, texts, targets)
    return lambda rows: float(found[rows].mean())
