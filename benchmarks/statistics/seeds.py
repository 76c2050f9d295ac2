"""How much another seed of training changes the quality: measured on several tasks, one model.

    python -m benchmarks.statistics.seeds TASK [TASK ...] [--seeds 5] [--limit 150] [--train-limit 100] [--out
    runs/seeds]

Each task is a comparison of `lora` (and `rag+lora` where there are documents) with several seeds, without latency,
which goes on where it stopped. What is kept are the components of variance, in `benchmarks/results/seed-spread.json`;
no text of any task.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from advisor.decide.rows import complete_runs
from advisor.decide.sample import Sample, samples
from advisor.measure.comparing import Plan, carry_out
from advisor.measure.records import Comparison
from advisor.models.load import load_model
from advisor.tasks import load_task, subset

RESULTS = Path(__file__).parents[1] / "results" / "seed-spread.json"


def main() -> None:
    """Measure what is missing, then write the spreads of all tasks in the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=150)
    parser.add_argument("--train-limit", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"))
    options = parser.parse_args()
    model = load_model("embedded")
    for path in options.tasks:
        task = subset(load_task(path), limit=options.limit, train_limit=options.train_limit)
        specs = ["lora", "rag+lora"] if task.documents else ["lora"]
        plan = Plan(options.out / task.name, options.seeds, latency_examples=0)
        comparison = carry_out(plan, task, model, specs)
        keep(comparison)
        print(f"{task.name}: done", file=sys.stderr, flush=True)


def keep(comparison: Comparison) -> None:
    """Add the spreads of one comparison to the committed file."""
    found = measured() if RESULTS.exists() else {}
    task = comparison.task
    for sample in samples(task.metric, comparison.answers, complete_runs(comparison)):
        found[f"{task.name} {sample.spec}"] = {
            "kind": task.kind,
            "metric": task.metric,
            "train": task.train,
            "test": sample.n,
            "model": comparison.model.id,
            **spread(sample),
        }
    RESULTS.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")


def spread(sample: Sample) -> dict[str, Any]:
    """The components of variance of one approach: seeds, and seeds x examples.

    `seeds` is the standard deviation between seeds that the examples at hand do not explain; its square may be
    estimated below nought and is then given as nought. `residual` is that of one answer around its example's and its
    seed's mean.
    """
    scores = sample.scores
    seeds, n = scores.shape
    if seeds < 2:
        raise ValueError("a spread takes several seeds")
    mean = scores.mean()
    residual = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + mean
    within = float((residual**2).sum()) / ((seeds - 1) * (n - 1))
    between = float(scores.mean(axis=1).var(ddof=1))
    qualities = [Sample(sample.spec, row[None], None if sample.counts is None else sample.counts[i][None]).quality
                 for i, row in enumerate(scores)]  # fmt: skip
    return {
        "seeds": seeds,
        "qualities": [round(q, 4) for q in qualities],
        "of_seeds": round(math.sqrt(max(0.0, between - within / n)), 5),
        "of_means": round(math.sqrt(between), 5),
        "residual": round(math.sqrt(within), 5),
        "of_qualities": round(float(np.std(qualities, ddof=1)), 5),
    }


def measured() -> dict[str, dict[str, Any]]:
    """What was measured, by task and approach."""
    found: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text())
    return found


def prior(found: dict[str, dict[str, Any]]) -> float:
    """The spread that stands in `advisor.decide.seeds`: the root of the mean variance between seeds."""
    return math.sqrt(float(np.mean([each["of_seeds"] ** 2 for each in found.values()])))


if __name__ == "__main__":
    main()
