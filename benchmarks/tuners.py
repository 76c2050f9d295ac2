"""What each way of tuning is worth, takes and leaves behind, side by side on several tasks.

    python -m benchmarks.tuners --data FOLDER_OF_TASKS [--task NAME ...] [--spec SPEC ...]

Each task is a comparison without latency, which goes on where it stopped (`--out`). The table goes to
`benchmarks/results/tuners.md`, no text of any task.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import advisor
from advisor.approaches.registry import parse
from advisor.measuring.comparing import Plan, carry_out
from advisor.verdict.decision import Row
from benchmarks.comparisons import RESULTS
from benchmarks.retrieval import task_in
from benchmarks.standings import SAYS, table

TASKS = ("trec6", "ag_news", "squad2_dev", "restaurants8k")
PLAIN = "lora"
COLUMNS = ("fit, s", "peak, MB", "trained", "kept, MB", "tokens seen", "served")
SPECS = (
    "majority",
    "zero-shot",
    PLAIN,
    "lora:dora=true",
    "lora:rslora=true",
    "lora:init=pissa",
    "lora:targets=attention",
    "qlora",
    "full",
    "freeze",
    "adapter",
    "ia3",
    "ln",
    "peft:vera",
    "prefix",
    "prompt",
    "ptuning",
    "prompt+lora",
    "head",
    "probe",
    "probe:unfreeze=4",
    "setfit",
    "encoder",
)
GROUNDED = ("rag", "rag+lora", "cartridge")  # where there are documents


def main() -> None:
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", action="append", default=[])
    parser.add_argument("--spec", action="append", default=[])
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--train-limit", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("runs/tuners"))
    options = parser.parse_args()
    model = advisor.load_model("embedded", device="cpu")
    lines = [_HEAD]
    for name in options.task or TASKS:
        task = advisor.subset(task_in(options.data, name), limit=options.limit, train_limit=options.train_limit)
        asked = options.spec or (*SPECS, *(GROUNDED if task.documents else ()))
        specs = [spec for spec in asked if not parse(spec).unsuited(task)]
        found = carry_out(Plan(options.out / name, latency_examples=0), task, model, specs)
        lines += table(found, PLAIN, COLUMNS, _cells)
        print(f"{name}: done", file=sys.stderr, flush=True)
        (RESULTS / "tuners.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    peak = "" if row.peak_memory_bytes is None else f"{row.peak_memory_bytes / 1e6:,.0f}"
    trained = f"{row.trainable_parameters:,}" if row.trainable_parameters else ""
    seen = f"{row.tokens_seen:,}" if row.tokens_seen else ""
    return f"{row.fit_seconds:,.0f}", peak, trained, f"{row.artifact_bytes / 1e6:,.1f}", seen, row.served


_HEAD = f"""# Ways of tuning

`python -m benchmarks.tuners --data FOLDER`: the embedded model of 135 M parameters (its embedder of 22 M for `head`,
`setfit` and `encoder`), defaults, one seed. {SAYS}
*trained*: parameters; *kept*: what answering needs beside the model; *tokens seen*: in training, all passes. Seconds
are of a machine that did other things too, and memory is that of the process, with what earlier rows left in it.
"""


if __name__ == "__main__":
    main()
