"""What settings of retrieval are worth in answers: the old and the new default, tuned and not, side by side.

    python -m benchmarks.retrieval_rows --data FOLDER_OF_TASKS [--limit 100] [--train-limit 200] [--out FOLDER]

Each task is a comparison without latency, which goes on where it stopped. The table goes to
`benchmarks/results/retrieval-rows.md`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import advisor
from advisor.measuring.comparing import Plan, carry_out
from advisor.verdict.decision import Row
from benchmarks.comparisons import RESULTS
from benchmarks.retrieval import task_in
from benchmarks.standings import SAYS, table

TASKS = ("handbook-qa", "squad2_dev", "doc2dial")
NEW = "rag"
COLUMNS = ("recall at k", "tokens in", "fit, s")
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
        found = carry_out(Plan(options.out / name, latency_examples=0), task, model, SPECS)
        lines += table(found, NEW, COLUMNS, _cells)
        print(f"{name}: done", file=sys.stderr, flush=True)
    (RESULTS / "retrieval-rows.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    recall = "" if row.retrieval is None else f"{row.retrieval.recall_at_k.value:.3f}"
    return recall, f"{row.prompt_tokens:,.0f}", f"{row.fit_seconds:.1f}"


_HEAD = f"""# Retrieval in answers

`python -m benchmarks.retrieval_rows --data FOLDER`: the embedded model of 135 M parameters, one seed. {SAYS}
Seconds are of a machine that did other things too.
"""


if __name__ == "__main__":
    main()
