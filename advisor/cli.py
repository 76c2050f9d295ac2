"""The command line: `advisor profile | recommend | ask | compare | curve | report | approaches`.

Results go to stdout, progress to stderr. Exit 0 done, 2 the user's mistake, 1 a failed approach or an internal
error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version

from advisor.approaches import installed, parameters, part
from advisor.commands import ask, compare, curve, profile, recommend
from advisor.errors import UserError
from advisor.interrupts import insisting

Options = Callable[[argparse.ArgumentParser], None]
Command = Callable[[argparse.Namespace], int]


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
    for name, help_, more, add_options, run in _COMMANDS:
        command = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}. {more}")
        add_options(command)
        command.set_defaults(command=run)
    return parser


def _approaches(options: argparse.Namespace) -> int:
    for name in installed():
        kind = part(name)
        text = (kind.__doc__ or "").strip().splitlines()
        print(f"{name}\n    {text[0] if text else ''}")
        for parameter, type_name, default in parameters(kind):
            print(f"    {parameter}={default}  ({type_name})")
    print("\nJoin a context builder and a tuner with +, for example rag:k=3+lora:rank=16.")
    return 0


_COMMANDS: tuple[tuple[str, str, str, Options, Command], ...] = (
    (
        "profile",
        "describe a task, and what may spoil a comparison on it",
        "Repeated and contradicting examples, leaks, labels, personal data, outliers. Takes seconds; nothing is run.",
        profile.add_options,
        profile.run,
    ),
    (
        "recommend",
        "say which approach to expect most of, before anything is spent",
        "From the task alone in seconds; with --model, after two minutes of probing it on training examples.",
        recommend.add_options,
        recommend.run,
    ),
    (
        "ask",
        "answer ten questions about a task that has no data yet, and get the same kind of advice",
        "A judgement without data. --write makes the skeleton of a task folder of the answers.",
        ask.add_options,
        ask.run,
    ),
    (
        "compare",
        "run approaches side by side on a task and report",
        "The same command goes on where it stopped.",
        compare.add_options,
        compare.run,
    ),
    (
        "curve",
        "measure quality against the number of training examples, and where one approach overtakes another",
        "Says what the next labels would buy. The same command goes on where it stopped.",
        curve.add_options,
        curve.run,
    ),
    (
        "report",
        "print the report of a run folder again, without running anything",
        "Other limits and prices may be given.",
        compare.add_report_options,
        compare.run_report,
    ),
    ("approaches", "what is installed, with its parameters", "", lambda parser: None, _approaches),
)


if __name__ == "__main__":
    sys.exit(main())
