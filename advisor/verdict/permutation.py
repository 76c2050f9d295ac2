"""Paired permutation tests: would the difference be as large if the two approaches' answers were swapped?

Two-sided, by swapping the answers of two approaches example by example: over all swaps where at most 13 examples
differ, else by seeded random swaps, the same for all pairs, the observed one among them (Phipson & Smyth 2010). Swaps
that give just the observed difference count half (the mid-p of Lancaster 1961; Fagerland, Lydersen & Laake 2013 for
paired shares): where answers are right or wrong many of them do, and counting all makes a test at 5 % one at 1 to 3 %.
All seeds of an example are swapped together: the test speaks of the runs at hand, and what other seeds would change is
in `paired.py`. For macro F1 the predictions are swapped and the metric recomputed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from advisor.measuring.confusion import Confusion, blocks, macro_f1
from advisor.verdict.sample import Floats, Sample

Swaps = NDArray[np.int8]

PERMUTATIONS = 9_999
MACRO_F1_PERMUTATIONS = 4_999
EXACT_UP_TO = 13  # differing examples: all 2 ** 13 swaps are about as many as the random ones
_TIE = 1e-6
_SEED = 20_240_301


def p_values(pairs: Sequence[tuple[Sample, Sample]]) -> list[float]:
    """Uncorrected two-sided p-values of the paired differences, one for each pair, in order."""
    if not pairs:
        return []
    if pairs[0][0].counts is None:
        return _p_of_means([a.means - b.means for a, b in pairs])
    n = pairs[0][0].n
    swaps = np.concatenate(list(_swaps(MACRO_F1_PERMUTATIONS, n)))
    return [_p_of_macro_f1(_rounds(a, b), swaps) for a, b in pairs]


def _p_of_means(differences: Sequence[Floats]) -> list[float]:
    """Sign-flip tests of per-example differences, each of shape (examples,)."""
    table = np.stack(differences)
    sums = np.abs(table.sum(axis=1))
    extreme = np.zeros(len(table))
    differing = np.count_nonzero(table, axis=1)
    if (differing > EXACT_UP_TO).any():
        for swaps in _swaps(PERMUTATIONS, table.shape[1]):
            null = (1.0 - 2.0 * swaps) @ table.T
            extreme += _beyond(np.abs(null), sums).sum(axis=0)
    p = (extreme + 0.5) / (PERMUTATIONS + 1)
    for i in np.flatnonzero(differing <= EXACT_UP_TO):
        null = (1.0 - 2.0 * _all_swaps(differing[i])) @ table[i][table[i] != 0]
        p[i] = _beyond(np.abs(null), sums[i]).mean() if differing[i] else 1.0
    return [float(value) for value in p]


def _rounds(first: Sample, second: Sample) -> list[tuple[Confusion, Confusion]]:
    """The answers of both approaches, repeated until their seeds pair off."""
    assert first.counts is not None
    assert second.counts is not None
    rounds = math.lcm(first.seeds, second.seeds)
    return [(first.counts[i % first.seeds], second.counts[i % second.seeds]) for i in range(rounds)]


def _p_of_macro_f1(rounds: Sequence[tuple[Confusion, Confusion]], swaps: Swaps) -> float:
    unlike = [(a.predicted != b.predicted) | (a.true != b.true) for a, b in rounds]
    differing = np.flatnonzero(np.any(unlike, axis=0))
    exact = differing.size <= EXACT_UP_TO
    swaps = _all_swaps(differing.size) if exact else swaps[:, differing]
    observed = float(np.mean([(a.macro_f1() - b.macro_f1())[0] for a, b in rounds]))
    null = np.zeros(len(swaps))
    for first, second in rounds:
        null += _swapped_differences(first, second, differing, swaps) / len(rounds)
    if not differing.size:
        return 1.0
    extreme = float(_beyond(np.abs(null), abs(observed)).sum())
    return extreme / null.size if exact else (extreme + 0.5) / (null.size + 1)


def _beyond(null: Floats, observed: Floats | float) -> Floats:
    """1 where a swap gives more than the observed difference, one half where it gives exactly it, else 0."""
    found: Floats = 0.5 * (null >= observed - _TIE) + 0.5 * (null > observed + _TIE)
    return found


def _swapped_differences(one: Confusion, two: Confusion, differing: NDArray[np.intp], swaps: Swaps) -> Floats:
    """Differences in macro F1 under each swap of the differing examples."""
    moved = [(b - a).tocsr()[differing] for a, b in ((one.hits, two.hits), (one.involved, two.involved))]
    all_alike = np.ones((1, len(one)))
    first, second = one.sums(all_alike), two.sums(all_alike)
    parts = []
    for rows in blocks(len(swaps), 2 * one.labels + differing.size):
        hits, involved = (swaps[rows].astype(np.float64) @ each for each in moved)
        parts.append(macro_f1(first[0] + hits, first[1] + involved) - macro_f1(second[0] - hits, second[1] - involved))
    return np.concatenate(parts)


def _all_swaps(differing: int) -> Swaps:
    """Every way to swap `differing` examples (0 or 1); shape (2 ** differing, differing)."""
    patterns = np.arange(2**differing)[:, None] >> np.arange(differing)
    return (patterns & 1).astype(np.int8)


def _swaps(permutations: int, n: int) -> Iterator[Swaps]:
    """Random swaps of `n` examples (0 or 1); parts of shape (some permutations, n)."""
    rng = np.random.default_rng(_SEED)
    for block in blocks(permutations, n):
        yield rng.integers(0, 2, (block.stop - block.start, n), dtype=np.int8)
