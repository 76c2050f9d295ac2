"""The command `advisor import`, and importing on the way to another command."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from advisor.cleaning import say
from advisor.errors import UserError
from advisor.intake import there, toml_of
from advisor.reporting import LiveProgress, show
from advisor.tasks import KINDS
from advisor.tasks.importing.contract import ImportChoices, Unclear
from advisor.tasks.importing.documents import documents_alone
from advisor.tasks.importing.files import ENDINGS
from advisor.tasks.importing.formats import FORMATS
from advisor.tasks.importing.importer import import_source, task_name
from advisor.tasks.importing.result import COUNTED, Imported, ImportRequest, is_name
from advisor.tasks.importing.revising import import_into_copy, is_task
from advisor.tasks.importing.splitting import SplitRule
from advisor.tasks.importing.streams import ending_of
from advisor.tasks.importing.tallies import in_words

_USUAL = SplitRule()
_MOST_QUESTIONS = 10


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is imported, how it is read, and where it goes."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a file, a folder, or a name such as hf:squad; a task folder with --documents-after",
    )
    parser.add_argument("--out", metavar="TASK", required=True, help="the task folder to be")
    parser.add_argument("--overwrite", action="store_true", help="replace the task folder that is there")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else to stdout")
    reading = parser.add_argument_group("how it is read, where that is not seen")
    known = "; ".join(f"{kind.name}: {kind.called}" for kind in FORMATS)
    reading.add_argument("--format", metavar="NAME", default="", help=f"default: what is recognised. {known}")
    for name, text in (
        ("input", "column that holds the input; given several times, the columns are joined"),
        ("target", "column that holds the answer"),
        ("group", "column whose rows of one value stay in one split: a conversation, a patient"),
        ("time", "column of a date or time; the newest rows become the test"),
        ("sheet", "sheet of a workbook"),
        ("encoding", "of a text file that is not UTF-8: latin-1, cp1252, utf-16-le, ..."),
    ):
        action = "append" if name == "input" else "store"
        reading.add_argument(f"--{name}", metavar=name.upper(), action=action, default=None, help=text)
    reading.add_argument("--no-header", action="store_true", help="the first row is data; columns are 1, 2, ...")
    reading.add_argument("--dates", choices=("day-first", "month-first"), help="in dates such as 03/04/2024")
    task = parser.add_argument_group("the task")
    task.add_argument("--kind", choices=KINDS, help="default: what the answers look like")
    for name, text in (
        ("instruction", "what the model is told to do; default: by kind"),
        ("name", "name of the task; default: that of the source"),
        ("metric", "default: by kind; advisor metrics lists them"),
        ("documents", "a folder or a file of documents"),
        ("documents-after", "the documents as they are after a change, to measure what the change costs"),
        ("test-after", "test questions whose answers are others after the change"),
        ("test", "file of test examples"),
        ("dev", "file of examples to stop training by"),
    ):
        task.add_argument(f"--{name}", metavar=name.upper(), default="", help=text)
    task.add_argument("--labels", metavar="A,B,...", help="labels of a classification; default: those in train")
    splitting = parser.add_argument_group("splits, where the source has none")
    splitting.add_argument("--split", type=float, metavar="SHARE", help=f"share to test on; default: {_USUAL.test:g}")
    splitting.add_argument("--dev-share", type=float, metavar="SHARE", help="share for dev; default: none")
    splitting.add_argument("--seed", type=int, default=0, metavar="N", help="another one splits otherwise; default: 0")


def run(options: argparse.Namespace) -> int:
    """Import and print; returns the exit code."""
    request, out = _request(options), Path(options.out)
    if is_task(options.source):
        with LiveProgress():
            found = import_into_copy(request, out, overwrite=options.overwrite)
    else:
        found = asked_through(request, out, options.overwrite)
    show(found, sys.stdout, "json" if options.json else "terminal")
    return 0


def _request(options: argparse.Namespace) -> ImportRequest:
    asked = ImportChoices(
        inputs=tuple(options.input or ()),
        target=options.target or "",
        group=options.group or "",
        time=options.time or "",
        kind=options.kind,
        instruction=options.instruction,
        format=options.format,
        sheet=options.sheet or "",
        encoding=options.encoding or "",
        dates=options.dates or "",
        header=not options.no_header,
    )
    rule = None
    if options.split is not None or options.dev_share is not None or options.seed:
        test = _USUAL.test if options.split is None else options.split
        rule = SplitRule(test, options.dev_share or 0.0, options.seed, bool(options.time))
    return ImportRequest(
        options.source,
        asked,
        test=options.test,
        dev=options.dev,
        documents=options.documents,
        documents_after=options.documents_after,
        test_after=options.test_after,
        rule=rule,
        name=options.name,
        metric=options.metric,
        labels=labels_of(options.labels),
    )


def labels_of(given: str | None) -> tuple[str, ...]:
    """The labels of `--labels`."""
    return tuple(label.strip() for label in given.split(",")) if given else ()


def asked_through(request: ImportRequest, out: Path, overwrite: bool) -> Imported:
    """The import; on a terminal what only the user can say is asked for.

    Raises:
        Unclear: nobody is there to be asked.
    """
    for _ in range(_MOST_QUESTIONS):
        try:
            with LiveProgress():
                return import_source(request, out, overwrite=overwrite)
        except Unclear as question:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise
            request = replace(request, asked=answered(request.asked, question, _typed))
    with LiveProgress():
        return import_source(request, out, overwrite=overwrite)


def answered(asked: ImportChoices, question: Unclear, typed: Callable[[], str]) -> ImportChoices:
    """What was asked for, with the answer to a question; a number takes one of the choices.

    Raises:
        Unclear: nothing was typed, or none of the choices.
    """
    say(question.what)
    for number, choice in enumerate(question.choices, 1):
        say(f"  {number}  {choice}")
    text = typed().strip()
    if question.choices and text not in question.choices:
        if not (text.isdecimal() and 0 < int(text) <= len(question.choices)):
            raise question
        text = question.choices[int(text) - 1]
    if not text:
        raise question
    value = (text,) if question.field == "inputs" else text
    say(f"({question.flag} {shlex.quote(text)} says so next time)")
    return replace(asked, **{question.field: value})  # type: ignore[arg-type]


def _typed() -> str:
    with suppress(EOFError):
        return input()
    return ""


def is_source(given: str) -> bool:
    """Whether what stands in place of a task folder is something to import: a file, a name, a folder without a task."""
    path = Path(given)
    if not there(path):
        return is_name(given)
    if not path.is_dir():
        return not there(path.parent / "task.toml")
    if any(there(path / name) for name in ("task.toml", "train.jsonl")) or any(path.glob("*/task.toml")):
        return False
    return any(ending_of(inner) in ENDINGS for inner in path.rglob("*")) or bool(documents_alone(path))


def imported_on_the_way(request: ImportRequest, out: str | None) -> Path:
    """The task folder that a source is imported to for another command; one that the same import made is taken again.

    Args:
        out: the run folder; None for `runs/<task name>`.

    Raises:
        UserError: the source cannot be imported.
    """
    folder = Path(out or Path("runs") / task_name(request)) / "task"
    if there(folder / "task.toml"):
        known = toml_of((folder / "task.toml").read_text(encoding="utf-8")).get("import", {})
        if known.get("key") == request.digests()[1]:
            say(f"note: {request.source} was imported to {folder} before")
            return folder
        if not known:
            raise UserError(f"{folder}: is there already, and no import made it", "name another --out, or move it away")
    try:
        found = asked_through(request, folder, overwrite=True)
    except Unclear as question:
        if question.flag in ("--input", "--target"):  # which the other commands have too
            raise
        call = f"advisor import {shlex.quote(request.source)} --out TASK {question.flag} ..."
        raise UserError(question.what, f"{question.hint}: {call}; then name TASK") from None
    rows = ", ".join(f"{found.counts[part]:,} {part}" for part in COUNTED if part in found.counts)
    say(f"note: {request.source} was imported to {folder} as {found.kind}: {rows}; its splits: {found.split}")
    for note in found.notes:
        say(f"note: {note}")
    if found.dropped:
        say(f"note: {in_words(found.dropped)} left out; advisor import says which")
    return folder
