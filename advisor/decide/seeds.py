"""How much another seed of training changes a quality: what is known beforehand, and what several seeds add to it.

Training draws initial adapters, an order of examples and which of them are held out. The quality of a tuned approach is
therefore that of one draw of many; test examples say nothing about the others. What is known beforehand is a prior on
the variance between seeds, a scaled inverse chi-squared one, which the seeds at hand update (moderated variances, Smyth
2004). Its degrees of freedom are few on purpose: spreads differ from task to task by a factor of several, and a prior
of more degrees would take the usual spread for the one at hand.

The prior's figures come from `python -m benchmarks.statistics.seeds` (results/seed-spread.json): `lora` and `rag+lora`
on the embedded model. How well the claims hold where the spread is another is in results/statistics.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from advisor.decide.sample import Sample

SPREAD = 0.05
"""Standard deviation between seeds of a tuned approach's quality, in units of the metric."""
DEGREES = 3.0
"""Degrees of freedom of what is known beforehand."""


@dataclass(frozen=True, slots=True)
class SeedVariance:
    """What seeds add to the variance of an approach's measured quality, in two parts that are known differently well.

    Attributes:
        prior: from what is known beforehand.
        own: from the seeds at hand.
        degrees: of freedom of `own`: seeds less one; 0 with one seed.
    """

    prior: float = 0.0
    own: float = 0.0
    degrees: int = 0

    @property
    def total(self) -> float:
        """Variance of the mean over the seeds at hand that is due to which seeds they are."""
        return self.prior + self.own

    @property
    def uncertainty(self) -> float:
        """The sum that divides the squared variance in Satterthwaite's degrees of freedom, this part of it."""
        return self.prior**2 / DEGREES + (self.own**2 / self.degrees if self.degrees else 0.0)


def seed_variance(sample: Sample) -> SeedVariance:
    """Of a sample with one seed or several; nought where another seed would give the same answers.

    The mean squares of a two-way layout, seeds x examples without replication, tell what differs between seeds from
    what one answer differs by.
    """
    if not sample.tuned and sample.seeds == 1:
        return SeedVariance()
    seeds, n = sample.values.shape
    if seeds == 1:
        return SeedVariance(prior=SPREAD**2)
    values = sample.values
    residual = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    of_one_answer = float((residual**2).sum()) / ((seeds - 1) * max(1, n - 1))
    between = max(0.0, float(sample.qualities.var(ddof=1)) - of_one_answer / n)
    weight = (seeds - 1) / (DEGREES + seeds - 1)
    return SeedVariance((1 - weight) * SPREAD**2 / seeds, weight * between / seeds, seeds - 1)


def with_seeds(sample: Sample, seeds: int) -> SeedVariance:
    """What is to be expected if the approach were trained with so many seeds in all and varied as it seems to now."""
    now = seed_variance(sample)
    if not now.total:
        return now
    of_one = now.total * sample.seeds
    weight = (seeds - 1) / (DEGREES + seeds - 1)
    return SeedVariance((1 - weight) * SPREAD**2 / seeds, weight * of_one / seeds, seeds - 1)
