"""Runs the whole comparison on several tasks and writes one table of what came out.

    python -m benchmarks.comparisons TASK [TASK ...] [--limit 100] [--train-limit 200] [--out runs/benchmark]

Each task is an `advisor compare` of its own, in a process of its own, which goes on where it stopped. The table and
the figures behind it go to `benchmarks/results/comparisons.md` and `.json`; `--table` writes them anew from the run
folders without running anything. Tasks that were measured before and are not among them stay in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--train-limit", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--table", action="store_true", help="only write the table")
    options = parser.parse_args()
    if not options.table:
        for task in options.tasks:
            _run(task, options)
    write(options.out, RESULTS)


def _run(task: Path, options: argparse.Namespace) -> None:
    folder = options.out / task.name
    sizes = ["--limit", str(options.limit), "--train-limit", str(options.train_limit)]
    command = [sys.executable, "-m", "advisor.cli", "compare", str(task), "--out", str(folder), *sizes]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)


def write(out: Path, results: Path) -> None:
    """Write the table of the runs in the folders of `out`, and of what `results` held of other tasks before."""
    found = {}
    for path in sorted(out.glob("*/results.json")):
        found[path.parent.name] = _kept(json.loads(path.read_text()))
    results.mkdir(exist_ok=True)
    path = results / "comparisons.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    kept = dict(sorted({**before, **found}.items()))
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    (results / "comparisons.md").write_text(_table(kept))


def _seconds(row: dict[str, Any]) -> float:
    """Seconds that one approach took: fitting, indexing, predicting every test example and sending some alone."""
    if row["quality"] is None:
        return 0.0
    predicting = row["quality"]["n"] / row["throughput_qps"] if row["throughput_qps"] else 0.0
    latency = row["latency_ms"]
    alone = latency["n"] * latency["p50"] / 1000 if latency else 0.0
    return float((row["fit_seconds"] or 0) + (row["index_seconds"] or 0) + predicting + alone)


def _kept(result: dict[str, Any]) -> dict[str, Any]:
    """The figures, without texts of the task and paths of the machine."""
    return {
        "task": {k: result["task"][k] for k in ("name", "fingerprint", "kind", "metric", "train", "test", "documents")},
        "model": {k: v for k, v in result["model"].items() if k != "caveats"},
        "hardware": result["hardware"],
        "versions": result["versions"],
        "approaches": result["approaches"],
        "recommendation": {k: result["recommendation"][k] for k in ("approach", "decided", "alternatives")},
    }


def _table(found: dict[str, dict[str, Any]]) -> str:
    specs = list(dict.fromkeys(a["spec"] for r in found.values() for a in _ordered(r)))
    names = list(found)
    lines = [
        "# Whole comparisons",
        "",
        "Quality by the task's metric (in brackets the seconds of fitting and indexing); `python -m",
        "benchmarks.comparisons TASK ...`. Figures, intervals, latencies and versions: `comparisons.json`.",
        "",
        "| approach | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for spec in specs:
        lines.append(f"| {spec} | " + " | ".join(_cell(found[name], spec) for name in names) + " |")
    rows = {
        "metric": [r["task"]["metric"] for r in found.values()],
        "train / test": [f"{r['task']['train']} / {r['task']['test']}" for r in found.values()],
        "advice": [_advice(r) for r in found.values()],
        "minutes": [f"{sum(map(_seconds, r['approaches'])) / 60:.1f}" for r in found.values()],
        "cores": [str(r["hardware"]["cores"]) for r in found.values()],
        "number format": [r["model"]["dtype"] for r in found.values()],
    }
    lines += [f"| *{name}* | " + " | ".join(cells) + " |" for name, cells in rows.items()]
    return "\n".join(lines) + "\n"


ORDER = ("majority", "nearest", "head", "zero-shot", "few-shot", "few-shot:select=nearest", "rag", "oracle", "lora")


def _ordered(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The approaches in the order in which they run, not by quality."""
    rank = {spec: number for number, spec in enumerate(ORDER)}
    return sorted(result["approaches"], key=lambda a: rank.get(a["spec"], len(rank)))


def _cell(result: dict[str, Any], spec: str) -> str:
    row = next((a for a in result["approaches"] if a["spec"] == spec), None)
    if row is None:
        return ""
    if row["quality"] is None:
        return str(row["status"])
    seconds = (row["fit_seconds"] or 0) + (row["index_seconds"] or 0)
    return f"{row['quality']['value']:.3f}" + (f" ({seconds:.0f})" if seconds >= 1 else "")


def _advice(result: dict[str, Any]) -> str:
    advice = result["recommendation"]
    return f"{advice['approach']}" + ("" if advice["decided"] else " (undecided)")


if __name__ == "__main__":
    main()
