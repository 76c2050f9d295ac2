"""Simulated races: how often the best approach is lost, and what that costs in examples.

    python -m benchmarks.racing.simulation [--races 200] [--out benchmarks/results]

Six approaches answer up to 512 examples; after 16 examples and then after every 8 it is looked whether one is beaten.
Three ways to look are compared on the same races: the e-process of `advisor.verdict.standings`, ordinary paired z-tests
at 5 %, and z-tests corrected for the number of rivals (Bonferroni) but not for the number of looks. The shapes of the
scores differ in what makes tests go wrong: right or wrong answers with easy and hard examples, graded answers with many
zeros and ones, long texts that all score alike, and approaches that are much better on a few examples and a little
worse on all others. In races without a difference the first approach stands for the best: losing it is an error of
the same kind. Takes a minute or two; the tables go to `racing-simulation.md` and `.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from advisor.tasks.power import LEVEL
from advisor.verdict.betting import capital
from advisor.verdict.standings import Standard

Floats = NDArray[np.float64]
Random = np.random.Generator

RESULTS = Path(__file__).parents[1] / "results"
APPROACHES, EXAMPLES, FIRST, EVERY = 6, 512, 16, 8
Z = {"z-tests": 1.9600, "z-tests, corrected for rivals": 2.5758}  # two-sided 5 %, and 5 % / 5
E_PROCESS = "e-process"
METHODS = (E_PROCESS, *Z)


@dataclass(frozen=True)
class Shape:
    """A kind of race: `draw` gives scores of shape (approaches, examples), the first approach the best in expectation,
    by about `gap` before the second.
    """

    name: str
    gap: float
    draw: Callable[[Random, Sequence[float]], Floats]
    spread: float = 0.0

    @property
    def gaps(self) -> list[float]:
        """How far each approach falls short of the best."""
        return [0.0, *(self.gap + self.spread * i for i in range(APPROACHES - 1))]


@dataclass(frozen=True)
class Outcome:
    """The results of one stopping rule in all races of a shape.

    Attributes:
        lost: races in which the best was dropped.
        decided: races with one approach left at the end.
        examples: median examples at which it was the only one left, over decided races; None without any.
        answers: mean answers asked of all approaches together, as a share of all there were.
    """

    shape: str
    method: str
    races: int
    lost: int
    decided: int
    examples: float | None
    answers: float


def right_or_wrong(random: Random, gaps: Sequence[float]) -> Floats:
    """Binary scores; approaches share the hardness of the examples, so that they are often right together."""
    hardness = random.uniform(size=EXAMPLES)
    own = random.uniform(size=(len(gaps), EXAMPLES))
    together = random.uniform(size=EXAMPLES) < 0.6
    level = np.where(together, hardness, own)
    return (level < 0.7 - np.asarray(gaps)[:, None]).astype(float)


def unlike(random: Random, gaps: Sequence[float]) -> Floats:
    """Binary scores, independent between approaches."""
    return (random.uniform(size=(len(gaps), EXAMPLES)) < 0.6 - np.asarray(gaps)[:, None]).astype(float)


def graded(random: Random, gaps: Sequence[float]) -> Floats:
    """Graded scores like token F1: zero, one, or between them."""
    means = 0.5 - np.asarray(gaps)[:, None]
    kind = random.uniform(size=(len(gaps), EXAMPLES))
    between = random.beta(2, 2, size=(len(gaps), EXAMPLES)) * 2 * means
    return np.where(kind < 0.5, between, (random.uniform(size=between.shape) < means).astype(float)).clip(0, 1)


def long_texts(random: Random, gaps: Sequence[float]) -> Floats:
    """Scores like chrF of long texts: all near the same value."""
    common = random.beta(8, 12, size=EXAMPLES)
    noise = random.normal(scale=0.06, size=(len(gaps), EXAMPLES))
    return (common - np.asarray(gaps)[:, None] + noise).clip(0, 1)


def rare(random: Random, gaps: Sequence[float]) -> Floats:
    """Scores of which the best approach is a little worse on 95 % of the examples, and much better on the rest."""
    scores = np.full((len(gaps), EXAMPLES), 0.3) + random.normal(scale=0.02, size=(len(gaps), EXAMPLES))
    special = random.uniform(size=EXAMPLES) < 0.05
    scores[0] -= 0.025
    scores[0, special] += 0.5 + 20 * gaps[1]
    return scores.clip(0, 1)


SHAPES = (
    Shape("right or wrong, no difference", 0.0, right_or_wrong),
    Shape("right or wrong, close (0.03)", 0.03, right_or_wrong, 0.02),
    Shape("right or wrong, clear (0.15)", 0.15, right_or_wrong, 0.05),
    Shape("independent answers, no difference", 0.0, unlike),
    Shape("independent answers, clear (0.15)", 0.15, unlike, 0.05),
    Shape("graded, no difference", 0.0, graded),
    Shape("graded, close (0.05)", 0.05, graded, 0.02),
    Shape("long texts, no difference", 0.0, long_texts),
    Shape("long texts, close (0.02)", 0.02, long_texts, 0.01),
    Shape("rare but large advantage", 0.0, rare),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Race, count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=200, help="of each shape")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    outcomes = [outcome for shape in SHAPES for outcome in simulate(shape, options.races)]
    seconds = time.perf_counter() - began
    options.out.mkdir(parents=True, exist_ok=True)
    facts = {"seconds": round(seconds, 1), "level": LEVEL, "outcomes": [asdict(outcome) for outcome in outcomes]}
    (options.out / "racing-simulation.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    text = table(outcomes)
    (options.out / "racing-simulation.md").write_text(text, encoding="utf-8")
    print(text)


def simulate(shape: Shape, races: int) -> list[Outcome]:
    """Run the same races with each stopping rule."""
    random = np.random.default_rng([ord(letter) for letter in shape.name])
    held: dict[str, list[tuple[bool, int | None, int]]] = {method: [] for method in METHODS}
    for _ in range(races):
        scores = shape.draw(random, shape.gaps)
        for method in METHODS:
            held[method].append(raced(scores, method))
    return [_outcome(shape.name, method, found) for method, found in held.items()]


def raced(scores: Floats, method: str) -> tuple[bool, int | None, int]:
    """Whether the best was lost; the example at which one was left, None if there were more; and the answers asked."""
    evidence = _evidence(scores, method)
    threshold = Standard(len(scores) - 1).threshold if method == E_PROCESS else Z[method]
    left = set(range(len(scores)))
    answers, single = 0, None
    done = 0
    for look in range(FIRST, EXAMPLES + 1, EVERY):
        answers += (look - done) * len(left)
        done = look
        beaten = {a for a in left if any(evidence[a, b, look - 1] >= threshold for b in left if b != a)}
        left -= beaten
        if len(left) <= 1:
            single = look
            break
    return 0 not in left, single, answers


def _evidence(scores: Floats, method: str) -> Floats:
    """The evidence that the first of a pair is worse than the second; shape (approaches, approaches, examples)."""
    size = len(scores)
    found = np.zeros((size, size, scores.shape[1]))
    for a in range(size):
        for b in range(size):
            if a != b:
                differences = scores[a] - scores[b]
                found[a, b] = capital(differences) if method == E_PROCESS else _z(differences)
    return np.maximum.accumulate(found, axis=2) if method == E_PROCESS else found


def _z(differences: Floats) -> Floats:
    counts = np.arange(1, differences.size + 1)
    means = np.cumsum(differences) / counts
    variances = np.maximum(np.cumsum(differences**2) / counts - means**2, 1e-12) * counts / np.maximum(counts - 1, 1)
    z: Floats = -means / np.sqrt(variances / counts)
    return z


def _outcome(shape: str, method: str, found: Sequence[tuple[bool, int | None, int]]) -> Outcome:
    ends = [end for _, end, _ in found if end is not None]
    return Outcome(
        shape=shape,
        method=method,
        races=len(found),
        lost=sum(lost for lost, _, _ in found),
        decided=len(ends),
        examples=float(np.median(ends)) if ends else None,
        answers=float(np.mean([answers for _, _, answers in found])) / (APPROACHES * EXAMPLES),
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """One row for each shape: how often the best was lost, and at what cost, by method."""
    lines = [
        "# Simulated races",
        "",
        f"`python -m benchmarks.racing.simulation`: {APPROACHES} approaches, up to {EXAMPLES} examples, looked at",
        f"after {FIRST} and then after every {EVERY}; level {LEVEL:g}. *Lost*: races in which the best approach was",
        "dropped. *Answers*: asked of all approaches together, as a share of all that there were; *one left*: races",
        "that ended with one approach, and the median number of examples at which they did.",
        "",
        "| shape | races | " + " | ".join(f"{method}: lost | answers | one left" for method in METHODS) + " |",
        "|:--|--:|" + "--:|--:|--:|" * len(METHODS),
    ]
    for shape in dict.fromkeys(outcome.shape for outcome in outcomes):
        rows = [outcome for outcome in outcomes if outcome.shape == shape]
        lines.append(f"| {shape} | {rows[0].races} | " + " | ".join(map(_cells, rows)) + " |")
    lines += ["", "All shapes together:", ""]
    for method in METHODS:
        rows = [outcome for outcome in outcomes if outcome.method == method]
        lost, races = sum(row.lost for row in rows), sum(row.races for row in rows)
        lines.append(f"- {method}: the best was lost in {lost} of {races} races ({lost / races:.1%})")
    return "\n".join(lines) + "\n"


def _cells(row: Outcome) -> str:
    end = f"{row.decided} ({row.examples:.0f})" if row.examples is not None else "0"
    return f"{row.lost} ({row.lost / row.races:.1%}) | {row.answers:.0%} | {end}"


if __name__ == "__main__":
    main()
