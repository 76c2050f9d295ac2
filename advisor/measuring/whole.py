"""Figures of all answers taken together: BLEU, chrF, how alike the answers are, how long they are.

Some are functions of sums over the examples (`WHOLES`), of which resamples are quick; others a mean of what each answer
has in common with the rest (`EACH`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from advisor.tasks.forms import unicode_form
from advisor.tasks.words import count_words, split_words

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

Texts = Sequence[str]
ORDERS = 4  # of BLEU's n-grams


@dataclass(frozen=True)
class Whole:
    """A figure of all answers together that is a function of sums over them.

    Attributes:
        statistics: of one answer and its targets, to be summed.
        figure: of the sums.
    """

    statistics: Callable[[str, Texts], Sequence[float]]
    figure: Callable[[Sequence[float]], float]

    def of(self, texts: Texts, targets: Sequence[Texts]) -> float:
        """The figure of these answers."""
        return self.figure(self.table(texts, targets).sum(axis=0).tolist())

    def table(self, texts: Texts, targets: Sequence[Texts]) -> NDArray[np.float64]:
        """The statistics of each answer; shape (examples, statistics)."""
        return np.array([self.statistics(text, right) for text, right in zip(texts, targets, strict=True)], np.float64)


@cache
def _bleu() -> BLEU:
    # Imported on first use, as chrF's: only few metrics need it.
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=True)


@cache
def _chrf() -> CHRF:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


@lru_cache(maxsize=16384)
def _bleu_ngrams(text: str) -> tuple[Counter[tuple[str, ...]], int]:
    """The n-grams of a text, of 1 to 4 tokens, and how many tokens it has; tokens are sacrebleu's (13a)."""
    tokens = _bleu()._preprocess_segment(unicode_form(text)).split()
    found = Counter(tuple(tokens[at : at + n]) for n in range(1, ORDERS + 1) for at in range(len(tokens) - n + 1))
    return found, len(tokens)


@lru_cache(maxsize=16384)
def _bleu_statistics(text: str, targets: tuple[str, ...]) -> tuple[int, ...]:
    """Lengths of the answer and of the target nearest in length, then n-grams in common, then n-grams, by order."""
    own, length = _bleu_ngrams(text)
    others = [_bleu_ngrams(target) for target in targets]
    most: Counter[tuple[str, ...]] = Counter()
    for ngrams, _ in others:
        most |= ngrams
    nearest = min((size for _, size in others), key=lambda size: (abs(size - length), size))
    return length, nearest, *_matches(own, most)


def _matches(own: Mapping[tuple[str, ...], int], most: Mapping[tuple[str, ...], int]) -> list[int]:
    correct, total = [0] * ORDERS, [0] * ORDERS
    for ngram, count in own.items():
        total[len(ngram) - 1] += count
        correct[len(ngram) - 1] += min(count, most.get(ngram, 0))
    return [*correct, *total]


def _bleu_of(statistics: Sequence[float], effective_order: bool) -> float:
    length, nearest = int(statistics[0]), int(statistics[1])
    if not length and not nearest:
        return 1.0
    counts = [int(count) for count in statistics[2:]]
    how: dict[str, Any] = {"smooth_method": "exp", "effective_order": effective_order}
    return min(1.0, _bleu().compute_bleu(counts[:ORDERS], counts[ORDERS:], length, nearest, **how).score / 100)


def sentence_bleu(text: str, targets: Texts) -> float:
    """BLEU of one answer (sacrebleu's `sentence_bleu`: exponential smoothing, orders that it has), from 0 to 1."""
    return _bleu_of(_bleu_statistics(text, tuple(targets)), effective_order=True)


def _corpus_bleu(statistics: Sequence[float]) -> float:
    return _bleu_of(statistics, effective_order=False)


def self_bleu(texts: Texts, targets: Sequence[Texts]) -> NDArray[np.float64]:
    """BLEU of each answer against all the others (Zhu et al. 2018); shape (examples,), of one answer 0."""
    found = [_bleu_ngrams(text) for text in texts]
    if len(found) < 2:
        return np.zeros(len(found))
    first: dict[tuple[str, ...], tuple[int, int]] = {}  # the largest count of an n-gram, and whose it is
    second: Counter[tuple[str, ...]] = Counter()  # the largest count in any other answer
    for at, (ngrams, _) in enumerate(found):
        for ngram, count in ngrams.items():
            best = first.get(ngram, (0, -1))
            if count > best[0]:
                first[ngram], second[ngram] = (count, at), best[0]
            elif count > second[ngram]:
                second[ngram] = count
    lengths = Counter(length for _, length in found)
    values = []
    for at, (ngrams, length) in enumerate(found):
        others = {g: second[g] if first[g][1] == at else first[g][0] for g in ngrams}
        left = lengths - Counter([length])
        nearest = min(left, key=lambda size: (abs(size - length), size))
        values.append(_bleu_of([length, nearest, *_matches(ngrams, others)], effective_order=True))
    return np.array(values)


def distinct_n(texts: Texts, targets: Sequence[Texts], n: int = 2) -> float:
    """The share of the n-grams of words, over all answers, that are different ones (Li et al. 2016)."""
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        words = _words(text)
        total += max(0, len(words) - n + 1)
        seen.update(zip(*(words[at:] for at in range(n)), strict=False))
    return len(seen) / total if total else 0.0


@lru_cache(maxsize=16384)
def _words(text: str) -> tuple[str, ...]:
    return tuple(split_words(unicode_form(text).lower()))


def _lengths(text: str, targets: Texts) -> tuple[int, int]:
    """Words of the answer, and of the target that is nearest in length."""
    own = count_words(text)
    return own, min((count_words(target) for target in targets), key=lambda size: (abs(size - own), size))


def _ratio(sums: Sequence[float]) -> float:
    return sums[0] / sums[1] if sums[1] else math.inf if sums[0] else 1.0


def sentence_chrf(text: str, targets: Texts) -> float:
    """F2 of character n-grams (Popović 2015) by sacrebleu, of the texts in one Unicode form."""
    return float(_chrf().sentence_score(unicode_form(text), [unicode_form(target) for target in targets]).score) / 100


def _chrf_statistics(text: str, targets: Texts) -> list[int]:
    right: Any = [[unicode_form(target)] for target in targets]
    (found,) = _chrf()._extract_corpus_statistics([unicode_form(text)], right)
    return list(found)


def _chrf_of(sums: Sequence[float]) -> float:
    return _chrf()._compute_f_score([int(count) for count in sums]) / 100


WHOLES: Mapping[str, Whole] = {
    "bleu": Whole(lambda text, targets: _bleu_statistics(text, tuple(targets)), _corpus_bleu),
    "chrf": Whole(_chrf_statistics, _chrf_of),
    "length_ratio": Whole(_lengths, _ratio),
}
EACH: Mapping[str, Callable[[Texts, Sequence[Texts]], NDArray[np.float64]]] = {"self_bleu": self_bleu}
