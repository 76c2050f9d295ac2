"""The command `advisor ask`."""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

from advisor.advise.interview import Answers, answers_of, ask, read_interview, skeleton
from advisor.errors import UserError
from advisor.report import show_estimate


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where answers come from, and what is made of them."""
    parser.add_argument("--answers", metavar="FILE", help="a TOML file of answers in place of the interview")
    parser.add_argument("--write", metavar="FOLDER", help="write the skeleton of a task folder")
    parser.add_argument("--format", choices=("terminal", "markdown"), default="terminal")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else to stdout")


def run(options: argparse.Namespace) -> int:
    """Ask, advise and print; returns the exit code."""
    folder = Path(options.write) if options.write else None
    if folder and folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder}: is there already, and not empty", "name another folder with --write")
    answers = _read(Path(options.answers)) if options.answers else _interview()
    show_estimate(ask(answers), sys.stdout, "json" if options.json else options.format)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in skeleton(answers).items():
            (folder / name).write_text(text, encoding="utf-8")
        print(f"the skeleton of a task folder is in {folder}; README.txt there says what to fill in", file=sys.stderr)
    return 0


def _interview() -> Answers:
    def line(question: str) -> str:
        print(question, end="", file=sys.stderr, flush=True)
        found = sys.stdin.readline()
        if not found:
            raise UserError("the answers ended before the questions", "one line for each question, or --answers FILE")
        return found

    return read_interview(line, lambda text: print(text, file=sys.stderr))


def _read(path: Path) -> Answers:
    try:
        return answers_of(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}", "name a TOML file of answers") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is no TOML: {error}", 'lines such as output = "label" or labelled = 120') from error
