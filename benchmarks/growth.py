"""Simulates learning curves of many families, and counts how often `advisor curve` is right about what lies beyond.

    python -m benchmarks.growth [--runs 200] [--resamples 300] [--out benchmarks/results]

`benchmarks.curves` knows fifteen pairs of curves; here every run draws its own. Two approaches have curves of a family
(their parameters are drawn, so is where they begin and what they gain over the measured sizes), are measured at the
sizes that the command uses, and are judged as measured ones are: what twice as many examples add, what the next labels
add, and where one overtakes the other. Families that no smooth curve foresees, a step and a late rise, are among them.
The table goes to `growth.md` and `growth.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from advisor.curves.sampling import SIZES
from advisor.verdict.crossings import crossing, percentiles
from advisor.verdict.curves import LABELS, Resampling
from advisor.verdict.sample import Floats
from advisor.verdict.saturation import FARTHEST, fit
from benchmarks.curves import GRID, RESULTS, Case, Truth, measured, truly


def power(n: Floats, u: Floats) -> Floats:
    """-(n + offset)^-exponent: a power law that ends at a limit."""
    return -((n + (u[1] > 0.5) * _log(1, 50, u[2])) ** -_log(0.2, 1.5, u[0]))


def exponential(n: Floats, u: Floats) -> Floats:
    """Exponential saturation; stretched in half of the draws."""
    return -np.exp(-((n / _log(8, 512, u[0])) ** (_log(0.4, 1.0, u[2]) if u[1] > 0.5 else 1.0)))


def logarithm(n: Floats, u: Floats) -> Floats:
    """Grows by the same with every doubling."""
    return np.log(n + (u[0] > 0.5) * _log(1, 50, u[1]))


def inverse(n: Floats, u: Floats) -> Floats:
    """The Michaelis-Menten curve."""
    return n / (n + _log(8, 1000, u[0]))


def logistic(n: Floats, u: Floats) -> Floats:
    """A slow start: logistic in the log of the size."""
    return 1 / (1 + (n / _log(16, 700, u[0])) ** -_log(1.2, 4, u[1]))


def step(n: Floats, u: Floats) -> Floats:
    """A step among the measured sizes: nothing is learned, and then everything."""
    return 1 / (1 + (n / _log(16, 300, u[0])) ** -15.0)


def late(n: Floats, u: Floats) -> Floats:
    """A step beyond the measured sizes, which no measurement foretells."""
    return 1 / (1 + (n / _log(600, 1000, u[0])) ** -15.0)


def flat(n: Floats, u: Floats) -> Floats:
    """A curve that learns nothing."""
    return np.zeros_like(n)


FAMILIES: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "power law with a limit": power,
    "exponential saturation": exponential,
    "logarithm": logarithm,
    "inverse (Michaelis-Menten)": inverse,
    "logistic in log n": logistic,
    "a step among the sizes": step,
    "flat": flat,
    "a step beyond the sizes": late,
}
FORESEEABLE = tuple(FAMILIES)[:-1]
SHOWN = 0.0005
"""Gains are shown with three digits: what differs by less is the same."""
SETTINGS = (
    *((SIZES, test) for test in (48, 100, 200, 800)),
    ((8, 32, 128), 200),
    ((32, 512), 200),
    ((8, 16, 32, 64, 128, 256, 512), 200),
)
"""Sizes, and test examples."""


def _log(low: float, high: float, share: float) -> float:
    """Interpolate between two values on the log scale."""
    return float(low * (high / low) ** share)


def drawn(family: str, rng: np.random.Generator, largest: int = SIZES[-1]) -> Truth:
    """A curve of the family, from somewhere at few examples to somewhere in the end; that of the logarithm is where
    nothing more is said of it. Places lie among the sizes as they do where the largest is 512."""
    form, u = FAMILIES[family], rng.random(3)
    first = rng.uniform(0.1, 0.7)
    gain = rng.uniform(0.05, 0.95 - first)
    ends = form(np.array([8.0, FARTHEST * SIZES[-1] if family == "logarithm" else 1e12]), u)
    rise = float(ends[1] - ends[0]) or 1.0
    return lambda n: first + gain * (form(n * SIZES[-1] / largest, u) - ends[0]) / rise


@dataclass(frozen=True)
class Foreseen:
    """The results for one family, number of sizes and test set; shares of the runs.

    Attributes:
        doubling, labels: the 95 % interval of what twice as many, and the next labels, add holds the truth.
        width: mean width of the former.
        above: the truth lies above the former: more was to be had than was said.
        error: root mean squared error of the estimate of what doubling adds.
        crossing: the stated interval of the crossing with a curve of a family drawn at random holds the truth.
        beyond: the same, of crossings that are said to lie beyond the measured sizes; None where there were few.
        wrong: one was said to be shown ahead that truly is not.
    """

    family: str
    sizes: tuple[int, ...]
    test: int
    runs: int
    doubling: float
    labels: float
    width: float
    above: float
    error: float
    crossing: float
    beyond: float | None
    wrong: float


def simulate(
    family: str, sizes: tuple[int, ...] = SIZES, test: int = 100, runs: int = 300, resamples: int = 300, seed: int = 0
) -> Foreseen:
    """Draw, measure and judge `runs` times."""
    rng = np.random.default_rng([seed, list(FAMILIES).index(family), test, len(sizes)])
    largest = sizes[-1]
    grid = np.unique(np.append(np.geomspace(sizes[0], FARTHEST * largest, GRID), sizes))
    ends = np.array([largest, 2 * largest, largest + LABELS], dtype=np.float64)
    held: dict[str, list[float]] = {name: [] for name in ("doubling", "labels", "width", "above", "error")}
    crossed, beyond, wrong = [], [], []
    for _ in range(runs):
        truths = drawn(family, rng, largest), drawn(FORESEEABLE[rng.integers(len(FORESEEABLE))], rng, largest)
        resampling = Resampling(test, 1, resamples, int(rng.integers(2**31)))
        fitted = []
        for samples in measured(Case("", *truths, sizes, test), rng):
            qualities = np.column_stack([resampling.qualities(sample) for sample in samples])
            fitted.append(fit(sizes, qualities, rng))
        at, true = fitted[0].at(ends), truths[0](ends)
        for name, place in (("doubling", 1), ("labels", 2)):
            said, gain = percentiles(at[:, place] - at[:, 0]), float(true[place] - true[0])
            held[name].append(said.low - SHOWN <= gain <= said.high + SHOWN)
            if name == "doubling":
                held["width"].append(said.high - said.low)
                held["above"].append(gain > said.high + SHOWN)
                held["error"].append((said.value - gain) ** 2)
        stated = crossing(("first", "second"), fitted[0].at(grid) - fitted[1].at(grid), grid, largest, grid[-1])
        overtakes = truly(stated, truths[0](grid) - truths[1](grid), grid)
        crossed.append((stated.low or 0.0) <= overtakes <= (stated.high or np.inf))
        wrong.append(stated.high is not None and overtakes == np.inf)
        beyond += crossed[-1:] if stated.extrapolated else []
    means = {name: float(np.mean(found)) for name, found in held.items()}
    return Foreseen(
        family,
        sizes,
        test,
        runs,
        **{**means, "error": float(np.sqrt(means["error"]))},
        crossing=float(np.mean(crossed)),
        beyond=float(np.mean(beyond)) if len(beyond) >= 20 else None,
        wrong=float(np.mean(wrong)),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate all families and settings, count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=300)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    found = []
    for sizes, test in SETTINGS:
        for family in FAMILIES:
            found.append(simulate(family, sizes, test, options.runs, options.resamples))
            print(found[-1], file=sys.stderr, flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(one) for one in found]
    (options.out / "growth.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (options.out / "growth.md").write_text(table(found), encoding="utf-8")


def table(found: Sequence[Foreseen]) -> str:
    """One row for each family and setting."""
    lines = [
        "# Simulated growth",
        "",
        f"`python -m benchmarks.growth`, {found[0].runs:,} runs a row, every one with curves of its own. Held: shares",
        "of the runs in which the stated 95 % interval held the truth, of what twice as many examples as the most",
        "measured add, of what the next 100 labels add, and of where a curve of a family drawn at random is overtaken.",
        "Above: more was to be had than was said. Error: root mean square, of the gain by doubling. Wrong: an approach",
        "was said to be shown ahead that truly is not. A step beyond the measured sizes stands for what no measurement",
        "foretells.",
        "",
        "| family | sizes | test | doubling | above | width | error | next labels | crossing | beyond | wrong |",
        "|:--|:--|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in found:
        cells = [
            one.family,
            ", ".join(map(str, one.sizes)),
            f"{one.test}",
            f"{one.doubling:.1%}",
            f"{one.above:.1%}",
            f"{one.width:.3f}",
            f"{one.error:.3f}",
            f"{one.labels:.1%}",
            f"{one.crossing:.1%}",
            "-" if one.beyond is None else f"{one.beyond:.0%}",
            f"{one.wrong:.1%}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
