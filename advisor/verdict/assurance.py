"""What would settle an open choice: the number of test examples, or of training seeds.

Assurance (O'Hagan, Stevens & Campbell 2005): the chance that the choice would be decided, averaged over what the
qualities may be, given what was measured. They are drawn from their distribution given the data, with a normal prior
around their mean whose spread is estimated from the approaches at hand; new test examples are then drawn and the whole
rule of the choice is applied to old and new together. A power computed as if the observed difference were the true one
promises too much: of close rivals it is mostly chance which seems better and by how much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from advisor.measuring.student import VariancePart, half_width
from advisor.tasks.power import LEVEL, POWER
from advisor.verdict.cells import Settling
from advisor.verdict.paired import full_size, per_example
from advisor.verdict.rule import Bars, Costs
from advisor.verdict.sample import Floats, Sample
from advisor.verdict.seeds import seed_variance, with_seeds
from advisor.verdict.simultaneous import drawn, of_examples

DRAWS = 1_000
MOST_TIMES = 20
"""Test sets up to so many times the size at hand are considered."""
SEEDS = (3, 5, 10)
_STEPS = 24  # sizes between the one at hand and the largest, in equal ratios
_SEED = 20_241_201


@dataclass(frozen=True)
class Assurance:
    """The probabilities of a settled choice (assurance), for one comparison.

    Attributes:
        samples: the samples of the approaches that can be chosen, over the same test examples; at least two.
        costs: the costs of the same approaches, in the same order.
        margin: the margin of non-inferiority, in units of the metric.
    """

    samples: Sequence[Sample]
    costs: Costs
    margin: float

    def settling(self) -> Settling:
        """Search the sizes and numbers of seeds that would settle the choice."""
        n = self.samples[0].n
        most = MOST_TIMES * n
        sizes = sorted({round(n * MOST_TIMES ** (step / _STEPS)) for step in range(1, _STEPS + 1)} - {n})
        own = [seed_variance(sample) for sample in self.samples]
        chances = self._rising((size, own) for size in sizes)
        even = next((s for s, chance in zip(sizes, chances, strict=True) if chance >= 0.5), None)
        likely = next((s for s, chance in zip(sizes, chances, strict=True) if chance >= POWER), None)
        first = likely is None and self._due_to_seeds(own) > 0.5
        more = next((number for number in SEEDS if number > max(s.seeds for s in self.samples)), None)
        return Settling(even, likely, most, self._seeds(n), first, more)

    def chance(self, size: int, seeds: Sequence[VariancePart]) -> float:
        """The probability that the choice is settled with `size` test examples (present ones included) and seeds."""
        own = [seed_variance(sample) for sample in self.samples]
        quality = self._predicted(size, own, seeds)
        chosen = self._bars(size, seeds).choose(quality, self.costs)
        return float(chosen.settled.mean())

    def _rising(self, cases: Iterator[tuple[int, Sequence[VariancePart]]]) -> list[float]:
        """The probabilities, made non-decreasing in size; only the draws make them fall."""
        return list(np.maximum.accumulate([self.chance(size, seeds) for size, seeds in cases]))

    def _due_to_seeds(self, seeds: Sequence[VariancePart]) -> float:
        """The largest share of seeds in the variance of the best approach's difference to a rival."""
        best = int(np.argmax([sample.quality for sample in self.samples]))
        noise = of_examples(self.samples)
        shares = [0.0]
        for rival in range(len(self.samples)):
            trained = seeds[best].variance + seeds[rival].variance
            if rival != best and trained:
                examples = float(noise[best, best] + noise[rival, rival] - 2 * noise[best, rival])
                shares.append(trained / (trained + examples))
        return max(shares)

    def _seeds(self, n: int) -> int | None:
        if not any(sample.tuned or sample.seeds > 1 for sample in self.samples):
            return None
        now = max(sample.seeds for sample in self.samples)
        for number in SEEDS:
            if number > now and self.chance(n, [with_seeds(s, number) for s in self.samples]) >= POWER:
                return number
        return None

    def _predicted(self, size: int, own: Sequence[VariancePart], after: Sequence[VariancePart]) -> Floats:
        """Posterior predictive qualities at that size, given the present ones; shape (DRAWS, approaches)."""
        n, measured = self.samples[0].n, np.array([sample.quality for sample in self.samples])
        of_one = of_examples(self.samples) * n
        noise = of_one / n
        within = np.eye(len(measured)) - 1 / len(measured)
        spread = float(measured.var(ddof=1)) - float(np.trace(within @ noise)) / (len(measured) - 1)
        spread = max(spread, 0.0) + _LEAST**2
        gain = spread * np.linalg.inv(spread * np.eye(len(measured)) + noise)
        mean = measured.mean() + gain @ (measured - measured.mean())
        rng = np.random.default_rng(_SEED)
        true = mean + drawn(rng, spread * (np.eye(len(measured)) - gain), DRAWS)
        new = size - n
        if new:
            seen = true + drawn(rng, of_one / new, DRAWS)
            found: Floats = (n * measured + new * seen) / size
        else:
            found = np.tile(measured, (DRAWS, 1))
        fewer = [
            math.sqrt(max(0.0, before.variance - later.variance)) for before, later in zip(own, after, strict=True)
        ]
        found += rng.standard_normal(found.shape) * np.array(fewer)
        return found

    def _bars(self, size: int, seeds: Sequence[VariancePart]) -> Bars:
        """Half widths of the pairwise intervals at that size."""
        count = len(self.samples)
        half = np.zeros((count, count))
        for (i, j), (variance, full) in self._pairs.items():
            examples = (variance + 2 * full**2 / size) / size
            half[i, j] = half[j, i] = half_width([VariancePart(examples, size + 1), seeds[i], seeds[j]], LEVEL)
        return Bars(half, half - self.margin)

    @cached_property
    def _pairs(self) -> Mapping[tuple[int, int], tuple[float, float]]:
        """Of every pair the variance of an example's difference, and how far away its pseudo-examples are."""
        every = combinations(enumerate(self.samples), 2)
        return {(i, j): (per_example(a, b), full_size(a.means - b.means)) for (i, a), (j, b) in every}


_LEAST = 0.02
"""The least spread of true qualities that approaches are taken to have, in units of the metric."""
