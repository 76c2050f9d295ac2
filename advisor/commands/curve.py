"""The command `advisor curve`."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from advisor.approaches import named
from advisor.commands.options import add_no_texts, add_prices, add_running, add_task, load, task_of
from advisor.commands.spending import cap_of, paying
from advisor.curves.growing import Sizes, grow
from advisor.curves.sampling import SIZES, default_folder, learners
from advisor.disk import write_whole
from advisor.errors import UserError
from advisor.models.store import fresh
from advisor.reporting import LiveProgress, report, show
from advisor.tasks import subset
from advisor.verdict import load_prices
from advisor.verdict.curves import judge

RESULT = "curve.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to measure, with what."""
    add_task(parser)
    measuring = parser.add_argument_group("what to measure")
    measuring.add_argument(
        "--sizes",
        default=",".join(map(str, SIZES)),
        metavar="N,N,...",
        help=f"numbers of training examples; default: {','.join(map(str, SIZES))}",
    )
    measuring.add_argument(
        "--approach",
        action="append",
        metavar="SPEC",
        help="may be repeated; all: everything that applies; default: zero-shot, and what runs unasked and learns from "
        "training examples",
    )
    measuring.add_argument("--limit", type=int, metavar="N", help="take N test examples, stratified and seeded")
    measuring.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="samples of the training examples to draw at each size; where all are used, seeds of the approaches",
    )
    add_no_texts(measuring)
    add_running(parser, "runs/<task name>/curve")
    add_prices(parser)
    parser.add_argument("--json", action="store_true", help="print curve.json and nothing else to stdout")


def run(options: argparse.Namespace) -> int:
    """Measure or go on, write `curve.json`, and print; returns the exit code."""
    task = subset(task_of(options), limit=options.limit)
    out = Path(options.out) if options.out else default_folder(task)
    sizes = Sizes(out, _sizes(options.sizes), options.seeds, not options.no_texts)
    approaches = named(options.approach or (), task) or learners(task)
    cap = cap_of(options)
    with (
        LiveProgress(silent=False) as progress,
        fresh() if options.fresh else nullcontext(),
        paying(cap, load_prices(options.prices)),
    ):
        growth = grow(sizes, task, load(options, task), approaches, progress)
    curves = judge(growth)
    write_whole(Path(growth.folder) / RESULT, report(curves, "json"))
    show(curves, sys.stdout, "json" if options.json else "terminal")
    runs = [run for draws in growth.comparisons.values() for comparison in draws for run in comparison.runs]
    return 1 if any(run.status in ("failed", "interrupted") for run in runs) else 0


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--sizes is {text!r}", "numbers with commas between them: --sizes 8,32,128,512") from None
