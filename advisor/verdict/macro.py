"""The interval of macro F1, widened where labels have few test examples.

Macro F1 is a mean over labels, and a label with one or two examples weighs as much as any other. Resampled, it is right
or wrong as a whole, and what was not seen of it has no part: a bootstrap of two labels, the rarer with one example of
200, held the truth in 79 % of the cases. And the F1 of few examples is too low on average, by nearly a tenth of the
truth for 20 labels and 50 examples; resampling adds the same once more, downwards. So the interval is widened to hold

- upwards the lower quantile of the bootstrap turned over at the estimate (the basic bootstrap, Davison & Hinkley 1997,
  5.2), for what the estimate is too low by;
- those of the posterior of each label's F1 = H / (H + E / 2), of hits H and of errors E that it is a part of (Goutte &
  Gaussier 2005), with a pseudo-example for each label, as often right as all are, and one that is wrong and falls on
  two labels by chance: with two labels it falls on the rare one, with twenty hardly.

Examples are weighed together for all labels (the Bayesian bootstrap, Rubin 1981), since one that is wrong counts
against two. Simulated (`benchmarks/macro.py`), the interval holds the truth in 93 % or more, but in 91 % where each of
twenty labels has a single example.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from advisor.measuring.confusion import Confusion, blocks, macro_f1
from advisor.measuring.records import Answer
from advisor.tasks.forms import unicode_form
from advisor.tasks.power import TAILS
from advisor.verdict.cells import Interval
from advisor.verdict.paired import rounded
from advisor.verdict.sample import Floats

FEW = 5
"""Test examples of a label below which its F1 rests on single answers."""
_DRAWS = 2_000
_SEED = 20_261_129
_NEXT_TO_NONE = 1e-9


def widened(found: Interval, counts: Sequence[Confusion]) -> Interval:
    """Widen the interval of a macro F1 by the uncertainty of labels with few examples.

    Args:
        counts: the confusion counts of each seed.
    """
    rng = np.random.default_rng(_SEED)
    plain, smoothed = _drawn(rng, counts)
    least, most = (float(x) for x in np.quantile(smoothed, TAILS))
    turned = 2 * found.value - float(np.quantile(plain, TAILS[0]))
    high = min(1.0, max(found.high, most, turned))
    return rounded(found.value, min(found.low, least), high)


def _drawn(rng: np.random.Generator, counts: Sequence[Confusion]) -> tuple[Floats, Floats]:
    """Macro F1 of resampled examples, and of reweighted examples with pseudo-examples; shape (draws,) each."""
    n, labels = len(counts[0]), counts[0].labels
    hits = sum(each.hits for each in counts[1:]) + counts[0].hits
    involved = sum(each.involved for each in counts[1:]) + counts[0].involved
    present = np.flatnonzero(involved.sum(axis=0))
    hits, involved = (each.tocsr()[:, present] / len(counts) for each in (hits, involved))
    right_answers = float(hits.sum())
    plain, smoothed = [], []
    for block in blocks(_DRAWS, n + 2 * labels):
        rows = block.stop - block.start
        again = rng.poisson(1, (rows, n)).astype(np.float32)  # how often each example is drawn
        plain.append(macro_f1(again @ hits, again @ involved))
        weights = rng.standard_exponential((rows, n), dtype=np.float32)
        right = rng.beta(right_answers + 0.5, n - right_answers + 0.5, (rows, 1))
        more_hits, more = _pseudo(rng, right, (rows, len(present)))
        smoothed.append(macro_f1(weights @ hits + more_hits, weights @ involved + more))
    return np.concatenate(plain), np.concatenate(smoothed)


def _pseudo(rng: np.random.Generator, right: Floats, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """The weights of the pseudo-examples, as hits and as errors in examples, each of shape (draws, labels).

    Args:
        right: the share of right answers in each draw; shape (draws, 1).
    """
    draws, labels = shape
    hits = rng.standard_gamma(np.maximum(right, _NEXT_TO_NONE), (draws, labels))
    involved = 2 * hits + rng.standard_gamma(np.maximum(2 * (1 - right), _NEXT_TO_NONE), (draws, labels))
    wrong, rows = rng.standard_exponential(draws), np.arange(draws)
    true = rng.integers(labels, size=draws)
    involved[rows, true] += wrong
    if labels > 1:
        involved[rows, (true + rng.integers(1, labels, draws)) % labels] += wrong
    return hits, involved


def rare_labels(answers: Iterable[Answer]) -> Mapping[str, int]:
    """The labels with fewer than `FEW` test examples and their counts, rarest first."""
    counted = Counter(unicode_form(answer.targets[0]) for answer in answers if answer.targets)
    return {label: n for label, n in sorted(counted.items(), key=lambda item: (item[1], item[0])) if n < FEW}
