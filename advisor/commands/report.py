"""The command `advisor report`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from advisor.commands.compare import judged
from advisor.commands.options import add_also, add_format, add_judging, metrics_beside
from advisor.curves.growing import holds_growth, read_growth
from advisor.intake import there
from advisor.measuring.reading import read_comparison
from advisor.reporting import check_format, show
from advisor.verdict.curves import judge


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which run folder, in which form."""
    parser.add_argument("folder", metavar="DIR", help="a run folder, for example runs/handbook-qa")
    add_format(parser)
    add_also(parser)
    add_judging(parser)


def run(options: argparse.Namespace) -> int:
    """Print what a run folder holds; returns the exit code."""
    check_format(options.format)
    there(Path(options.folder))
    if holds_growth(options.folder):
        show(judge(read_growth(options.folder)), sys.stdout, options.format)
        return 0
    comparison = read_comparison(options.folder)
    task = comparison.task
    beside = metrics_beside(options, task.metrics, task.kind, only_texts=True)
    decision = judged(replace(comparison, task=replace(task, metrics=beside)), options)
    show(decision, sys.stdout, options.format)
    return 0
