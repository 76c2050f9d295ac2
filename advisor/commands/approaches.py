"""The command `advisor approaches`."""

from __future__ import annotations

import argparse

from advisor.approaches import kinds, parameters


def add_options(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> int:
    """Print what is installed, with its parameters; returns the exit code."""
    for kind in kinds():
        text = (kind.__doc__ or "").strip().splitlines()
        print(f"{kind.name}\n    {text[0] if text else ''}")
        for parameter, type_name, default in parameters(kind):
            named = f"{parameter.upper()}  ({type_name}, first and without a name)"
            print("    " + (named if parameter == kind.positional else f"{parameter}={default}  ({type_name})"))
    print("\nJoin a context builder and a tuner with +, for example rag:k=3+lora:rank=16.")
    return 0
