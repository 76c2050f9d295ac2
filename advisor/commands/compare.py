"""The command `advisor compare`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from advisor.cleaning import say
from advisor.commands.forgetting import add_forgetting, forgetting_of
from advisor.commands.options import (
    add_also,
    add_judging,
    add_no_texts,
    add_running,
    add_task,
    limits_of,
    loaded_for,
    metrics_beside,
    sources_of,
    task_of,
)
from advisor.commands.planning import planned_comparison
from advisor.commands.spending import asked_cap, cap_of, paying
from advisor.disk import write_whole
from advisor.errors import UserError
from advisor.forecast.own_cases import case_of, keep, local_cases
from advisor.forecast.plan import Scope
from advisor.measuring.again import time_again
from advisor.measuring.comparing import compare
from advisor.measuring.judging import check_race, other_judges
from advisor.measuring.lineup import Lineup, asked, lineup
from advisor.measuring.reading import host_of, note_spans
from advisor.measuring.records import Comparison
from advisor.models.clock import clock
from advisor.models.load import ModelSource
from advisor.models.store import fresh
from advisor.pilot import probe
from advisor.racing import Budget, Terms, as_raced, race, with_race
from advisor.reporting import LiveProgress, report, show
from advisor.tasks import Limits, Task, subset
from advisor.verdict import Decision, Prices, decide, load_prices
from advisor.verdict.coverage import checked


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
    add_also(measuring)
    add_forgetting(measuring)
    add_no_texts(measuring)
    measuring.add_argument(
        "--latency-again",
        action="store_true",
        help="measure throughput and latency anew, of the rows named or of those from a busy machine; fit nothing",
    )
    add_running(parser, "runs/<task name>", several=True)
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
    # Measuring has to know the latency that is asked for.
    task = replace(task, limits=limits, metrics=metrics_beside(options, task.metrics, task.kind))
    prices = load_prices(options.prices)
    checked(options.coverage)
    if options.learn:
        local_cases()
    budget = Budget.parse(options.budget) if options.budget is not None else None
    if options.workers != 1 and (budget or options.latency_again):
        other = "--budget" if budget else "--latency-again"
        raise UserError(f"--workers does not go with {other}", "leave one of them out")
    forgetting = forgetting_of(options)
    given = options.approach or (None if options.latency_again else list(task.defaults.approaches) or None)
    sources = sources_of(options, task)
    scope = _scope(options, task)
    rows = lineup(asked(given, task), sources, host_of(scope.folder, [source.alias for source in sources]))
    _check_race(options, task, sources)
    cap = cap_of(options)
    if options.plan:
        return _plan(options, task, sources, rows, prices, scope)
    cap = cap or asked_cap(task, sources, rows, prices, scope)
    with (
        LiveProgress(silent=False) as progress,
        fresh() if options.fresh else nullcontext(),
        paying(cap, prices),
    ):
        alone = budget or options.latency_again or options.learn or not other_judges(task, sources)
        only = loaded_for(task, sources[0]) if len(sources) == 1 and alone else None
        models = [only] if only else sources
        if options.latency_again:
            raced = as_raced(task, options.out)
            comparison = time_again(raced, models, given, out=options.out, progress=progress)
        elif budget and only:
            terms = Terms(budget, limits, prices, options.margin, options.seeds, not options.no_texts)
            comparison = race(
                task,
                only,
                list(rows.of[only.alias].values()) if given else None,
                terms,
                out=options.out,
                progress=progress,
            )
        else:
            keeping = {"texts": not options.no_texts, "workers": options.workers, "forgetting": forgetting}
            keeping |= {"seeds": options.seeds, "progress": progress}
            comparison = compare(task, models, given, out=options.out, **keeping)
        probes = probe(task, only, progress=progress) if options.learn and only else None
    with clock.span("report"):
        decision = judged(comparison, options)
    decision = replace(decision, comparison=note_spans(comparison))
    write_whole(Path(comparison.folder) / "results.json", report(decision, "json"))
    show(decision, sys.stdout, "json" if options.json else "terminal")
    if options.learn:
        say(f"learned from: kept in {keep(case_of(task, decision, probes))}")
    return 1 if any(run.status in ("failed", "interrupted") for run in comparison.runs) else 0


def _check_race(options: argparse.Namespace, task: Task, models: Sequence[ModelSource]) -> None:
    """What is for one model only, and what does not go with a race.

    Raises:
        UserError: it was asked for with several, or with one.
    """
    if options.budget:
        check_race(task)
    for option in ("budget", "learn"):
        if len(models) > 1 and getattr(options, option):
            names = " and ".join(model.alias for model in models)
            raise UserError(f"--{option} is for one model, and there are {names}", "name one with --model")


def _plan(
    options: argparse.Namespace,
    task: Task,
    sources: Sequence[ModelSource],
    rows: Lineup,
    prices: Prices,
    scope: Scope,
) -> int:
    """Print what the comparison is going to take; returns the exit code."""
    if options.budget or options.latency_again:
        other = "--budget" if options.budget else "--latency-again"
        raise UserError(f"--plan does not go with {other}", "leave one of them out")
    with LiveProgress(silent=False) as progress:
        found = planned_comparison(task, sources, rows, prices, scope, progress)
    show(found, sys.stdout, "json" if options.json else "terminal")
    return 0


def _scope(options: argparse.Namespace, task: Task) -> Scope:
    """How much is measured, and where it would be recorded."""
    folder = Path(options.out or Path("runs") / task.name)
    limit = task.limits.p95_ms
    seconds = None if limit is None else limit / 1000
    return Scope(folder, options.seeds, p95_seconds=seconds, texts=not options.no_texts)


def judged(comparison: Comparison, options: argparse.Namespace) -> Decision:
    """What a comparison comes to under the limits, prices and margin of the command line."""
    limits = replace(Limits(**comparison.task.limits), **limits_of(options))
    prices, coverage = load_prices(options.prices), options.coverage
    return with_race(decide(comparison, limits, prices=prices, margin=options.margin, coverage=coverage))
