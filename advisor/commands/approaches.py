"""The command `advisor approaches`."""

from __future__ import annotations

import argparse
import inspect
import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from advisor.approaches import kinds, parameters, part
from advisor.approaches.contract import Part

INDENT = "    "


def add_options(parser: argparse.ArgumentParser) -> None:
    """One that is to be told in full."""
    parser.add_argument("name", nargs="?", help="tell this one in full: what it is, and what each parameter means")


def run(options: argparse.Namespace) -> int:
    """Print what is installed, with its parameters, or one in full; returns the exit code."""
    if options.name:
        print("\n\n".join(_in_full(part(options.name))))
        return 0
    found, width = kinds(), min(120, shutil.get_terminal_size().columns)
    for kind in found:
        print(kind.name)
        lines = (_summary(kind), ", ".join(_own(kind)))
        print("\n".join(textwrap.fill(line, width, **_HANGING) for line in lines if line))
    for names, shared in _together(found):
        print()
        print(textwrap.fill(f"{', '.join(names)} also take", width, subsequent_indent=INDENT, break_on_hyphens=False))
        print(textwrap.fill(", ".join(shared), width, **_HANGING))
    print("\nJoin a context builder and a tuner with +, for example rag:k=3+lora:rank=16.")
    print("advisor approaches NAME says what each parameter means.")
    return 0


_HANGING: dict[str, Any] = {"initial_indent": INDENT, "subsequent_indent": 2 * INDENT, "break_on_hyphens": False}


def _summary(kind: type[Part]) -> str:
    """The first sentence of what is said of it."""
    first = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    end = first.find(". ")
    while end > 0 and first[:end].endswith(("et al", "e.g", "i.e")):
        end = first.find(". ", end + 1)
    return first if end < 0 else first[: end + 1]


def _own(kind: type[Part]) -> Iterator[str]:
    """Its own parameters, and those that it shares with others where its default is another one."""
    shared = _shared(kind)
    for name, type_name, default in parameters(kind):
        if name not in shared or default != shared[name]:
            yield _of(kind, name, type_name, default)


def _of(kind: type[Part], name: str, type_name: str, default: object) -> str:
    """A parameter of a kind; where its value stands first and without its name, that in capitals."""
    return name.upper() if name == kind.positional else _parameter(name, type_name, default)


def _shared(kind: type[Part]) -> dict[str, Any]:
    """Defaults of what it has from a class that others have it from too, as these have it."""
    found: dict[str, Any] = {}
    names = {field.name for field in fields(kind) if field.kw_only}
    for one in reversed(kind.__mro__):
        if is_dataclass(one):
            found |= {f.name: f.default for f in fields(one) if f.name in names and f.name not in found}
    return found


def _together(found: Sequence[type[Part]]) -> Iterator[tuple[list[str], list[str]]]:
    """Names of those that share parameters, and these."""
    users: dict[tuple[str, str, str], list[str]] = {}
    for kind in found:
        shared = _shared(kind)
        for name, type_name, _ in parameters(kind):
            if name in shared:
                users.setdefault((name, type_name, str(shared[name])), []).append(kind.name)
    groups: dict[tuple[str, ...], list[str]] = {}
    for (name, type_name, default), having in users.items():
        groups.setdefault(tuple(having), []).append(_parameter(name, type_name, default))
    for names, shared_by in groups.items():
        yield list(names), shared_by


def _parameter(name: str, type_name: str, default: object) -> str:
    """As it is typed, its default first and then what it may be else."""
    said = "none" if default is None else str(default)
    said = said.lower() if said in ("True", "False", "None") else said
    others = [word for word in type_name.split("|") if word not in ("int", "float", "str", "bool", said)]
    return f"{name}={'|'.join([said, *others])}" if said or others else f"{name}="


def _in_full(kind: type[Part]) -> Iterable[str]:
    """What is said of it, and of the classes that it has parameters from."""
    own = {field.name for field in fields(kind)}
    yield f"{kind.name}: {', '.join(_of(kind, *one) for one in parameters(kind)) or 'no parameters'}"
    for one in kind.__mro__:
        declared = own & set(vars(one).get("__annotations__", {}))
        if one is kind or (declared and is_dataclass(one)):
            yield _plain(inspect.cleandoc(one.__doc__ or ""))


def _plain(text: str) -> str:
    """Without what is for those who write one."""
    return text.partition("\n\nClass attributes")[0]
