"""The command `advisor compare`."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from advisor.approaches import Approach, named
from advisor.cleaning import say
from advisor.commands.options import add_judging, add_no_texts, add_running, add_task, limits_of, load, task_of
from advisor.commands.planning import planned_comparison
from advisor.disk import write_whole
from advisor.errors import UserError
from advisor.forecast.own_cases import case_of, keep, local_cases
from advisor.forecast.plan import Scope
from advisor.measuring.again import time_again
from advisor.measuring.comparing import chosen_of, compare
from advisor.measuring.reading import note_spans
from advisor.measuring.records import Comparison
from advisor.models.clock import clock
from advisor.models.store import fresh
from advisor.pilot import probe
from advisor.racing import Budget, Terms, as_raced, race, with_race
from advisor.reporting import LiveProgress, report, show
from advisor.tasks import Limits, Task, subset
from advisor.verdict import Decision, Prices, decide, load_prices


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to measure, with what, and how to judge."""
    add_task(parser)
    measuring = parser.add_argument_group("what to measure")
    measuring.add_argument(
        "--approach",
        action="append",
        metavar="SPEC",
        help="for example rag:k=3+lora:rank=16; may be repeated; all: everything that applies; default: a choice of "
        "these",
    )
    measuring.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds for approaches that depend on one")
    measuring.add_argument("--limit", type=int, metavar="N", help="take N test examples, stratified and seeded")
    measuring.add_argument("--train-limit", type=int, metavar="N", help="take N training examples likewise")
    measuring.add_argument(
        "--budget",
        metavar="B",
        help="race: drop early what is beaten and stop in time: 90s, 10m, 2h, or what the time may cost: 0.5usd",
    )
    measuring.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="carry out N runs at once, each in a process with a model of its own; times are of a shared machine then",
    )
    measuring.add_argument(
        "--plan",
        action="store_true",
        help="say how many calls, tokens, dollars and seconds each row is going to take; send and measure nothing",
    )
    measuring.add_argument(
        "--max-spend",
        type=float,
        metavar="USD",
        help="never pay more than so many dollars for models that are paid by the token",
    )
    add_no_texts(measuring)
    measuring.add_argument(
        "--latency-again",
        action="store_true",
        help="measure throughput and latency anew, of the rows named or of those from a busy machine; fit nothing",
    )
    add_running(parser, "runs/<task name>")
    parser.add_argument(
        "--learn",
        action="store_true",
        help="let later advice learn from this comparison; it stays on this machine, where ADVISOR_CASES says",
    )
    parser.add_argument("--json", action="store_true", help="print results.json and nothing else to stdout")
    add_judging(parser)


def run(options: argparse.Namespace) -> int:
    """Measure or go on, write `results.json`, and print; returns the exit code."""
    task = subset(task_of(options), limit=options.limit, train_limit=options.train_limit)
    # Specs, limits, prices and cases are read before the model, so that a slip of the pen shows at once.
    limits = replace(task.limits, **limits_of(options))
    task = replace(task, limits=limits)  # measuring has to know the latency that is asked for
    prices = load_prices(options.prices)
    if options.learn:
        local_cases()
    budget = Budget.parse(options.budget) if options.budget is not None else None
    if options.workers != 1 and (budget or options.latency_again):
        other = "--budget" if budget else "--latency-again"
        raise UserError(f"--workers does not go with {other}", "leave one of them out")
    asked = options.approach or (() if options.latency_again else task.defaults.approaches)
    approaches = named(asked, task) or None
    if options.max_spend is not None and not 0 < options.max_spend < math.inf:
        raise UserError(f"--max-spend is {options.max_spend:g}", "dollars above 0, e.g. --max-spend 2")
    if options.plan:
        return _plan(options, task, approaches, prices)
    with LiveProgress(silent=False) as progress, fresh() if options.fresh else nullcontext():
        model = load(options, task)
        if options.latency_again:
            raced = as_raced(task, options.out)
            comparison = time_again(raced, model, approaches, out=options.out, progress=progress)
        elif budget:
            terms = Terms(budget, limits, prices, options.margin, options.seeds, not options.no_texts)
            comparison = race(task, model, approaches, terms, out=options.out, progress=progress)
        else:
            keeping = {"texts": not options.no_texts, "workers": options.workers}
            comparison = compare(
                task, model, approaches, out=options.out, seeds=options.seeds, progress=progress, **keeping
            )
        probes = probe(task, model, progress=progress) if options.learn else None
    with clock.span("report"):
        decision = judged(comparison, options)
    decision = replace(decision, comparison=note_spans(comparison))
    write_whole(Path(comparison.folder) / "results.json", report(decision, "json"))
    show(decision, sys.stdout, "json" if options.json else "terminal")
    if options.learn:
        say(f"learned from: kept in {keep(case_of(task, decision, probes))}")
    return 1 if any(run.status in ("failed", "interrupted") for run in comparison.runs) else 0


def _plan(options: argparse.Namespace, task: Task, approaches: Sequence[Approach] | None, prices: Prices) -> int:
    """Print what the comparison is going to take; returns the exit code."""
    if options.budget or options.latency_again:
        other = "--budget" if options.budget else "--latency-again"
        raise UserError(f"--plan does not go with {other}", "leave one of them out")
    chosen = list(chosen_of(task, approaches).values())
    scope = Scope(options.seeds, limited=task.limits.p95_ms is not None)
    folder = Path(options.out or Path("runs") / task.name)
    with LiveProgress(silent=False) as progress:
        model = load(options, task)
        found = planned_comparison(task, [(model, chosen)], prices, scope, folder, progress)
    show(found, sys.stdout, "json" if options.json else "terminal")
    return 0


def judged(comparison: Comparison, options: argparse.Namespace) -> Decision:
    """What a comparison comes to under the limits, prices and margin of the command line."""
    limits = replace(Limits(**comparison.task.limits), **limits_of(options))
    return with_race(decide(comparison, limits, prices=load_prices(options.prices), margin=options.margin))
