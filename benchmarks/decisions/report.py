"""The scores of the advice as a table, as JSON and as a figure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.decisions.scoring import (
    PROFILES,
    Advised,
    Score,
    advised,
    chances,
    coverage,
    noise_floor,
    scored,
    without_probes,
)
from benchmarks.decisions.table import Measured
from benchmarks.decisions.unseen import read, text

RESULTS = Path(__file__).parents[1] / "results"


def write(table: Sequence[Measured], results: Path = RESULTS) -> str:
    """Score the advice and write `decisions.md`, `decisions.json` and `decisions.png`; returns the table's text."""
    found = advised(table)
    blind = advised(without_probes(table))
    text = _text(table, found, blind)
    (results / "decisions.md").write_text(text, encoding="utf-8")
    (results / "decisions.json").write_text(json.dumps(_figures(found, blind), indent=1) + "\n", encoding="utf-8")
    _draw(found, results / "decisions.png")
    return text


def _text(table: Sequence[Measured], found: Sequence[Advised], blind: Sequence[Advised]) -> str:
    tasks = len({point.task for point in table})
    probed = sum(point.probes is not None for point in table)
    lines = [
        "# Advice, scored",
        "",
        f"{len(table)} grid points (task x size of the training set) of {tasks} tasks (public ones, and those of "
        f"`examples`), SmolLM2-135M-Instruct; {probed} with probes.",
        "Every task is left out in turn and advised by what the other tasks taught. Regret is the quality of the",
        "best approach minus that of the advised one, in the task's metric (±: half the 95 % interval, tasks",
        "resampled); cost and latency first subtract 0.05 for every tenfold of seconds. Every task weighs the same.",
        "The way of learning was chosen with these scores in view (differences, shrinkage, reach, readings joined):",
        "they are optimistic; the clean test stands at the end.",
        *_noise_floor(found),
        "`python -m benchmarks.decisions score`.",
        "",
        "| policy | names the best | or one not told apart | regret | "
        + " | ".join(f"{p}" for p in PROFILES[1:])
        + " |",
        "|---|---|---|---|---|---|",
        *map(_row, scored(found)),
        "",
        "| intervals (95 %) | hold what was measured | mean width | number |",
        "|---|---|---|---|",
        *_covered(found, "profile and probes" if probed else "profile alone"),
        *(_covered(blind, "profile alone")[:1] if probed else []),
        "",
        "Rivals of the advised approach: the chance to be better that was told, on average, and how often they were.",
        "",
        "| chance told | was better | rivals |",
        "|---|---|---|",
        *(f"| {told:.0%} | {came:.0%} | {n} |" for told, came, n in chances(found)),
        "",
        "| best approach | grid points |",
        "|---|---|",
        *(f"| {spec} | {n} |" for spec, n in Counter(_best(one) for one in found).most_common()),
        "",
        "| task | train | best | quality | advised | quality |",
        "|---|---|---|---|---|---|",
        *map(_line, found),
        "",
        *_clean(),
    ]
    return "\n".join(lines) + "\n"


def _noise_floor(found: Sequence[Advised]) -> list[str]:
    share = noise_floor(found)
    if share is None:
        return []
    return [
        f"Noise floor: up to {share:.3f} of every regret is selection noise, since the best of several is partly so by",
        "chance: who chooses by half of the test examples loses as much when judged by the other half.",
    ]


def _clean() -> list[str]:
    first = read()
    if not first:
        return []
    return [
        "## Tasks that were new",
        "",
        "Advised by the version that had not yet learned from any comparison on the task",
        "(`python -m benchmarks.decisions unseen`); no line of the record is ever written anew.",
        "",
        text(first),
    ]


def _row(score: Score) -> str:
    first, *others = (score.regret[profile] for profile in PROFILES)
    rest = " | ".join(f"{regret:.3f}" for regret in others)
    return f"| {score.policy} | {score.top1:.0%} | {score.tied:.0%} | {first:.3f} ± {score.margin:.3f} | {rest} |"


def _covered(found: Sequence[Advised], source: str) -> list[str]:
    return [
        f"| {spec if spec != 'all' else f'all approaches, {source}'} | {share:.0%} | {width:.2f} | {n} |"
        for spec, (share, width, n) in coverage(found).items()
    ]


def _best(one: Advised) -> str:
    return max(one.qualities, key=lambda spec: one.qualities[spec])


def _line(one: Advised) -> str:
    best, named = _best(one), one.choices["advice"]
    figures = f"{best} | {one.qualities[best]:.3f} | {named} | {one.qualities[named]:.3f}"
    return f"| {one.point.task} | {one.point.train} | {figures} |"


def _figures(found: Sequence[Advised], blind: Sequence[Advised]) -> dict[str, Any]:
    return {
        "policies": [asdict(score) for score in scored(found)],
        "coverage": coverage(found),
        "coverage_without_probes": coverage(blind),
        "cells": [
            {
                "task": one.point.task,
                "train": one.point.train,
                "measured": one.qualities,
                "expected": {s: [e.value, e.low, e.high, e.basis] for s, e in one.expected.items()},
                "choices": dict(one.choices),
            }
            for one in found
        ],
    }


def _draw(found: Sequence[Advised], path: Path) -> None:
    """Draw calibration (expected against measured quality) and the policies' regret."""
    from matplotlib.figure import Figure  # brought by the group `bench`

    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for spec in dict.fromkeys(spec for one in found for spec in one.qualities):
        points = [(one.expected[spec], one.qualities[spec]) for one in found if spec in one.qualities]
        left.plot([e.value for e, _ in points], [q for _, q in points], "o", ms=4, alpha=0.7, label=spec)
    left.plot([0, 1], [0, 1], color="0.6", lw=1)
    share, width, n = coverage(found)["all"]
    left.set(xlabel="expected before measuring", ylabel="measured", xlim=(0, 1), ylim=(0, 1))
    left.set_title(f"{share:.0%} of {n} intervals hold what was measured (mean width {width:.2f})", fontsize=10)
    left.legend(fontsize=7)
    scores = scored(found)[::-1]
    regrets = [score.regret[PROFILES[0]] for score in scores]
    colors = ["#c0504d" if score.policy == "advice" else "0.6" for score in scores]
    right.barh([score.policy for score in scores], regrets, xerr=[score.margin for score in scores], color=colors)
    right.set_title("mean regret in quality, task by task left out (95 % interval)", fontsize=10)
    figure.savefig(path, dpi=110)
