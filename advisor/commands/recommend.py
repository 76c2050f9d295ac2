"""The command `advisor recommend`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from advisor.advise import recommend
from advisor.commands.options import add_judging, add_task, limits_of, task_of, weights
from advisor.decide import load_prices
from advisor.errors import UserError
from advisor.report import LiveProgress, show_estimate

SECONDS = 120.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which task, which model if any, and how to judge."""
    add_task(parser)
    model = parser.add_argument_group("model and machine")
    model.add_argument("--model", metavar="M", help="probe it: embedded, a public name, a folder or a .gguf file")
    model.add_argument("--embedder", metavar="E", default="embedded", help="embedded, a public name or a folder")
    model.add_argument("--device", metavar="D", help="cpu, cuda:0, ...; default: the best there is")
    model.add_argument("--dtype", metavar="T", help="float32, bfloat16 or float16; default: what suits the device")
    model.add_argument("--trust-remote-code", action="store_true", help="let code that comes with a model run")
    model.add_argument("--seconds", type=float, default=SECONDS, metavar="S", help="for the probes; default: 120")
    parser.add_argument("--format", choices=("terminal", "markdown"), default="terminal")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else to stdout")
    add_judging(parser)


def run(options: argparse.Namespace) -> int:
    """Estimate and print; returns the exit code."""
    task = task_of(options)
    limits = replace(task.limits, **limits_of(options))
    prices = load_prices(options.prices)
    if not options.seconds > 0:
        raise UserError(f"--seconds is {options.seconds:g}", "above 0; 120 is usual")
    with LiveProgress(silent=not options.model) as progress:
        model = None
        if options.model:
            model = weights().load_model(
                options.model,
                embedder=options.embedder,
                device=options.device,
                dtype=options.dtype,
                trust_remote_code=options.trust_remote_code,
            )
        found = recommend(task, model, limits=limits, prices=prices, seconds=options.seconds, progress=progress)
    show_estimate(found, sys.stdout, "json" if options.json else options.format)
    return 0
