"""Whether training on a second, related task helps the first: one adapter for both, in several ways.

    python -m benchmarks.several --data FOLDER_OF_TASKS [--seeds 3] [--pair TASK+OTHER ...] [--spec SPEC ...]

Each pair is a comparison on the first task without latency, which goes on where it stopped (`--out`). In a spec `OTHER`
stands for the second task's folder. The table goes to `benchmarks/results/several.md`, no text of any task.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import advisor
from advisor.approaches.registry import parse, spec_of
from advisor.measuring.comparing import Plan, carry_out
from advisor.measuring.records import Comparison
from advisor.tasks.power import LEVEL
from advisor.verdict.decision import Row
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import samples
from advisor.verdict.statistics import Contrasts
from benchmarks.comparisons import RESULTS
from benchmarks.retrieval import task_in
from benchmarks.standings import SAYS, table

PAIRS = ("banking77+clinc150", "sst2+ag_news", "squad2_dev+covid_faq")
PLAIN = "lora:epochs=3"  # a fixed number of passes, the same alone and beside other tasks
BOTH = f"{PLAIN},also=../OTHER"
SPECS = (
    PLAIN,
    BOTH,
    f"{BOTH},conflicts=pcgrad",
    f"{BOTH},conflicts=upgrad",
    f"{BOTH},curriculum=length",
    f"{BOTH},curriculum=loss",
    f"{BOTH},modulation=task",
)
COLUMNS = ("fit, s", "trained", "tokens seen")


def main() -> None:
    """Measure what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pair", action="append", default=[])
    parser.add_argument("--spec", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--train-limit", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("runs/several"))
    parser.add_argument("--table", type=Path, default=RESULTS / "several.md")
    options = parser.parse_args()
    model = advisor.load_model("embedded", device="cpu")
    lines = [_head(options.seeds)]
    for pair in options.pair or PAIRS:
        name, _, other = pair.partition("+")
        task = advisor.subset(task_in(options.data, name), limit=options.limit, train_limit=options.train_limit)
        specs = [spec_of(parse(spec.replace("OTHER", other))) for spec in options.spec or SPECS]
        found = carry_out(Plan(options.out / pair, seeds=options.seeds, latency_examples=0), task, model, specs)
        lines += table(found, PLAIN, COLUMNS, _cells)
        if verdicts := list(_verdicts(found)):
            lines += [f"With `{other}`: {'; '.join(verdicts)}.", ""]
        print(f"{pair}: done", file=sys.stderr, flush=True)
        options.table.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    trained = f"{row.trainable_parameters:,}" if row.trainable_parameters else ""
    seen = f"{row.tokens_seen:,}" if row.tokens_seen else ""
    return f"{row.fit_seconds or 0:,.0f}", trained, seen


def _verdicts(found: Comparison) -> Iterator[str]:
    """What each row is, beside the tuner alone: helped, hurt or no difference that is shown."""
    contrasts = Contrasts(samples(found.task.metric, found.answers, complete_runs(found)))
    for spec in contrasts.intervals:
        if spec == PLAIN or PLAIN not in contrasts.intervals:
            continue
        between = contrasts.between(spec, PLAIN)
        helped = "helped" if between.difference.value > 0 else "hurt"
        yield f"`{spec}` {helped if between.shown else 'no difference'}"


def _head(seeds: int) -> str:
    return f"""# Several tasks at once

`python -m benchmarks.several --data FOLDER`: the embedded model of 135 M parameters, tested on the first task of each
pair, trained on its examples and (`also`) as many of the second in each pass; three passes, else
defaults of `lora`, {seeds} seeds. {SAYS}
*helped* and *hurt* are such differences (p below {LEVEL:g}); *no difference* is none that these test examples show.
*trained*: parameters, those of the other task's own part included; *tokens seen*: in training, all passes and tasks.
Seconds are of a machine that did other things too.
"""


if __name__ == "__main__":
    main()
