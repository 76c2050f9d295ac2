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
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from advisor.measuring.comparing import Plan, carry_out
from advisor.measuring.records import Comparison
from advisor.models.load import load_model
from advisor.tasks import load_task, subset
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import Sample, samples
from advisor.verdict.seeds import between

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
    task, runs = comparison.task, complete_runs(comparison)
    for sample in samples(task.metric, comparison.answers, runs):
        kept = found[f"{task.name} {sample.spec}"] = {
            "kind": task.kind,
            "metric": task.metric,
            "train": task.train,
            "test": sample.n,
            "model": comparison.model.id,
            **spread(sample.accuracy),
        }
        if task.kind == "classification":
            (macro,) = (s for s in samples("macro_f1", comparison.answers, runs) if s.spec == sample.spec)
            kept["macro_f1"] = spread(macro)
    RESULTS.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")


def spread(sample: Sample) -> dict[str, Any]:
    """The spread between seeds: `of_seeds` is the standard deviation that the examples at hand do not explain.

    Its square may be estimated below zero and is then given as zero.
    """
    if sample.seeds < 2:
        raise ValueError("a spread takes several seeds")
    return {
        "seeds": sample.seeds,
        "qualities": [round(float(quality), 4) for quality in sample.qualities],
        "of_seeds": round(math.sqrt(between(sample)), 5),
        "of_qualities": round(float(sample.qualities.std(ddof=1)), 5),
    }


def measured() -> dict[str, dict[str, Any]]:
    """The measured spreads, by task and approach."""
    found: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text())
    return found


def prior(found: dict[str, dict[str, Any]]) -> tuple[float, float]:
    """The prior spreads in `advisor.verdict.seeds`: roots of the mean variances, of means and of macro F1."""
    of_means = [each["of_seeds"] for each in found.values()]
    of_macro_f1 = [each["macro_f1"]["of_seeds"] for each in found.values() if "macro_f1" in each]
    return _root_mean_square(of_means), _root_mean_square(of_macro_f1)


def _root_mean_square(values: Sequence[float]) -> float:
    return math.sqrt(fmean(value**2 for value in values))


if __name__ == "__main__":
    main()
