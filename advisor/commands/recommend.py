"""The command `advisor recommend`."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace

from advisor.advice.agenda import Invocation
from advisor.advice.recommending import estimate
from advisor.commands.options import (
    MODEL_NAMES,
    TABLE,
    add_format,
    add_limits,
    add_model,
    add_task,
    limits_of,
    load_named,
    task_of,
)
from advisor.commands.spending import cap_of, paying
from advisor.errors import UserError
from advisor.pilot import probe
from advisor.pilot.readings import PROBING
from advisor.profiling import profile
from advisor.reporting import LiveProgress, check_format, show
from advisor.verdict import load_prices


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which task, which model if any, and how to judge."""
    add_task(parser)
    model = parser.add_argument_group("model and machine")
    add_model(model, f"probe it: {MODEL_NAMES}")
    model.add_argument("--seconds", type=float, metavar="S", help=f"for the probes; default: {PROBING:g}")
    parser.add_argument(
        "--approach",
        action="append",
        default=[],
        metavar="SPEC",
        help="estimate this too, beside what runs unasked, for example full or probe; may be repeated",
    )
    add_format(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else to stdout")
    add_limits(parser)


def run(options: argparse.Namespace) -> int:
    """Estimate and print; returns the exit code."""
    check_format(options.format)
    task = task_of(options)
    limits = replace(task.limits, **limits_of(options))
    prices = load_prices(options.prices)
    seconds = PROBING if options.seconds is None else options.seconds
    if not seconds > 0:
        raise UserError(f"--seconds is {seconds:g}", f"above 0; {PROBING:g} is usual")
    if options.seconds is not None and not options.model:
        raise UserError("--seconds is for the probes of a model, and none is named", "add --model embedded")
    with LiveProgress(silent=not options.model) as progress, paying(cap_of(options), prices):
        model = load_named(options.model, options, task) if options.model else None
        probes = probe(task, model, seconds, progress) if model else None
        found = estimate(profile(task, model), probes, model, limits, prices, _named(options))
    show(found, sys.stdout, "json" if options.json else options.format)
    return 0


def _named(options: argparse.Namespace) -> Invocation:
    """Task, model and machine as they were typed, for the commands that are advised."""
    task = [options.task] if options.task else []
    for name in ("train", *TABLE, "split", "max_document_mb", "max_table_mb"):
        value = getattr(options, name)
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                task += [f"--{name.replace('_', '-')}", f"{one:g}" if isinstance(one, float) else one]
    running = []
    if options.model:
        for name in ("model", "embedder", "device", "dtype", "labels_by", "max_spend"):
            value = getattr(options, name)
            if value is not None and (name, value) != ("embedder", "embedded"):
                running += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
        running += [word for bits in options.quantize for word in ("--quantize", bits)]
        for name in ("trust_remote_code", "reasoning", "offline"):
            running += [f"--{name.replace('_', '-')}"] * getattr(options, name)
    return Invocation(shlex.join(task), shlex.join(running), tuple(options.approach))
