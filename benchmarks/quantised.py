"""The embedded model with its weights in four and in eight bits beside bfloat16: quality, memory and time.

    python -m benchmarks.quantised TASK [TASK ...] [--limit 60] [--train-limit 100] [--out runs/quantised]

Each model is measured in a process of its own, by the command that a user types, and joins the comparison of those
before; so peaks of memory are its own. Writes `benchmarks/results/quantised.md` and `.json`. Needs the extra `qlora`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.comparisons import RESULTS

SPECS = ("zero-shot", "few-shot", "lora")
MODELS = {"bf16": "", "int8": "8bit", "nf4": "4bit"}  # what `--quantize` is told of each

KEPT = (
    "spec",
    "model",
    "status",
    "error",
    "quality",
    "fit_seconds",
    "latency_ms",
    "throughput_qps",
    "peak_memory_bytes",
)


def main() -> None:
    """Measure what is missing, then write figures and table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", type=Path, nargs="+", metavar="TASK")
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--train-limit", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("runs/quantised"))
    options = parser.parse_args()
    found = []
    for task in options.tasks:
        result: dict[str, Any] = {}
        for count in range(1, len(MODELS) + 1):
            result = _compared(task, list(MODELS)[:count], options)
        kept = [{name: row[name] for name in KEPT} for row in result["approaches"]]  # no text of the task
        found.append({"task": result["task"], "models": result["models"], "approaches": kept})
    (RESULTS / "quantised.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "quantised.md").write_text("\n".join([_HEAD, *_table(found), ""]), encoding="utf-8")


def _compared(task: Path, aliases: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-c", "import sys; from advisor.cli import main; sys.exit(main())", "compare", str(task)]
    command += ["--dtype", "bfloat16", "--device", "cpu", "--json"]
    for alias in aliases:
        command += ["--model", f"{alias}=embedded"]
        command += ["--quantize", f"{alias}={MODELS[alias]}"] if MODELS[alias] else []
    command += [word for spec in SPECS for word in ("--approach", spec)]
    command += ["--limit", str(options.limit), "--train-limit", str(options.train_limit)]
    done = subprocess.run([*command, "--out", str(options.out / task.name)], stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


_HEAD = """# Base weights in four and eight bits

The embedded model (135 M weights) by bitsandbytes, on a CPU, beside bfloat16: `python -m benchmarks.quantised`. Of a
training the time is that of the fit, of a query the median of queries sent alone. `memory` is the most that the process
took, libraries included: 0.6 GB, and a fifth of the weights of a model of this size is in the embedding, which is not
quantised. Other work was on the machine, so that times say little but that 4 and 8 bits are no faster on a CPU.
"""


def _table(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| task | row | quality | fit, s | query, ms | memory, MB |"
    yield "|---|---|---|--:|--:|--:|"
    for one in found:
        for spec in SPECS:
            rows = [row for row in one["approaches"] if row["spec"] == spec]
            for row in sorted(rows, key=lambda row: list(MODELS).index(row["model"])):
                yield f"| {one['task']['name']} | `{spec}@{row['model']}` | {' | '.join(_cells(row))} |"


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    if row["status"] != "ok":
        yield from (f"{row['status']}: {row['error']}", "-", "-", "-")
        return
    quality = row["quality"]
    yield f"{quality['value']:.3f} ({quality['low']:.3f} to {quality['high']:.3f})"
    yield f"{row['fit_seconds']:,.1f}"
    yield f"{row['latency_ms']['p50']:,.0f}"
    yield f"{row['peak_memory_bytes'] / 1e6:,.0f}"


if __name__ == "__main__":
    main()
