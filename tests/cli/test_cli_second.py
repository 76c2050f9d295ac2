"""`distil` on the command line: a teacher named by its alias, or one that is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Advisor = Callable[..., Any]


@pytest.fixture
def pair(model: list[str]) -> tuple[str, ...]:
    """Two models that have the same weights."""
    return ("--model", f"small={model[1]}", "--model", f"big={model[1]}", *model[2:])


def test_a_small_model_learns_from_a_large_one(
    advisor: Advisor, tickets: Path, pair: tuple[str, ...], tmp_path: Path
) -> None:
    command = ("compare", tickets, *pair, "--out", tmp_path, "--approach", "distil:teacher=big,epochs=1,rank=2@small")
    said = advisor(*command, "--json")
    assert said.code == 0, said.err
    (row,) = json.loads(said.out)["approaches"]
    assert (row["row"], row["status"]) == ("distil:rank=2,epochs=1,teacher=big@small", "ok")
    (asked,) = row["asked"]
    assert (asked["parameter"], asked["alias"]) == ("teacher", "big")
    assert 0 < asked["seconds"] < row["fit_seconds"]
    assert row["notes"][0].startswith("big answered 12 of 12 training inputs, ")
    again = advisor(*command, "--json")
    assert json.loads(again.out)["approaches"] == [row]
    answer = advisor("answer", tmp_path, row["row"], "where is my parcel")
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("distil:teacher=huge@small", "teacher=huge names no model of this comparison"),
        ("distil:teacher=small@small", "teacher=small is the model that it runs on"),
        ("distil", "distil needs a value for 'teacher'"),
    ],
)
def test_a_teacher_that_cannot_be_is_told_in_two_lines(
    advisor: Advisor, tickets: Path, pair: tuple[str, ...], tmp_path: Path, spec: str, said: str
) -> None:
    told = advisor("compare", tickets, *pair, "--out", tmp_path, "--approach", spec)
    assert told.code != 0
    first, second = told.err.strip().splitlines()
    assert said in first
    assert second.startswith("  try: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [("compare", "--budget", "60s"), ("curve",), ("recommend",)])
def test_what_knows_one_model_says_so(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path, command: tuple[str, ...]
) -> None:
    out = () if command[0] == "recommend" else ("--out", tmp_path)
    chosen = () if command[0] == "recommend" else model
    told = advisor(command[0], tickets, *command[1:], *chosen, *out, "--approach", "distil:teacher=big")
    assert told.code != 0
    assert "Traceback" not in told.err
    assert "teacher=big" in told.err.splitlines()[0] or "rests on another model, big" in told.err
