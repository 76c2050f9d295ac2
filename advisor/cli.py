"""The command line: `advisor profile | compare | curve | report | approaches`.

Results go to stdout, progress to stderr. Exit 0 done, 2 the user's mistake, 1 a failed approach or an internal
error.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import fields, replace
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from advisor import curve_command
from advisor.advise import profile
from advisor.approaches import installed, parameters, parse, part
from advisor.decide import Decision, decide, load_prices
from advisor.decide.curves import judge
from advisor.errors import UserError
from advisor.interrupts import insisting
from advisor.measure.comparing import compare, note_spans, read_comparison
from advisor.measure.growing import holds_growth, read_growth
from advisor.measure.records import Comparison, write_whole
from advisor.models import LanguageModel
from advisor.models.clock import clock
from advisor.models.store import fresh
from advisor.report import FORMATS, LiveProgress, render_json, show, show_curves, show_profile
from advisor.tasks import KINDS, METRICS, Limits, TableSource, Task, load_table, load_task, subset

LIMITS = tuple(f.name for f in fields(Limits))
TABLE = ("test", "dev", "input", "target", "instruction", "documents", "name", "kind", "metric", "labels")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        with insisting():
            code = int(options.command(options))
        sys.stdout.flush()  # not left to the interpreter's end, which complains where the reader is gone
        return code
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="advisor",
        description="Compare ways of adapting a language model to your task (prompting, examples, retrieval, LoRA) "
        "on your own data, and learn which one to choose.",
    )
    parser.add_argument("--version", action="version", version=f"advisor {version('advisor')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_profile(commands)
    _add_compare(commands)
    curve = commands.add_parser(
        "curve",
        help="measure quality against the number of training examples, and where one approach overtakes another",
        description="Measure the approaches with more and more training examples; say where one overtakes another and "
        "what the next labels would buy. The same command goes on where it stopped.",
    )
    _add_task(curve)
    curve_command.add_options(curve)
    _add_running(curve, "runs/<task name>/curve")
    curve.set_defaults(command=_curve)
    report = commands.add_parser("report", help="print the report of a run folder again, without running anything")
    report.add_argument("folder", metavar="DIR", help="a run folder, for example runs/handbook-qa")
    report.add_argument("--format", choices=FORMATS, default="terminal")
    _add_judging(report)
    report.set_defaults(command=_report)
    approaches = commands.add_parser("approaches", help="what is installed, with its parameters")
    approaches.set_defaults(command=_approaches)
    return parser


def _add_profile(commands: Any) -> None:
    profile_ = commands.add_parser(
        "profile",
        help="describe a task, and what may spoil a comparison on it",
        description="Describe a task and look for what may spoil a comparison on it: repeated and contradicting "
        "examples, leaks, labels, personal data, outliers. Takes seconds; nothing is run.",
    )
    _add_task(profile_)
    looking = profile_.add_argument_group("what needs weights")
    looking.add_argument("--model", metavar="M", help="count its tokens: embedded, a public name, a folder or a .gguf")
    looking.add_argument("--embedder", metavar="E", help="find likely label errors: embedded, a name or a folder")
    looking.add_argument("--device", metavar="D", help="cpu, cuda:0, ...; default: the best there is")
    looking.add_argument("--trust-remote-code", action="store_true", help="let code that comes with a model run")
    profile_.add_argument("--json", action="store_true", help="print one JSON document and nothing else to stdout")
    profile_.set_defaults(command=_profile)


def _add_task(parser: argparse.ArgumentParser) -> None:
    """What says which task: a folder or tables."""
    parser.add_argument("task", nargs="?", metavar="TASK", help="a task folder; or pass a table with --train")
    table = parser.add_argument_group("a task from tables (CSV, TSV, JSONL, Parquet) instead of a folder")
    for name, text in (
        ("train", "file of training examples"),
        ("test", "file of test examples (or --split)"),
        ("dev", "file of examples to stop training by"),
        ("input", "column that holds the input"),
        ("target", "column that holds the answer"),
        ("instruction", "what the model is told to do"),
        ("documents", "documents.jsonl, or a folder of .md and .txt"),
        ("name", "name of the task"),
    ):
        table.add_argument(f"--{name}", metavar=name.upper(), help=text)
    table.add_argument("--kind", choices=KINDS)
    table.add_argument("--metric", choices=METRICS)
    table.add_argument("--labels", metavar="A,B,...", help="labels of a classification; default: those in train")
    parser.add_argument("--split", type=float, metavar="SHARE", help="split this share of train off as test")


def _add_compare(commands: Any) -> None:
    compare_ = commands.add_parser(
        "compare",
        help="run approaches side by side on a task and report",
        description="Run approaches side by side. The same command goes on where it stopped.",
    )
    _add_task(compare_)
    measuring = compare_.add_argument_group("what to measure")
    measuring.add_argument(
        "--approach",
        action="append",
        metavar="SPEC",
        help="for example rag:k=3+lora:rank=16; may be repeated; default: all that apply",
    )
    measuring.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds for approaches that depend on one")
    measuring.add_argument("--limit", type=int, metavar="N", help="take N test examples, stratified and seeded")
    measuring.add_argument("--train-limit", type=int, metavar="N", help="take N training examples likewise")
    _add_running(compare_, "runs/<task name>")
    compare_.add_argument("--json", action="store_true", help="print results.json and nothing else to stdout")
    _add_judging(compare_)
    compare_.set_defaults(command=_compare)


def _add_running(parser: argparse.ArgumentParser, folder: str) -> None:
    """Which model runs where, and where it is recorded: in `folder` by default."""
    running = parser.add_argument_group("model and machine")
    running.add_argument("--model", metavar="M", help="embedded, a public name, a folder or a .gguf file")
    running.add_argument("--embedder", metavar="E", default="embedded", help="embedded, a public name or a folder")
    running.add_argument("--device", metavar="D", help="cpu, cuda:0, ...; default: the best there is")
    running.add_argument("--dtype", metavar="T", help="float32, bfloat16 or float16; default: what suits the device")
    running.add_argument("--trust-remote-code", action="store_true", help="let code that comes with a model run")
    running.add_argument("--out", metavar="DIR", help=f"run folder; default: {folder}")
    running.add_argument(
        "--fresh",
        action="store_true",
        help="take nothing from the store of earlier results, which lies where ADVISOR_CACHE says",
    )


def _add_judging(parser: argparse.ArgumentParser) -> None:
    judging = parser.add_argument_group("how to judge; nothing runs again for these")
    judging.add_argument("--prices", metavar="FILE", help="TOML file of prices in place of the built-in list")
    judging.add_argument(
        "--margin", type=float, default=0.02, metavar="M", help="how much worse a cheaper approach may be shown to be"
    )
    for name in LIMITS:
        judging.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="X", help="limit, as in task.toml")


def _profile(options: argparse.Namespace) -> int:
    task = _task(options)
    model = embedder = None
    if options.model or options.embedder:
        weights = import_module("advisor.models.load")
        where = {"device": options.device}
        if options.model:
            model = weights.load_model(options.model, trust_remote_code=options.trust_remote_code, **where)
        if options.embedder:
            embedder = weights.load_embedder(options.embedder, **where)
    show_profile(profile(task, model, embedder), sys.stdout, "json" if options.json else "terminal")
    return 0


def _compare(options: argparse.Namespace) -> int:
    task = subset(_task(options), limit=options.limit, train_limit=options.train_limit)
    # Specs, limits and prices are read before the model, so that a slip of the pen shows at once.
    _limits(options)
    load_prices(options.prices)
    approaches = [parse(spec) for spec in options.approach or task.defaults.approaches] or None
    with LiveProgress(silent=False) as progress, fresh() if options.fresh else nullcontext():
        model = _load(options, task)
        comparison = compare(task, model, approaches, out=options.out, seeds=options.seeds, progress=progress)
    with clock.span("report"):
        decision = _judge(comparison, options)
    decision = replace(decision, comparison=note_spans(comparison))
    write_whole(Path(comparison.folder) / "results.json", render_json(decision))
    show(decision, sys.stdout, "json" if options.json else "terminal")
    return 1 if any(run.status == "failed" for run in comparison.runs) else 0


def _curve(options: argparse.Namespace) -> int:
    return curve_command.run(options, _task(options), partial(_load, options))


def _load(options: argparse.Namespace, task: Task) -> LanguageModel:
    model: LanguageModel = import_module("advisor.models.load").load_model(
        options.model or task.defaults.model or "embedded",
        embedder=options.embedder,
        device=options.device,
        dtype=options.dtype,
        trust_remote_code=options.trust_remote_code,
    )
    return model


def _task(options: argparse.Namespace) -> Task:
    if options.task and options.train:
        raise UserError("both a task folder and --train were given", "pass one of them")
    if options.task:
        given = [name for name in TABLE if getattr(options, name)]
        if given:
            raise UserError(f"--{given[0]} goes with --train, not with a task folder", "leave it out")
        return load_task(options.task, split=options.split)
    if options.train:
        return load_table(_table(options), split=options.split)
    raise UserError("no task was given", "name a folder such as examples/handbook-qa, or --train data.csv ...")


def _table(options: argparse.Namespace) -> TableSource:
    missing = [n for n in ("input", "target", "kind", "instruction") if not getattr(options, n)]
    if missing:
        raise UserError(
            f"--train needs --{', --'.join(missing)} too",
            '--input question --target answer --kind qa --instruction "Answer the question."',
        )
    labels = tuple(label.strip() for label in options.labels.split(",")) if options.labels else None
    return TableSource(
        options.train,
        input=options.input,
        target=options.target,
        kind=options.kind,
        instruction=options.instruction,
        test=options.test,
        dev=options.dev,
        metric=options.metric,
        labels=labels,
        documents=options.documents,
        name=options.name,
    )


def _report(options: argparse.Namespace) -> int:
    if holds_growth(options.folder):
        show_curves(judge(read_growth(options.folder)), sys.stdout, options.format)
        return 0
    decision = _judge(read_comparison(options.folder), options)
    show(decision, sys.stdout, options.format)
    return 0


def _judge(comparison: Comparison, options: argparse.Namespace) -> Decision:
    limits = replace(Limits(**comparison.task.limits), **_limits(options))
    return decide(comparison, limits, prices=load_prices(options.prices), margin=options.margin)


def _limits(options: argparse.Namespace) -> dict[str, float]:
    """Those that were given, checked."""
    given = {name: getattr(options, name) for name in LIMITS if getattr(options, name) is not None}
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if not 0 < value < math.inf:
            raise UserError(f"{flag} is {value:g}", "limits are positive numbers")
        if name == "min_quality" and value > 1:
            raise UserError(f"{flag} is {value:g}", f"metrics run from 0 to 1: {flag} {value / 100:g}")
    if not 0 <= options.margin < math.inf:
        raise UserError(f"--margin is {options.margin:g}", "0 or more, in the metric's own unit: --margin 0.02")
    return given


def _approaches(options: argparse.Namespace) -> int:
    for name in installed():
        kind = part(name)
        text = (kind.__doc__ or "").strip().splitlines()
        print(f"{name}\n    {text[0] if text else ''}")
        for parameter, type_name, default in parameters(kind):
            print(f"    {parameter}={default}  ({type_name})")
    print("\nJoin a context builder and a tuner with +, for example rag:k=3+lora:rank=16.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
