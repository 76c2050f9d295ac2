"""The command line: `advisor import | profile | clean | recommend | ask | compare | curve | report | answer | ...`.

Results go to stdout, progress to stderr. Exit 0 done, 2 the user's mistake, 1 a failed approach, a server that is gone
or an internal error.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from advisor.cleaning import cleaned, plain, say
from advisor.disk import NoRoom, no_room, put
from advisor.errors import Interrupted, UserError
from advisor.intake import check_arguments
from advisor.interrupts import insisting
from advisor.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None and (first := _first_words(given)):
        say(first)  # before anything is imported, which takes a second or more where the machine is busy
    parser = _parser(given)
    options, left = parser.parse_known_args(given)
    if left and (any(argument.startswith("-") for argument in left) or not hasattr(options, "asked")):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if left:
        options.asked += left  # what follows an option; argparse takes a list of arguments at its first place only
    try:
        check_arguments(given)
        with insisting():
            code = int(options.command(options))
        put(sys.stdout, "")  # not left to the interpreter's end, which complains where the reader is gone
        return code
    except UserError as error:
        if isinstance(error, NoRoom):
            _give_up_on_output()
        say(str(error))
        return 2
    except Interrupted as error:
        say("interrupted: " + "\n  ".join(str(error).rsplit("; ", 1)))
        return 1
    except KeyboardInterrupt:
        say("interrupted: the same command goes on from here")
        return 130
    except BrokenPipeError:
        _give_up_on_output()
        return 0
    except OSError as error:
        place = error.filename or f"the folder of temporary files, {tempfile.gettempdir()}"
        say(str(no_room(error, place) or UserError(f"{place}: {error.strerror}")))
        return 2
    except MemoryError as error:
        seen = f"not enough memory{f': {error}' if str(error) else ''}"
        say(
            str(UserError(seen, "free memory, take a smaller task or model; the same command goes on from its records"))
        )
        return 2
    except Exception:  # noqa: BLE001 - whatever it is, what it quotes is shown clean
        say(traceback.format_exc().rstrip())
        return 1


def _first_words(given: Sequence[str]) -> str:
    """What a command that takes a while begins with; empty for the others, and where only help is asked for."""
    command = next((one for one in given if not one.startswith("-")), "")
    if command not in _SLOW or {"-h", "--help"} & set(given):
        return ""
    rest = given[given.index(command) + 1 :]
    alone = [one for before, one in zip(["", *rest], rest, strict=False) if not (before[:1] == "-" or one[:1] == "-")]
    named = next((one for one in rest if one[:1] != "-" and _is_there(one)), next(iter(alone), ""))
    return f"advisor {command}: reading {plain(named)}" if named else f"advisor {command}: starting"


def _is_there(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long for a path, or with a null in it: what is wrong is told later
        return False


def _give_up_on_output() -> None:
    """Close standard output, so that the interpreter does not fail to flush it at exit."""
    with suppress(OSError):  # what stands in for it may be no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser that shows command-line arguments without control characters."""

    def _print_message(self, message: str, file: Any = None) -> None:
        super()._print_message(cleaned(message), file)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """A parser that knows all commands by name and imports only the module of the one that is run."""
    asked = next((given for given in arguments if not given.startswith("-")), None)
    parser = _Parser(
        prog="advisor",
        description="Compare ways of adapting a language model to your task (prompting, examples, retrieval, LoRA) "
        "on your own data, and learn which one to choose.",
    )
    parser.add_argument("--version", action="version", version=f"advisor {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, help_, more in _COMMANDS:
        command = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}. {more}")
        if name == asked:
            name = _MODULES.get(name, name)
            module = import_module(f"advisor.commands.{name}")
            module.add_options(command)
            command.set_defaults(command=module.run)
    return parser


_SLOW = ("import", "profile", "clean", "recommend", "compare", "curve", "answer", "serve", "export")
"""Commands that read a task or load a model; a report is there in a moment."""

_MODULES = {"import": "importing"}  # where a command's own name is no module's

_COMMANDS: tuple[tuple[str, str, str], ...] = (
    (
        "import",
        "turn files as people have them into a task folder",
        "Tables, chats and data sets are recognised; what was understood, and what was left out, is shown.",
    ),
    (
        "profile",
        "describe a task, and what may spoil a comparison on it",
        "Repeated and contradicting examples, leaks, labels, personal data, outliers. Takes seconds; nothing is run.",
    ),
    (
        "clean",
        "copy a task folder with a cleaned training set, and a list of what was changed and why",
        "Repeated and contradicting examples, labels that are probably wrong. Dev and test stay as they are.",
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
        "grade",
        "write answers of a comparison to a file for people to grade, by which judges are judged",
        "Drawn at random, blind to the approach that gave them. Filled in, the file belongs into the task folder.",
    ),
    (
        "report",
        "print the report of a run folder again, without running anything",
        "Other limits and prices may be given.",
    ),
    (
        "answer",
        "answer queries with what a comparison has fitted",
        "The recommended row, or another one of the run folder; without a query, one a line from standard input.",
    ),
    (
        "serve",
        "serve what a comparison has fitted, behind a port that OpenAI's clients speak to",
        "The recommended row, or another one of the run folder. Ends with Ctrl-C or SIGTERM.",
    ),
    (
        "export",
        "write a measured row as others load it, and certify that it answers as it was measured",
        "As merged weights, an adapter, a bundle, ONNX or GGUF, loaded again by the runtime that it is for.",
    ),
    ("approaches", "what is installed, with its parameters", ""),
    ("models", "what models and embedders can be named", ""),
    ("metrics", "what quality may be measured by, and where it comes from", ""),
)


if __name__ == "__main__":
    sys.exit(main())
