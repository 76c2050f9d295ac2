"""The command `advisor models`."""

from __future__ import annotations

import argparse
import textwrap

from advisor.models.load import EMBEDDERS, LOCAL, LOCAL_NAMES, MODELS, RERANKERS
from advisor.plugins import installed

NAMES = {
    MODELS: (
        "Models (--model)",
        f"{LOCAL_NAMES}: runs in this process",
    ),
    EMBEDDERS: ("Embedders (--embedder)", "embedded, a public name or a folder: runs in this process"),
    RERANKERS: ("Rerankers (rag:rerank=)", "a public name or a folder: runs in this process"),
}
SERVERS = ("http", "https")
WIDTH = 96


def add_options(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> int:
    """Print what loads models, embedders and rerankers, with the package that brings it; returns the exit code."""
    for group, (heading, local) in NAMES.items():
        print(heading)
        print(f"    {local}")
        for (package, _), schemes in _by_loader(group).items():
            names = ", ".join(f"{one}://HOST/v1#NAME" if one in SERVERS else f"{one}:NAME" for one in schemes)
            print(textwrap.fill(f"{names}  ({package})", WIDTH, initial_indent="    ", subsequent_indent="      "))
    return 0


def _by_loader(group: str) -> dict[tuple[str, str], list[str]]:
    """Schemes that one loader loads, by its package and itself."""
    found: dict[tuple[str, str], list[str]] = {}
    for scheme, point in installed(group).items():
        if scheme != LOCAL:
            found.setdefault((point.dist.name if point.dist else "", point.value), []).append(scheme)
    return found
