"""Simulates learning curves whose truth is known, and counts how often the intervals of `advisor curve` hold it.

    python -m benchmarks.curves [--runs 400] [--resamples 500] [--out benchmarks/results]

Two approaches have known curves, of the family that is fitted or of another. Test examples differ in how hard they are,
alike for both approaches and all sizes, and answers are right or wrong by chance. In some cases every sample of the
training examples moves the quality too, the more the fewer they are. Each run is then judged as measured ones are: the
crossing as it would be stated, and what the next labels add. The tables go to `curves.md` and `curves.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np

from advisor.verdict.crossings import Crossing, crossing, last_change, percentiles
from advisor.verdict.curves import LABELS, Resampling
from advisor.verdict.sample import Floats, Sample
from advisor.verdict.saturation import FARTHEST, fit

RESULTS = Path(__file__).parent / "results"
HARDNESS = 0.6  # share of the variance of an answer's latent score that is the example's
GRID = 121

Truth = Callable[[Floats], Floats]


def power(limit: float, scale: float, exponent: float) -> Truth:
    """A power law without an offset: on the border of the fitted family."""
    return lambda n: limit - scale * n**-exponent


def slow(limit: float, drop: float, half: float, steepness: float) -> Truth:
    """A curve of the fitted family."""
    return lambda n: limit - drop / (1 + (n / half) ** steepness)


def exponential(limit: float, drop: float, scale: float) -> Truth:
    """A curve that saturates faster than any of the fitted family."""
    return lambda n: limit - drop * np.exp(-n / scale)


def flat(level: float) -> Truth:
    """A curve that learns nothing."""
    return lambda n: np.full_like(n, level)


@dataclass(frozen=True)
class Case:
    """Two approaches with known curves, and how they are measured.

    Attributes:
        test: test examples.
        draws: samples of the training examples at each size.
        spread: standard deviation of the quality from one sample of 8 training examples to another; it falls with
            the root of their number.
    """

    name: str
    first: Truth
    second: Truth
    sizes: tuple[int, ...] = (8, 32, 128, 512)
    test: int = 100
    draws: int = 1
    spread: float = 0.0


TUNED, NEAR, STEEP = slow(0.85, 0.65, 90, 1.4), power(0.75, 0.9, 0.4), slow(0.9, 0.6, 60, 2.0)
CASES = (
    Case("slow start against power law", TUNED, NEAR),
    Case("the same, 60 test examples", TUNED, NEAR, test=60),
    Case("the same, 400 test examples", TUNED, NEAR, test=400),
    Case("the same, sizes 32 to 512", TUNED, NEAR, sizes=(32, 128, 512)),
    Case("the same, sizes 8 to 128: beyond the measured", TUNED, NEAR, sizes=(8, 32, 128)),
    Case("the same, two sizes", TUNED, NEAR, sizes=(32, 512)),
    Case("two power laws", power(0.95, 1.7, 0.5), power(0.7, 0.5, 0.5)),
    Case("slow start against flat", STEEP, flat(0.5)),
    Case("the same, six sizes", STEEP, flat(0.5), sizes=(8, 16, 32, 64, 128, 256)),
    Case("exponential against power law", exponential(0.85, 0.6, 120), NEAR),
    Case("near the top", slow(0.99, 0.5, 20, 2.0), power(0.97, 0.5, 0.5)),
    Case("no crossing", power(0.85, 0.9, 0.4), NEAR),
    Case("samples of training examples differ, one draw", TUNED, NEAR, spread=0.08),
    Case("the same, three draws", TUNED, NEAR, draws=3, spread=0.08),
    Case("the same, eight draws", TUNED, NEAR, draws=8, spread=0.08),
)


@dataclass(frozen=True)
class Coverage:
    """The results of one case; shares of the runs.

    Attributes:
        truth: where the first truly overtakes; None where it does not among the measured sizes.
        crossing: the stated interval holds the truth.
        bounded: the stated interval has two ends.
        octaves: median width of those, in doublings.
        wrong: one was said to be shown ahead that truly is not.
        gains: the interval of what the next labels add holds the truth, over both approaches.
        gain_width: median width of that interval.
    """

    case: str
    sizes: tuple[int, ...]
    test: int
    draws: int
    runs: int
    truth: float | None
    crossing: float
    bounded: float
    octaves: float | None
    wrong: float
    gains: float
    gain_width: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate all cases, count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    found = []
    for case in CASES:
        found.append(simulate(case, options.runs, options.resamples))
        print(found[-1], file=sys.stderr, flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(coverage) for coverage in found]
    (options.out / "curves.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (options.out / "curves.md").write_text(table(found), encoding="utf-8")


def simulate(case: Case, runs: int, resamples: int, seed: int = 0) -> Coverage:
    """Measure and judge a case `runs` times."""
    rng = np.random.default_rng(seed)
    largest = case.sizes[-1]
    grid = np.unique(np.append(np.geomspace(case.sizes[0], FARTHEST * largest, GRID), case.sizes))
    ends = np.array([largest, largest + LABELS], dtype=np.float64)
    gain = {truth: float(np.diff(truth(ends))[0]) for truth in (case.first, case.second)}
    true = case.first(grid) - case.second(grid)
    held, widths, wrong, gains, gain_widths = [], [], [], [], []
    for _ in range(runs):
        resampling = Resampling(case.test, case.draws, resamples, int(rng.integers(2**31)))
        lines = []
        for truth, samples in zip((case.first, case.second), measured(case, rng), strict=True):
            qualities = np.column_stack([resampling.qualities(sample) for sample in samples])
            fitted = fit(case.sizes, qualities, rng)
            lines.append(fitted.at(grid))
            found = percentiles(np.diff(fitted.at(ends), axis=1)[:, 0])
            gains.append(found.low <= gain[truth] <= found.high)
            gain_widths.append(found.high - found.low)
        stated = crossing(("first", "second"), lines[0] - lines[1], grid, largest, FARTHEST * largest)
        overtakes = truly(stated, true, grid)
        held.append((stated.low or 0.0) <= overtakes <= (stated.high or np.inf))
        wrong.append(stated.high is not None and overtakes == np.inf)
        if stated.low is not None and stated.high is not None:
            widths.append(np.log2(stated.high / stated.low))
    inside = grid <= largest
    place = float(last_change(true[None, inside], grid[inside])[0])
    return Coverage(
        case.name,
        case.sizes,
        case.test,
        case.draws,
        runs,
        truth=place if np.isfinite(place) else None,
        crossing=float(np.mean(held)),
        bounded=len(widths) / runs,
        octaves=float(np.median(widths)) if widths else None,
        wrong=float(np.mean(wrong)),
        gains=float(np.mean(gains)),
        gain_width=float(np.median(gain_widths)),
    )


def measured(case: Case, rng: np.random.Generator) -> list[list[Sample]]:
    """For each approach a sample for each size: right or wrong, by a latent score that is partly the example's."""
    normal = NormalDist()
    hard = rng.standard_normal(case.test)
    found = []
    for truth in (case.first, case.second):
        samples = []
        for size, quality in zip(case.sizes, truth(np.array(case.sizes, dtype=np.float64)), strict=True):
            moved = quality + case.spread * np.sqrt(case.sizes[0] / size) * rng.standard_normal(case.draws)
            bars = np.array([normal.inv_cdf(q) for q in np.clip(moved, 1e-6, 1 - 1e-6)])
            own = rng.standard_normal((case.draws, case.test))
            latent = np.sqrt(HARDNESS) * hard + np.sqrt(1 - HARDNESS) * own
            samples.append(Sample(f"{size}", (latent < bars[:, None]).astype(np.float64)))
        found.append(samples)
    return found


def truly(stated: Crossing, true: Floats, grid: Floats) -> float:
    """The size from which the approach stated to be ahead truly is: the first size if always, infinity if never."""
    inside = grid <= stated.end
    sign = 1 if stated.later == "first" else -1
    return max(float(last_change(sign * true[None, inside], grid[inside])[0]), stated.start)


def table(found: Sequence[Coverage]) -> str:
    """One row for each case."""
    lines = [
        "# Simulated learning curves",
        "",
        f"`python -m benchmarks.curves`, {found[0].runs:,} runs of each case. Held: shares of the runs in which the",
        "stated 95 % interval held the truth, of the crossing and of what the next 100 labels add. Two ends: the",
        "crossing's interval was bounded on both sides; its median width in doublings. Wrong: an approach was said to",
        "be shown ahead that truly is not.",
        "",
        "| case | sizes | test | draws | crosses at | held | two ends | doublings | wrong | gain held | gain's width |",
        "|:--|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in found:
        cells = [
            row.case,
            ", ".join(map(str, row.sizes)),
            f"{row.test}",
            f"{row.draws}",
            "-" if row.truth is None else f"{row.truth:.0f}",
            f"{row.crossing:.1%}",
            f"{row.bounded:.0%}",
            "-" if row.octaves is None else f"{row.octaves:.1f}",
            f"{row.wrong:.1%}",
            f"{row.gains:.1%}",
            f"{row.gain_width:.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
