"""The command line: `advisor profile | recommend | ask | compare | curve | report | approaches`.

Results go to stdout, progress to stderr. Exit 0 done, 2 the user's mistake, 1 a failed approach or an internal
error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from advisor.errors import UserError
from advisor.intake import check_arguments
from advisor.interrupts import insisting
from advisor.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser(given).parse_args(given)
    try:
        check_arguments(given)
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


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Knows all commands by name and the one that is asked for with its options: only that one's module is read."""
    asked = next((given for given in arguments if not given.startswith("-")), None)
    parser = argparse.ArgumentParser(
        prog="advisor",
        description="Compare ways of adapting a language model to your task (prompting, examples, retrieval, LoRA) "
        "on your own data, and learn which one to choose.",
    )
    parser.add_argument("--version", action="version", version=f"advisor {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, help_, more in _COMMANDS:
        command = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}. {more}")
        if name == asked:
            module = import_module(f"advisor.commands.{name}")
            module.add_options(command)
            command.set_defaults(command=module.run)
    return parser


_COMMANDS: tuple[tuple[str, str, str], ...] = (
    (
        "profile",
        "describe a task, and what may spoil a comparison on it",
        "Repeated and contradicting examples, leaks, labels, personal data, outliers. Takes seconds; nothing is run.",
    ),
    (
        "recommend",
        "say which approach to expect most of, before anything is spent",
        "From the task alone in seconds; with --model, after two minutes of probing it on training examples.",
    ),
    (
        "ask",
        "answer ten questions about a task that has no data yet, and get the same kind of advice",
        "A judgement without data. --write makes the skeleton of a task folder of the answers.",
    ),
    (
        "compare",
        "run approaches side by side on a task and report",
        "The same command goes on where it stopped.",
    ),
    (
        "curve",
        "measure quality against the number of training examples, and where one approach overtakes another",
        "Says what the next labels would buy. The same command goes on where it stopped.",
    ),
    (
        "report",
        "print the report of a run folder again, without running anything",
        "Other limits and prices may be given.",
    ),
    ("approaches", "what is installed, with its parameters", ""),
)


if __name__ == "__main__":
    sys.exit(main())
