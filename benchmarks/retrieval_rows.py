"""What settings of retrieval are worth in answers: the old and the new default, tuned and not, side by side.

    python -m benchmarks.retrieval_rows --data FOLDER_OF_TASKS [--limit 100] [--train-limit 200] [--out FOLDER]

Each task is a comparison without latency, which goes on where it stopped. The table goes to
`benchmarks/results/retrieval-rows.md`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import advisor
from advisor.measuring.comparing import Plan, carry_out
from advisor.measuring.records import Comparison
from advisor.verdict import words
from advisor.verdict.rows import complete_runs, measured
from advisor.verdict.sample import samples
from advisor.verdict.statistics import Contrasts
from benchmarks.comparisons import RESULTS
from benchmarks.retrieval import task_in

TASKS = ("handbook-qa", "squad2_dev", "doc2dial")
NEW = "rag"
SPECS = (
    "zero-shot",
    "rag:retriever=dense",
    NEW,
    "oracle",
    "long-context:budget=2000",
    "lora",
    "rag:retriever=dense+lora",
    f"{NEW}+lora",
)


def main() -> None:
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", action="append", default=[])
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--train-limit", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("runs/retrieval-rows"))
    options = parser.parse_args()
    model = advisor.load_model("embedded", device="cpu")
    lines = [_HEAD]
    for name in options.task or TASKS:
        task = advisor.subset(task_in(options.data, name), limit=options.limit, train_limit=options.train_limit)
        lines += table(carry_out(Plan(options.out / name, latency_examples=0), task, model, SPECS))
        print(f"{name}: done", file=sys.stderr, flush=True)
    (RESULTS / "retrieval-rows.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def table(comparison: Comparison) -> Iterator[str]:
    """One task as Markdown."""
    task = comparison.task
    contrasts = Contrasts(samples(task.metric, comparison.answers, complete_runs(comparison)))
    yield f"## {task.name}\n"
    sizes = f"{task.train} training, {task.test} test examples, {task.documents} documents"
    yield f"{words.metric(task.metric)}; {sizes}.\n"
    yield f"| row | quality | to `{NEW}` | recall at k | tokens in | fit, s |"
    yield "|---|--:|--:|--:|--:|--:|"
    for row in measured(comparison):
        if row.spec not in contrasts.intervals:
            yield f"| `{row.spec}` | {row.status}: {row.error} | | | | |"
            continue
        own = contrasts.intervals[row.spec]
        quality = f"{words.value(own.value)} [{words.value(own.low)}, {words.value(own.high)}]"
        versus = ""
        if row.spec != NEW and NEW in contrasts.samples:
            between = contrasts.between(row.spec, NEW)
            found = between.difference
            versus = f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]{'*' if between.shown else ''}"
        recall = "" if row.retrieval is None else f"{row.retrieval.recall_at_k.value:.3f}"
        yield f"| `{row.spec}` | {quality} | {versus} | {recall} | {row.prompt_tokens:,.0f} | {row.fit_seconds:.1f} |"
    yield ""


_HEAD = """# Retrieval in answers

`python -m benchmarks.retrieval_rows --data FOLDER`: the embedded model of 135 M parameters, one seed. Quality with its
95 % interval; differences with simultaneous intervals, * where one is shown, corrected for all pairs of a task's rows.
Seconds are of a machine that did other things too.
"""


if __name__ == "__main__":
    main()
