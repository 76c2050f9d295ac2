"""Simulated experiments with known truth: what each claim promises beside how often it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations

import numpy as np

from advisor.tasks.power import MARGIN
from advisor.verdict.choice import optimism_of, what_settles
from advisor.verdict.optimism import corrected
from advisor.verdict.sample import Sample
from advisor.verdict.statistics import Contrasts
from benchmarks.statistics.drawing import Design, Truth, as_rows, draw, joined, judged
from benchmarks.statistics.table import Line

SPREADS = (0.0, 0.03, 0.08)
SEEDS = (1, 3, 5)
SIZES = (20, 48, 200, 800)

Experiment = Callable[[np.random.Generator, int], Iterator[Line]]


def _counted(repeats: int, once: Callable[[], bool]) -> tuple[float, int]:
    """The share of repeats in which `once` was true, and their number."""
    return float(np.mean([once() for _ in range(repeats)])), repeats


def intervals(rng: np.random.Generator, repeats: int) -> Iterator[Line]:
    """The coverage of intervals: of a single quality, of a pair, of all pairs at once."""
    for n in SIZES:
        truths = [Truth(0.9), *[Truth(0.6)] * 4]
        single, pair, together = [], [], []
        for _ in range(repeats):
            contrasts = Contrasts(draw(rng, truths, Design(n)))
            found = [contrasts.intervals[str(i)] for i in range(len(truths))]
            single += [i.low <= t.quality <= i.high for i, t in zip(found, truths, strict=True)]
            gaps = [
                (contrasts.between(str(a), str(b)), truths[a].quality - truths[b].quality)
                for a, b in combinations(range(len(truths)), 2)
            ]
            pair += [c.alone.low <= gap <= c.alone.high for c, gap in gaps]
            together.append(all(c.difference.low <= gap <= c.difference.high for c, gap in gaps))
        for what, held in (("of a quality", single), ("of one pair", pair), ("of all 10 pairs at once", together)):
            yield Line("interval", f"{what}, n = {n}", 0.95, float(np.mean(held)), len(held))


def levels(rng: np.random.Generator, repeats: int) -> Iterator[Line]:
    """The error rates of claims that should hardly ever be made."""
    for n in SIZES:
        design = Design(n)
        share, count = _counted(repeats, partial(_any_shown, rng, [Truth(0.6)] * 8, design))
        yield Line("two rows differ, of 8 equal ones", f"n = {n}", 0.05, share, count, most=True)
        for name, truths in (
            ("decided for one that is worse by more than the margin", _unlike()),
            ("the same, worse ones being cheaper", _cheap()),
        ):
            share, count = _counted(repeats, partial(_wrong, rng, truths, design))
            yield Line(name, f"8 rows, n = {n}", 0.05, share, count, most=True)


def _any_shown(rng: np.random.Generator, truths: Sequence[Truth], design: Design) -> bool:
    found = Contrasts(draw(rng, truths, design))
    return any(found.between(str(a), str(b)).shown for a, b in combinations(range(len(truths)), 2))


def _unlike() -> list[Truth]:
    """Approaches of which one is best by a little more than the margin."""
    return [Truth(0.63), *[Truth(0.6)] * 7]


def _cheap() -> list[Truth]:
    return [Truth(0.63, cost=10.0), *[Truth(0.6, cost=1.0 + i) for i in range(7)]]


def _wrong(rng: np.random.Generator, truths: Sequence[Truth], design: Design) -> bool:
    choice, _ = judged(draw(rng, truths, design), truths)
    assert choice.chosen is not None
    lost = max(t.quality for t in truths) - truths[int(choice.chosen.spec)].quality
    return not choice.alternatives and lost > MARGIN


def power(rng: np.random.Generator, repeats: int) -> Iterator[Line]:
    """Power: one of 8 approaches is better by 0.2, with 100 test examples; and what full correction would leave."""
    for name, best, others, seeds, same in (
        ("no training, answers half alike", Truth(0.8), Truth(0.6), 1, 0.5),
        ("no training, answers mostly alike", Truth(0.8), Truth(0.6), 1, 0.8),
        ("no training, higher qualities", Truth(0.9), Truth(0.7), 1, 0.5),
        ("the best is tuned, 3 seeds, spread 0.03", Truth(0.8, True, 0.03), Truth(0.6), 3, 0.5),
        ("the best is tuned, 1 seed, spread 0.03", Truth(0.8, True, 0.03), Truth(0.6), 1, 0.5),
    ):
        truths = [best, *[others] * 7]
        right, corrected = [], []
        for _ in range(repeats):
            choice, contrasts = judged(draw(rng, truths, Design(100, seeds, same)), truths)
            assert choice.chosen is not None
            right.append(choice.chosen.spec == "0" and not choice.alternatives)
            corrected.append(all(contrasts.between("0", str(i)).shown for i in range(1, 8)))
        yield Line("decided for the best", name, None, float(np.mean(right)), repeats)
        yield Line("the same if corrected for all pairs", name, None, float(np.mean(corrected)), repeats)


def of_seeds(rng: np.random.Generator, repeats: int) -> Iterator[Line]:
    """Tuned approaches with a given spread between seeds, against others."""
    for spread in SPREADS:
        for seeds in SEEDS:
            for n in SIZES:
                design = Design(n, seeds)
                where = f"spread {spread:g}, {seeds} seed{'s' * (seeds > 1)}, n = {n}"
                equal = [Truth(0.6, True, spread), Truth(0.6)]
                share, count = _counted(repeats, partial(_any_shown, rng, equal, design))
                yield Line("shown to differ, being equal", where, 0.05, share, count, most=True)
                mixed = [Truth(0.63), *[Truth(0.6, True, spread, cost=0.5)] * 2, Truth(0.6)]
                share, count = _counted(repeats, partial(_wrong, rng, mixed, design))
                yield Line("decided for a worse one, two of four tuned", where, 0.05, share, count, most=True)


def assurance(rng: np.random.Generator, repeats: int) -> Iterator[Line]:
    """Open choices, and whether the named number of test examples settles them."""
    for n, count, spread in ((48, 2, 0.1), (48, 4, 0.05), (48, 4, 0.1), (48, 8, 0.1), (100, 4, 0.1), (200, 4, 0.05)):
        even, likely, none = [], [], []
        for _ in range(repeats):
            truths = [Truth(float(q)) for q in np.clip(rng.normal(0.6, spread, count), 0.05, 0.95)]
            samples = draw(rng, truths, Design(n))
            choice, contrasts = judged(samples, truths)
            found = what_settles(choice, as_rows(samples, truths, contrasts), contrasts, MARGIN)
            if found is None:
                continue
            for size, kept in ((found.even, even), (found.likely, likely)):
                if size is not None:
                    kept.append(_settled_at(rng, truths, samples, size))
            if found.likely is None:
                none.append(_settled_at(rng, truths, samples, found.most))
        where = f"{count} rows whose qualities spread by {spread:g}, n = {n}"
        for name, chance, kept in (("about N, an even chance", 0.5, even), ("about N, 80 %", 0.8, likely)):
            if kept:
                yield Line(name, where, chance, float(np.mean(kept)), len(kept))
        if none:
            yield Line("no N up to 20 n is likely to (80 %)", where, 0.8, float(np.mean(none)), len(none), most=True)


def _settled_at(rng: np.random.Generator, truths: Sequence[Truth], samples: Sequence[Sample], size: int) -> bool:
    more = draw(rng, truths, Design(size - samples[0].n))
    return not judged(joined(samples, more), truths)[0].alternatives


def winner(rng: np.random.Generator, repeats: int) -> Iterator[Line]:
    """The quality of the chosen approach, as measured and as corrected."""
    for name, n, truths in (
        ("8 equal, n = 48", 48, [Truth(0.6)] * 8),
        ("8 equal, n = 200", 200, [Truth(0.6)] * 8),
        ("one better by 0.2, n = 48", 48, [Truth(0.8), *[Truth(0.6)] * 7]),
        ("8 in steps of 0.02, n = 48", 48, [Truth(0.6 + 0.02 * i) for i in range(8)]),
        ("2 equal, n = 48", 48, [Truth(0.6)] * 2),
        ("the cheaper one worse by 0.01, n = 800", 800, [Truth(0.8), Truth(0.79, cost=0.5), Truth(0.6, cost=0.2)]),
    ):
        plain, better, held, held_after = [], [], [], []
        for _ in range(repeats):
            samples = draw(rng, truths, Design(n))
            choice, contrasts = judged(samples, truths)
            assert choice.chosen is not None
            true = truths[int(choice.chosen.spec)].quality
            measured = contrasts.intervals[choice.chosen.spec]
            by = optimism_of(as_rows(samples, truths, contrasts), contrasts, MARGIN)
            found = corrected(measured, by)
            plain.append(measured.value - true)
            better.append(found.value - true)
            held.append(measured.low <= true <= measured.high)
            held_after.append(found.low <= true <= found.high)
        yield Line("bias of the chosen one's quality, as measured", name, 0.0, float(np.mean(plain)), repeats)
        yield Line("the same, corrected", name, 0.0, float(np.mean(better)), repeats)
        yield Line("its interval holds the truth, as measured", name, 0.95, float(np.mean(held)), repeats)
        yield Line("the same, corrected", name, 0.95, float(np.mean(held_after)), repeats)


EXPERIMENTS: dict[str, tuple[Experiment, float]] = {
    "intervals": (intervals, 1.0),
    "levels": (levels, 1.0),
    "power": (power, 1.0),
    "seeds": (of_seeds, 1.0),
    "assurance": (assurance, 0.5),
    "winner": (winner, 0.5),
}
"""By name, with the share of the repeats that each is worth."""
