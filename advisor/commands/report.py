"""The command `advisor report`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from advisor.commands.compare import judged
from advisor.commands.options import add_format, add_judging
from advisor.curves.growing import holds_growth, read_growth
from advisor.intake import there
from advisor.measuring.reading import read_comparison
from advisor.reporting import check_format, show
from advisor.verdict.curves import judge


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which run folder, in which form."""
    parser.add_argument("folder", metavar="DIR", help="a run folder, for example runs/handbook-qa")
    add_format(parser)
    add_judging(parser)


def run(options: argparse.Namespace) -> int:
    """Print what a run folder holds; returns the exit code."""
    check_format(options.format)
    there(Path(options.folder))
    if holds_growth(options.folder):
        show(judge(read_growth(options.folder)), sys.stdout, options.format)
        return 0
    decision = judged(read_comparison(options.folder), options)
    show(decision, sys.stdout, options.format)
    return 0
