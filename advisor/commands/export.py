"""The command `advisor export`."""

from __future__ import annotations

import argparse

from advisor.deploy.exporting.registry import exporter_of


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which row, in which format, and where to."""
    parser.add_argument("folder", metavar="DIR", help="a run folder, for example runs/handbook-qa")
    parser.add_argument("spec", nargs="?", metavar="SPEC", help="the row; default: the recommended one")
    parser.add_argument("--out", metavar="FOLDER", required=True, help="where the export goes; not there yet, or empty")
    parser.add_argument("--as", dest="format", metavar="FORMAT", required=True, help="adapter, merged, bundle, ...")


def run(options: argparse.Namespace) -> int:
    """Export; returns the exit code."""
    exporter_of(options.format)
    return 0
