"""The command that measures the same again, as far as records tell it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from advisor.approaches import apart
from advisor.measuring.records import Comparison, Member, TaskFacts
from advisor.verdict import words

TASK = "TASK"
"""Stands for the task's folder, of which records hold the fingerprint."""


def command(comparison: Comparison) -> str:
    """The command line; prices and limits stand in the setup."""
    specs = dict.fromkeys(apart(run.spec)[0] for run in comparison.runs)
    if not specs:
        return ""
    parts = ["advisor", "compare", TASK, *_models(comparison)]
    if comparison.seeds != 1:
        parts += ["--seeds", str(comparison.seeds)]
    for spec in specs:
        parts += ["--approach", spec]
    for metric in comparison.task.metrics:
        parts += ["--also", metric]
    parts += _limited(comparison.task)
    return shlex.join(parts)


def legend(comparison: Comparison) -> str:
    """What stands in the command for folders, whose places a page does not tell; empty without a command."""
    if not comparison.runs:
        return ""
    names = {str((member.loaded_from or {}).get("name") or member.facts.id) for member in comparison.models}
    lying = sorted(PurePosixPath(name).name for name in names if name.startswith(("/", "~/")))
    more = f", and {words.listed(lying)} for the place of the model of this name" if lying else ""
    return f"{TASK} stands for the task's folder{more}"


def _limited(task: TaskFacts) -> Iterator[str]:
    """How many examples were taken, where that was fewer than there are, as the task's caveats tell."""
    for option, number in (("--limit", task.test), ("--train-limit", task.train)):
        if any(f"({option}, seed " in caveat for caveat in task.caveats):
            yield from (option, str(number))


def _models(comparison: Comparison) -> Iterator[str]:
    """The options that name the models, and what is one for all of them."""
    shared: dict[str, str] = {}
    for member in comparison.models:
        loaded = member.loaded_from or {}
        yield from ("--model", _named(member, str(loaded.get("name") or member.facts.id), comparison.several))
        for option in ("embedder", "dtype", "quantize"):
            value = loaded.get(option)
            if value and value != "embedded":
                shared[option] = str(value)
    for option, value in shared.items():
        yield from (f"--{option}", value)


def _named(member: Member, name: str, several: bool) -> str:
    return f"{member.alias}={name}" if several and member.alias else name
