"""The variance of quality between training seeds: a prior, updated by the seeds at hand.

Training draws initial adapters, an order of examples and which of them are held out. The quality of a tuned approach is
therefore that of one draw of many; test examples say nothing about the others. What is known beforehand is a prior on
the variance between seeds, a scaled inverse chi-squared one, which the seeds at hand update (moderated variances, Smyth
2004). Its degrees of freedom are few on purpose: spreads differ from task to task by a factor of several, and a prior
of more degrees would take the usual spread for the one at hand. A spread that is seen to be larger than usual is taken
as seen, not drawn towards the usual one: what is too small would decide for nothing.

The prior's figures come from `python -m benchmarks.statistics.seeds` (results/seed-spread.json): `lora` on
six tasks, by the embedded model. How well the claims hold where the spread is another is in results/statistics.md.
"""

from __future__ import annotations

from advisor.measuring.student import VariancePart
from advisor.verdict.sample import Floats, Sample

SPREAD = 0.05
"""Standard deviation between seeds of a tuned approach's quality where that is a mean of scores."""
MACRO_SPREAD = 0.10
"""The same of macro F1, which falls by much where a training gives a rare label up."""
DEGREES = 3.0
"""Degrees of freedom of what is known beforehand."""


def seed_variance(sample: Sample) -> VariancePart:
    """The variance that seeds add to an approach's mean quality; zero where another seed gives the same answers.

    Of what is not tuned nothing is known beforehand: one seed speaks of those very examples, several of themselves.
    """
    seeds = sample.seeds
    if not sample.tuned:
        return VariancePart(between(sample) / seeds, seeds - 1) if seeds > 1 else VariancePart(0.0, 1)
    usual = usual_spread(sample) ** 2
    if seeds == 1:
        return VariancePart(usual, DEGREES)
    seen = between(sample)
    moderated = (DEGREES * usual + (seeds - 1) * seen) / (DEGREES + seeds - 1)
    return VariancePart(max(seen, moderated) / seeds, DEGREES + seeds - 1)


def with_seeds(sample: Sample, seeds: int) -> VariancePart:
    """The expected seed variance with `seeds` seeds in all, if the approach varies as it seems to now."""
    now = seed_variance(sample)
    return VariancePart(now.variance * sample.seeds / seeds, now.degrees + seeds - sample.seeds)


def usual_spread(sample: Sample) -> float:
    """The prior standard deviation between seeds, from trainings on other tasks, for the metric."""
    return SPREAD if sample.counts is None else MACRO_SPREAD


def between(sample: Sample) -> float:
    """The variance between seeds that the test examples do not explain; at least two seeds.

    The mean squares of a two-way layout, seeds x examples without replication, tell what differs between seeds from
    what one answer differs by.
    """
    values, seeds, n = sample.values, sample.seeds, sample.n
    residual: Floats = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    of_one_answer = float((residual**2).sum()) / ((seeds - 1) * max(1, n - 1))
    of_qualities = float(sample.qualities.var(ddof=1))
    return max(0.0, of_qualities - of_one_answer / n)
