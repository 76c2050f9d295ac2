"""The command `advisor profile`."""

from __future__ import annotations

import argparse
import sys

from advisor import progress
from advisor.commands.options import add_format, add_prices, add_sending, add_task, task_of
from advisor.commands.spending import cap_of, paying
from advisor.models.load import load_embedder, load_model
from advisor.profiling import profile
from advisor.reporting import LiveProgress, check_format, show
from advisor.verdict import load_prices


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which task, and what needs weights."""
    add_task(parser)
    looking = parser.add_argument_group("what needs weights")
    looking.add_argument("--model", metavar="M", help="count its tokens: embedded, a public name, a folder or a .gguf")
    looking.add_argument("--embedder", metavar="E", help="find likely label errors: embedded, a name or a folder")
    looking.add_argument("--device", metavar="D", help="cpu, cuda:0, ...; default: the best there is")
    looking.add_argument("--trust-remote-code", action="store_true", help="let code that comes with a model run")
    add_sending(looking)
    add_prices(looking)
    add_format(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else to stdout")


def run(options: argparse.Namespace) -> int:
    """Look and print; returns the exit code."""
    check_format(options.format)
    task = task_of(options)
    model = embedder = None
    offline = options.offline or bool(task.limits.local_only)
    with LiveProgress():
        if options.model:
            how = {"device": options.device, "trust_remote_code": options.trust_remote_code}
            model = load_model(options.model, **how, offline=offline)
        if options.embedder:
            progress.step(f"load {options.embedder}", None)
            embedder = load_embedder(options.embedder, device=options.device, offline=offline)
        if model or embedder:
            progress.step(f"look at {task.name}", None)
        with paying(cap_of(options), load_prices(options.prices)):
            found = profile(task, model, embedder)
    show(found, sys.stdout, "json" if options.json else options.format)
    return 0
