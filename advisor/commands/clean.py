"""The command `advisor clean`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from advisor.approaches.curation import Noise
from advisor.commands.options import add_prices, add_sending
from advisor.commands.spending import cap_of, paying
from advisor.models.load import DEFAULT, load_embedder
from advisor.profiling import Cleaning, clean
from advisor.reporting import show
from advisor.tasks import load_task
from advisor.tasks.importing.writing import check_out
from advisor.verdict import load_prices


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which task, where the copy goes, and what is done."""
    parser.add_argument("task", metavar="TASK", help="a task folder; it stays as it is")
    parser.add_argument("--out", metavar="NEW", required=True, help="the task folder to be, with changes.jsonl in it")
    parser.add_argument("--overwrite", action="store_true", help="replace the task folder that is there")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else to stdout")
    doing = parser.add_argument_group("what is done to train; dev and test stay as they are")
    doing.add_argument(
        "--duplicates",
        choices=("drop", "keep"),
        default="drop",
        help="examples that repeat an earlier one, or contradict others of the same input; default: drop",
    )
    doing.add_argument(
        "--noise",
        choices=get_args(Noise),
        default="keep",
        help="labels that are probably wrong, as advisor profile --embedder names them; default: keep",
    )
    doing.add_argument("--embedder", metavar="E", default=DEFAULT, help="judges labels: embedded, a name or a folder")
    doing.add_argument("--device", metavar="D", help="cpu, cuda:0, ...; default: the best there is")
    add_sending(doing)
    add_prices(doing)


def run(options: argparse.Namespace) -> int:
    """Clean and print; returns the exit code."""
    source, out = Path(options.task), Path(options.out)
    check_out(out, options.overwrite)
    task, embedder = load_task(source), None
    if options.noise != "keep" and task.kind == "classification":
        offline = options.offline or bool(task.limits.local_only)
        embedder = load_embedder(options.embedder, device=options.device, offline=offline)
    cleaning = Cleaning(options.duplicates == "drop", options.noise, embedder)
    with paying(cap_of(options), load_prices(options.prices)):
        found = clean(source, out, cleaning, overwrite=options.overwrite)
    show(found, sys.stdout, "json" if options.json else "terminal")
    return 0
