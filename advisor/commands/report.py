"""The command `advisor report`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from advisor.commands.compare import judged
from advisor.commands.options import add_also, add_format, add_judging, limits_of, metrics_beside
from advisor.curves.growing import holds_growth, read_growth
from advisor.disk import put
from advisor.errors import UserError
from advisor.intake import shown, there
from advisor.measuring.lock import at_work
from advisor.measuring.reading import read_comparison
from advisor.measuring.records import Comparison
from advisor.measuring.run_folders import is_run_folder
from advisor.reporting import Subject, check_format, show
from advisor.reporting.run_index import read_index
from advisor.sharing import ROWS, share, sink_of
from advisor.tasks.power import MARGIN
from advisor.verdict import Decision
from advisor.verdict.between_runs import check_number, side_by_side
from advisor.verdict.curves import judge


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which run folders, in which form, and where else to."""
    parser.add_argument(
        "folders",
        metavar="DIR",
        nargs="+",
        help="a run folder, for example runs/handbook-qa; several of one task: side by side; a folder of run folders: "
        "an index of them",
    )
    add_format(parser)
    add_also(parser)
    sharing = parser.add_argument_group("where teams keep things; the report is not printed then")
    sharing.add_argument(
        "--to",
        metavar="SINK",
        action="append",
        default=[],
        help="log the comparison: mlflow[:URI], wandb[:PROJECT], or what an installed package brings; may be repeated",
    )
    sharing.add_argument(
        "--to-files",
        metavar="ROW",
        action="append",
        default=[],
        help=f"with what this row has fitted, such as an adapter; {ROWS}: of every row; may be repeated",
    )
    add_judging(parser)


def run(options: argparse.Namespace) -> int:
    """Print what run folders hold, or log it; returns the exit code."""
    check_format(options.format)
    for folder in options.folders:
        there(Path(folder))
    if options.to_files and not options.to:
        raise UserError("--to-files goes with --to", "say where to: --to mlflow")
    if options.to:
        return _share(options)
    show(_subject(options), sys.stdout, options.format)
    return 0


def _subject(options: argparse.Namespace) -> Subject:
    """What the report is of."""
    if len(options.folders) > 1:
        return side_by_side(_several(options))
    folder = Path(options.folders[0])
    if holds_growth(folder):
        return judge(read_growth(folder))
    if folder.is_dir() and not is_run_folder(folder):
        anew = bool(limits_of(options) or options.prices or options.also or options.margin != MARGIN)
        found = read_index(folder, partial(_judged, options=options), anew)
        if found is not None:
            return found
    return _judged(_comparison(folder), options)


def _several(options: argparse.Namespace) -> list[Decision]:
    """The comparisons of several run folders, each judged for itself.

    Raises:
        UserError: a folder was named twice, or holds no comparison.
    """
    check_number(len(options.folders))
    places = [Path(folder).resolve() for folder in options.folders]
    if twice := [given for given, place in zip(options.folders, places, strict=True) if places.count(place) > 1]:
        raise UserError(f"{shown(twice[-1])} was named twice", "name each run folder once")
    return [_judged(_comparison(Path(folder)), options) for folder in options.folders]


def _judged(comparison: Comparison, options: argparse.Namespace) -> Decision:
    """A comparison judged, also by the metrics that the command line adds."""
    task = comparison.task
    beside = metrics_beside(options, task.metrics, task.kind, only_texts=True)
    return judged(replace(comparison, task=replace(task, metrics=beside)), options)


def _comparison(folder: Path) -> Comparison:
    if holds_growth(folder):
        raise UserError(f"{shown(folder)}: holds learning curves, not a comparison", f"advisor report {shown(folder)}")
    busy = at_work(folder)  # before it is read: what ends in between is read whole
    return replace(read_comparison(folder), at_work=busy)


def _share(options: argparse.Namespace) -> int:
    """Log one comparison in every place that was named; returns the exit code."""
    sinks = [sink_of(name) for name in options.to]  # a slip of the pen shows before anything is judged
    if len(options.folders) > 1:
        raise UserError(f"--to takes one run folder, and {len(options.folders)} were named", "log one after the other")
    decision = _judged(_comparison(Path(options.folders[0])), options)
    for sink in sinks:
        put(sys.stdout, share(decision, sink, options.to_files) + "\n")
    return 0
