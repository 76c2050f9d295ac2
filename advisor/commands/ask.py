"""The command `advisor ask`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from advisor.advice import Answers, ask
from advisor.advice.interview import answers_of, read_interview
from advisor.advice.skeleton import check_place, write_skeleton
from advisor.cleaning import say
from advisor.commands.options import add_format
from advisor.errors import UserError
from advisor.intake import json_of, read_bytes, toml_of
from advisor.reporting import check_format, show

INTERRUPTED = 130


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where answers come from, and what is made of them."""
    parser.add_argument("--answers", metavar="FILE", help="a TOML or JSON file of answers in place of the interview")
    parser.add_argument("--write", metavar="FOLDER", help="write the skeleton of a task folder, limits filled in")
    add_format(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else to stdout")


def run(options: argparse.Namespace) -> int:
    """Ask, advise and print; returns the exit code."""
    check_format(options.format)
    folder = Path(options.write) if options.write else None
    if folder:
        check_place(folder)
    try:
        answers = read_answers(Path(options.answers)) if options.answers else _interview()
    except KeyboardInterrupt:
        say("\ninterrupted: nothing was kept")
        return INTERRUPTED
    found = ask(answers, folder=options.write or "")
    if folder:
        write_skeleton(answers, folder)
    show(found, sys.stdout, "json" if options.json else options.format)
    if folder:
        say(f"the skeleton of a task folder is in {folder}: its README.txt says what to fill in")
    return 0


def _interview() -> Answers:
    """Questions to stderr, answers from stdin, one a line."""

    def line(question: str) -> str:
        say(question, end="")
        found = sys.stdin.readline()
        if not found:
            say("")
            raise UserError(
                "the answers ended before the questions", "answer each question with a line, or pass --answers FILE"
            )
        if not sys.stdin.isatty():
            say(found.strip())
        return found

    return read_interview(line, say)


def read_answers(path: Path) -> Answers:
    """The answers in a file.

    Raises:
        UserError: it holds none.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}", "name a file of answers") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no text: {error.reason}", "name a file of answers") from error
    try:
        return answers_of(_values(path, text))
    except UserError as error:
        raise UserError(f"{path}: {error.what}", error.hint) from error


def _values(path: Path, text: str) -> Mapping[str, Any]:
    try:
        found = json_of(text) if path.suffix == ".json" else toml_of(text)
    except ValueError as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise UserError(f"is no {kind}: {error}", 'lines such as output = "label" or labelled = 120') from error
    if not isinstance(found, dict):
        raise UserError("holds no answers by name", '{"output": "label", "labelled": 120}')
    return found
