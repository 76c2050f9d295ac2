"""The command `advisor metrics`."""

from __future__ import annotations

import argparse

from advisor.cleaning import plain
from advisor.tasks import KINDS, facts_of, metric_names, release_of


def add_options(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> int:
    """Print what a task may be measured by, and where it comes from; returns the exit code."""
    for name in metric_names():
        facts = facts_of(name)
        print(f"{name}\n    {plain(facts.measures)}")
        print(f"    for {'any kind of task' if set(facts.kinds) == set(KINDS) else ', '.join(facts.kinds)}", end="")
        print(f"; {plain(facts.source)}" if facts.source else "", end="")
        print(f"; from {plain(release_of(name))}" if release_of(name) else "")
    print('\nA task names one in its task.toml, for example metric = "token_f1"; from 0 to 1, and higher is better.')
    return 0
