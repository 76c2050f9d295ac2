"""What several commands ask for in the same words: which task, which model on which machine, and how to judge."""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

from advisor.commands.importing import imported_on_the_way, is_source, labels_of
from advisor.errors import UserError
from advisor.intake import Bound, there
from advisor.models import LabelsBy, LanguageModel
from advisor.models.hosted.address import runs_here
from advisor.models.languages import language_caveats
from advisor.models.load import (
    CONCURRENCY,
    DEFAULT,
    LOCAL_NAMES,
    Loading,
    ModelSource,
    Quantize,
    checked_bits,
    model_sources,
)
from advisor.tasks import KINDS, Limits, TableSource, Task, load_table, load_task
from advisor.tasks.importing.contract import ImportChoices
from advisor.tasks.importing.result import ImportRequest
from advisor.tasks.importing.splitting import SplitRule
from advisor.tasks.power import COVERAGE, MARGIN
from advisor.tasks.settings import SHARES, SWITCHES
from advisor.tasks.textfile import BOUNDS, FileBounds

log = logging.getLogger(__name__)
LIMITS = tuple(f.name for f in fields(Limits) if f.name not in SWITCHES)
MODEL_NAMES = f"{LOCAL_NAMES}; advisor models lists more"
MOST_MB = 1_000_000
TABLE = ("test", "dev", "input", "target", "group", "instruction", "documents", "name", "kind", "metric", "labels")


def add_task(parser: argparse.ArgumentParser) -> None:
    """What says which task: a folder or tables."""
    parser.add_argument("task", nargs="?", metavar="TASK", help="a task folder, or what advisor import takes")
    table = parser.add_argument_group("of what is imported; or, with --train, a task from tables without a folder")
    for name, text in (
        ("train", "file of training examples"),
        ("test", "file of test examples (or --split)"),
        ("dev", "file of examples to stop training by"),
        ("input", "column that holds the input; given several times, the columns are joined"),
        ("target", "column that holds the answer; in a column of conversations, the assistant's last turn"),
        ("group", "column whose rows of one value stay on one side of --split: a conversation, a patient"),
        ("instruction", "what the model is told to do"),
        ("documents", "documents.jsonl, or a folder of .md, .html, .rst, .txt"),
        ("name", "name of the task"),
    ):
        action = "append" if name == "input" else "store"
        table.add_argument(f"--{name}", metavar=name.upper(), action=action, help=text)
    table.add_argument("--kind", choices=KINDS)
    table.add_argument("--metric", metavar="METRIC", help="default: by kind; advisor metrics lists them")
    table.add_argument("--labels", metavar="A,B,...", help="labels of a classification; default: those in train")
    parser.add_argument("--split", type=float, metavar="SHARE", help="split this share of train off as test")
    for part, bound in _bounds().items():
        about = {"document": "a file below documents/", "table": "a table, or documents.jsonl,"}[part]
        usual = f"how large {about} may be, in megabytes; default: {bound.megabytes:g}"
        parser.add_argument(bound.option, dest=f"max_{part}_mb", type=float, metavar="MB", help=usual)


def add_model(group: Any, help: str, several: bool = False) -> None:
    """Which model, and how it runs.

    Args:
        help: what the model is named for.
        several: whether more than one may be named.
    """
    if several:
        group.add_argument("--model", metavar="[ALIAS=]M", action="append", help=f"{help}; may be repeated")
    else:
        group.add_argument("--model", metavar="M", help=help)
    group.add_argument("--embedder", metavar="E", default=DEFAULT, help="embedded, a public name or a folder")
    group.add_argument(
        "--device", metavar="D", help="cpu, cuda:0, ..., auto: all GPUs, memory and disk; default: the best one"
    )
    group.add_argument("--dtype", metavar="T", help="float32, bfloat16 or float16; default: what suits the device")
    group.add_argument(
        "--quantize",
        metavar="[ALIAS=]BITS",
        action="append",
        default=[],
        help="round the weights of the models that run here, or of one of them, to 4bit or 8bit; may be repeated",
    )
    group.add_argument("--trust-remote-code", action="store_true", help="let code that comes with a model run")
    group.add_argument(
        "--labels-by",
        choices=get_args(LabelsBy),
        help="how labels are told, for all models alike: by the likelihood of each, by an answer that can be nothing "
        "else, or by the text that is written; default: each model's best way",
    )
    group.add_argument("--reasoning", action="store_true", help="let models reason before they answer that can")
    group.add_argument(
        "--concurrency", type=int, default=CONCURRENCY, metavar="N", help="requests at once to a model that is served"
    )
    add_sending(group)


def add_running(parser: argparse.ArgumentParser, folder: str, several: bool = False) -> None:
    """Which model runs where, and where it is recorded: in `folder` by default."""
    running = parser.add_argument_group("model and machine")
    add_model(running, MODEL_NAMES, several)
    running.add_argument("--out", metavar="DIR", help=f"run folder; default: {folder}")
    running.add_argument(
        "--fresh",
        action="store_true",
        help="take nothing from the store of earlier results, which lies where ADVISOR_CACHE says",
    )


def add_no_texts(measuring: Any) -> None:
    """What records leave out."""
    measuring.add_argument(
        "--no-texts",
        action="store_true",
        help="leave inputs and retrieved passages out of the records; what answering needs is kept with each approach",
    )


def add_judging(parser: argparse.ArgumentParser) -> None:
    """Prices, limits and the margin."""
    judging = add_limits(parser)
    judging.add_argument(
        "--margin", type=float, default=MARGIN, metavar="M", help="how much worse a cheaper approach may be shown to be"
    )
    judging.add_argument(
        "--coverage",
        type=float,
        default=COVERAGE,
        metavar="C",
        help="tell the quality of the surest answers to so many of the questions, a share up to 1",
    )


def add_limits(parser: argparse.ArgumentParser) -> Any:
    """Prices and limits; returns the group."""
    judging = parser.add_argument_group("how to judge; nothing runs again for these")
    add_prices(judging)
    for name in LIMITS:
        judging.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="X", help="limit, as in task.toml")
    return judging


def add_prices(group: Any) -> None:
    """Which price list."""
    group.add_argument("--prices", metavar="FILE", help="TOML file of prices in place of the built-in list")


def add_sending(group: Any) -> None:
    """What may be sent to other machines, and what that may cost."""
    group.add_argument(
        "--max-spend",
        type=float,
        metavar="USD",
        help="never pay more than so many dollars for models that are paid by the token",
    )
    group.add_argument("--offline", action="store_true", help="refuse what would send a text to another machine")


def task_of(options: argparse.Namespace) -> Task:
    """The task that was named.

    Raises:
        UserError: none was, or two were.
    """
    if options.task and options.train:
        raise UserError("both a task folder and --train were given", "pass one of them")
    if options.task:
        if is_source(options.task):
            folder = imported_on_the_way(_request(options), getattr(options, "out", None))
            return load_task(folder, bounds=_bounds_of(options))
        given = [name for name in TABLE if getattr(options, name)]
        if given:
            raise UserError(f"--{given[0]} goes with --train, not with a task folder", "leave it out")
        return load_task(options.task, split=options.split, bounds=_bounds_of(options))
    if options.train:
        return load_table(_table(options), split=options.split, bounds=_bounds_of(options))
    raise UserError("no task was given", "name a folder such as examples/handbook-qa, or --train data.csv ...")


def _request(options: argparse.Namespace) -> ImportRequest:
    """What is imported in place of a task folder."""
    asked = ImportChoices(
        inputs=tuple(options.input or ()),
        target=options.target or "",
        group=options.group or "",
        kind=options.kind,
        instruction=options.instruction or "",
    )
    return ImportRequest(
        options.task,
        asked,
        test=options.test or "",
        dev=options.dev or "",
        documents=options.documents or "",
        rule=None if options.split is None else SplitRule(options.split),
        name=options.name or "",
        metric=options.metric or "",
        labels=labels_of(options.labels),
    )


def _bounds() -> Mapping[str, Bound]:
    return {field.name: getattr(BOUNDS, field.name) for field in fields(FileBounds)}


def _bounds_of(options: argparse.Namespace) -> FileBounds:
    given = {part: getattr(options, f"max_{part}_mb") for part in _bounds()}
    for part, megabytes in given.items():
        if megabytes is not None and not 0 < megabytes <= MOST_MB:
            raise UserError(f"--max-{part}-mb is {megabytes:g}", f"megabytes above 0, up to {MOST_MB:,}")
    usual = _bounds()
    return FileBounds(**{part: replace(usual[part], megabytes=given[part] or usual[part].megabytes) for part in given})


def _table(options: argparse.Namespace) -> TableSource:
    missing = [n for n in ("kind", "instruction") if not getattr(options, n)]
    if missing:
        raise UserError(
            f"--train needs --{', --'.join(missing)} too",
            '--input question --target answer --kind qa --instruction "Answer the question."',
        )
    return TableSource(
        options.train,
        input=tuple(options.input or ()),
        target=options.target or "",
        kind=options.kind,
        instruction=options.instruction,
        test=options.test,
        dev=options.dev,
        group=options.group,
        metric=options.metric,
        labels=labels_of(options.labels) or None,
        documents=options.documents,
        name=options.name,
    )


def load(options: argparse.Namespace, task: Task) -> LanguageModel:
    """The model that was named, else the task's own, else the embedded one.

    Raises:
        UserError: it cannot be had, or nothing can be written to where the run folder is to be.
    """
    models = sources_of(options, task)
    if len(models) > 1:
        names = ", ".join(model.name for model in models)
        raise UserError(f"several models are named: {names}", "name one with --model; advisor compare takes several")
    return loaded_for(task, models[0])


def sources_of(options: argparse.Namespace, task: Task) -> list[ModelSource]:
    """The models that were named, else the task's own, else the embedded one; none of them is loaded yet.

    Raises:
        UserError: two have the same alias, or nothing can be written to where the run folder is to be.
    """
    if options.out:
        there(Path(options.out))  # before the weights are read
    given: Sequence[str] = [options.model] if isinstance(options.model, str) else options.model or []
    loading = loading_of(options, task)
    if not given and task.defaults.models:
        given, loading = task.defaults.models, replace(loading, typed=False)
    return _quantised(model_sources(given or [DEFAULT], loading), options.quantize)


def _quantised(sources: Sequence[ModelSource], asked: Sequence[str]) -> list[ModelSource]:
    """The models, each with the bits that were asked for it, or else for all that run here.

    Raises:
        UserError: so many bits there are not, no such model runs here, or a model is asked for in two ways.
    """
    here = [source.alias for source in sources if runs_here(source.name)]
    bits: dict[str, Quantize | None] = {}
    for text in asked:
        alias, _, number = text.rpartition("=")
        known = checked_bits(f"--quantize {text}", number)
        if alias not in ("", *here) or not here:
            called = f"called {alias!r} " if alias else ""
            raise UserError(f"--quantize {text}: no model {called}runs here", f"--model {alias or 'ALIAS'}=NAME")
        if alias in bits:
            raise UserError(f"--quantize {text}: other bits were asked for before", "one number for each model")
        bits[alias] = known
    everyone = bits.pop("", None)
    bits = {alias: bits.get(alias, everyone) for alias in here}
    return [replace(source, loading=replace(source.loading, quantize=bits.get(source.alias))) for source in sources]


def loading_of(options: argparse.Namespace, task: Task | None = None) -> Loading:
    """The options that a model is loaded with.

    Raises:
        UserError: the concurrency is none.
    """
    if options.concurrency < 1:
        raise UserError(f"--concurrency is {options.concurrency}", "1 or more")
    local_only = task is not None and bool(task.limits.local_only)
    return Loading(
        embedder=options.embedder,
        device=options.device,
        dtype=options.dtype,
        trust_remote_code=options.trust_remote_code,
        labels_by=options.labels_by,
        reasoning=options.reasoning,
        concurrency=options.concurrency,
        offline=options.offline or local_only,
    )


def load_named(name: str, options: argparse.Namespace, task: Task | None = None) -> LanguageModel:
    """A model with the options for it.

    Args:
        task: where there is one, it is said if the model does not know its language.

    Raises:
        UserError: it cannot be had.
    """
    (source,) = _quantised(model_sources([name], loading_of(options, task)), options.quantize)
    return loaded_for(task, source)


def loaded_for(task: Task | None, source: ModelSource) -> LanguageModel:
    """The model; it is said first if it does not know the language of the task, where there is one."""
    model = source.load()
    for caveat in language_caveats(task, model) if task else ():
        log.warning("note: %s", caveat)  # before anything is measured
    return model


def add_format(parser: argparse.ArgumentParser) -> None:
    """In which form the report is printed; packages may add some, so that names are checked when it is asked for."""
    text = "terminal (the default), markdown, html, json, or one that an installed package brings"
    parser.add_argument("--format", metavar="NAME", default="terminal", help=text)


def limits_of(options: argparse.Namespace) -> dict[str, Any]:
    """The limits that were given, checked."""
    given = {name: getattr(options, name) for name in LIMITS if getattr(options, name) is not None}
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if not 0 < value < math.inf:
            raise UserError(f"{flag} is {value:g}", "limits are positive numbers")
        if name in SHARES and value > 1:
            raise UserError(f"{flag} is {value:g}", f"{SHARES[name]}: {flag} {value / 100:g}")
    margin = getattr(options, "margin", 0.0)
    if not 0 <= margin < math.inf:
        raise UserError(f"--margin is {margin:g}", "0 or more, in the metric's own unit: --margin 0.02")
    return given
