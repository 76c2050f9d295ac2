"""Probe readings with their intervals: qualities, shares and perplexities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from advisor.measuring import metrics
from advisor.pilot.readings import ProbeReading
from advisor.tasks import Example
from advisor.verdict.resampling import Bootstrap
from advisor.verdict.sample import Sample

_Z = NormalDist().inv_cdf(0.975)


def quality(name: str, metric: str, answers: Sequence[str], judged: Sequence[Example], train: int) -> ProbeReading:
    """The quality of answers in the task's metric, with the interval a comparison's report would give."""
    targets = [example.answers for example in judged]
    counts = None
    if metric == "macro_f1":
        counts = (metrics.confusion(answers, targets, metrics.label_set(answers, targets)),)
    return _reading(name, Sample(name, metrics.scores(metric, answers, targets)[None], counts), train)


def share(name: str, values: Sequence[float]) -> ProbeReading:
    """The mean of values from 0 to 1, such as recall, with its interval."""
    return _reading(name, Sample(name, np.array([values], dtype=np.float64)), 0)


def perplexity(name: str, totals: Sequence[float], words: Sequence[int]) -> ProbeReading:
    """Perplexity per word over some texts together.

    The interval is that of a ratio of two sums, on the scale of the logarithm, by Student's distribution.

    Args:
        totals: natural log of the probability of each text.
        words: the number of words of each text, at least one.
    """
    surprise, size = -np.array(totals), np.array(words, dtype=np.float64)
    n = len(size)
    mean = float(surprise.sum() / size.sum())
    half = math.inf
    if n > 1:
        rest = surprise - mean * size
        half = _t(n - 1) * math.sqrt(float((rest**2).sum()) / (n - 1) / n) / float(size.mean())
    return ProbeReading(name, _exp(mean), _exp(max(0.0, mean - half)), _exp(mean + half), n, 0)


def _reading(name: str, sample: Sample, train: int) -> ProbeReading:
    interval = Bootstrap([sample]).interval(sample)
    return ProbeReading(name, interval.value, max(0.0, interval.low), min(1.0, interval.high), sample.n, train)


def _exp(value: float) -> float:
    """The exponential of a log perplexity, bounded by the largest float."""
    return math.exp(min(value, 700.0))


def _t(freedom: int) -> float:
    """The 97.5 % quantile of Student's distribution, by the Cornish-Fisher expansion; within 2 % from 4 degrees of
    freedom on.
    """
    z, v = _Z, freedom
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / v + second / v**2 + third / v**3
