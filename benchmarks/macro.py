"""Simulates test sets judged by macro F1, and counts how often the interval holds the truth.

    python -m benchmarks.macro [--runs 200] [--out benchmarks/results]

Every test set has its labels in equal shares, or in such that fall so steeply that the rarest have an example or two;
how often each label is answered rightly is drawn around the quality, and wrong answers fall on other labels, more often
on common ones. The truth is the macro F1 of endless such examples. The table goes to `macro.md` and `macro.json`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from advisor.measuring.confusion import macro_f1
from advisor.measuring.metrics import confusion
from advisor.verdict.resampling import Bootstrap
from advisor.verdict.sample import Floats, Sample
from benchmarks.curves import RESULTS

CONCENTRATION = 10.0
"""Of the Beta distribution of the labels' own rates around the quality: a standard deviation of up to 0.15."""
RAREST = 1.5
"""Test examples of the rarest label, where labels are not balanced."""
LABELS, SIZES, QUALITIES = (2, 4, 8, 20), (20, 50, 200), (0.3, 0.6, 0.8, 0.95)


@dataclass(frozen=True)
class Held:
    """The results of one setting; shares of the runs.

    Attributes:
        rare: labels fall to `RAREST` test examples; else they are balanced.
        held: the 95 % interval holds the truth.
        above, below: the truth lies above or below it.
        width: mean width.
    """

    labels: int
    n: int
    rare: bool
    quality: float
    runs: int
    held: float
    above: float
    below: float
    width: float


def simulate(labels: int, n: int, rare: bool, quality: float, runs: int = 200, seed: int = 0) -> Held:
    """Draw, answer and judge `runs` times."""
    rng = np.random.default_rng([seed, labels, n, rare, int(100 * quality)])
    counts_of = _test_set(labels, n, rare)
    shares = counts_of / n
    names = [f"{i:02}" for i in range(labels)]
    found = []
    for _ in range(runs):
        rates = rng.beta(CONCENTRATION * quality, CONCENTRATION * (1 - quality), labels)
        answers = _answers(shares, rates)
        true = np.repeat(np.arange(labels), counts_of)
        given = (rng.random(n)[:, None] > np.cumsum(answers[true], axis=1)).sum(axis=1).clip(max=labels - 1)
        texts, targets = [names[i] for i in given], [[names[i]] for i in true]
        counts = (confusion(texts, targets, names),)
        sample = Sample("x", (given == true).astype(np.float64)[None], counts)
        interval, truth = Bootstrap([sample]).interval(sample), _truth(shares, answers)
        found.append((truth > interval.high, truth < interval.low, interval.high - interval.low))
    above, below, width = (float(x) for x in np.mean(found, axis=0))
    return Held(labels, n, rare, quality, runs, 1 - above - below, above, below, width)


def _test_set(labels: int, n: int, rare: bool) -> NDArray[np.int64]:
    """Test examples of each label: as equal as possible, or falling to `RAREST`; at least one of each."""
    falls = np.geomspace(1e-3, 1, 400) if rare else np.ones(1)
    shares = np.array([np.geomspace(1, fall, labels) / np.geomspace(1, fall, labels).sum() for fall in falls])
    nearest = shares[np.abs(n * shares[:, -1] - RAREST).argmin()]
    found = np.maximum(1, np.floor(n * nearest).astype(np.int64))
    found[: n - found.sum()] += 1 if n - found.sum() < labels else 0
    found[0] += n - found.sum()
    return found


def _answers(shares: Floats, rates: Floats) -> Floats:
    """How often each label is given for each true one; shape (true, given)."""
    other = np.tile(shares + 1 / len(shares), (len(shares), 1))
    np.fill_diagonal(other, 0.0)
    found: Floats = other / other.sum(axis=1, keepdims=True) * (1 - rates)[:, None]
    np.fill_diagonal(found, rates)
    return found


def _truth(shares: Floats, answers: Floats) -> float:
    hits = shares * np.diag(answers)
    return float(macro_f1(hits, shares + shares @ answers))


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate all settings, count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    found = []
    for labels in LABELS:
        for n in SIZES:
            for rare in (False, True):
                found += [simulate(labels, n, rare, quality, options.runs) for quality in QUALITIES]
                print(*found[-len(QUALITIES) :], sep="\n", file=sys.stderr, flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(one) for one in found]
    (options.out / "macro.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (options.out / "macro.md").write_text(table(found), encoding="utf-8")


def table(found: Sequence[Held]) -> str:
    """One row for each kind of test set, one column for each quality."""
    qualities = list(dict.fromkeys(one.quality for one in found))
    lines = [
        "# Simulated intervals of macro F1",
        "",
        f"`python -m benchmarks.macro`, {found[0].runs:,} test sets a setting: how often the 95 % interval held the",
        "truth, by the rate of right answers, and its mean width. Rare: the rarest label has one or two test examples.",
        "",
        f"| labels | test | shares | {' | '.join(f'{quality:g}' for quality in qualities)} | width |",
        f"|--:|--:|:--|{'--:|' * len(qualities)}--:|",
    ]
    for kind in dict.fromkeys((one.labels, one.n, one.rare) for one in found):
        cells = [one for one in found if (one.labels, one.n, one.rare) == kind]
        held = " | ".join(f"{one.held:.1%}" for one in cells)
        width = float(np.mean([one.width for one in cells]))
        lines.append(f"| {kind[0]} | {kind[1]} | {'rare' if kind[2] else 'equal'} | {held} | {width:.2f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
