"""The command `advisor models`."""

from __future__ import annotations

import argparse

from advisor.models.load import EMBEDDERS, LOCAL, MODELS
from advisor.plugins import installed

NAMES = {
    MODELS: ("Models (--model)", "embedded, a public name, a folder or a .gguf file: runs in this process"),
    EMBEDDERS: ("Embedders (--embedder)", "embedded, a public name or a folder: runs in this process"),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> int:
    """Print what loads models and embedders, with the package that brings it; returns the exit code."""
    for group, (heading, local) in NAMES.items():
        print(heading)
        print(f"    {local}")
        for scheme, point in installed(group).items():
            if scheme != LOCAL:
                print(f"    {scheme}:NAME  ({point.dist.name if point.dist else point.value})")
    return 0
