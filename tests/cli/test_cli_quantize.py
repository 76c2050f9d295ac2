"""To how many bits which model's weights are rounded, as it is said on the command line."""

from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

from advisor.commands.options import add_model, sources_of
from advisor.errors import UserError
from advisor.tasks import Task
from advisor.tasks.task import Defaults

MODELS = ["--model", "a=embedded", "--model", "b=embedded", "--model", "big=http://127.0.0.1:9/v1#m"]


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_model(parser, "compared", several=True)
    return argparse.Namespace(**vars(parser.parse_args(arguments)), out=None)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((), (None, None, None)),
        (("4bit",), ("4bit", "4bit", None)),
        (("b=8bit",), (None, "8bit", None)),
        (("4bit", "b=8bit"), ("4bit", "8bit", None)),
        (("b=8bit", "4bit"), ("4bit", "8bit", None)),
    ],
)
def test_bits_are_asked_for_all_that_run_here_or_for_one(
    asked: tuple[str, ...], expected: tuple[str | None, ...], light_task: Task
) -> None:
    flags = [word for bits in asked for word in ("--quantize", bits)]
    assert tuple(one.loading.quantize for one in sources_of(parsed(*MODELS, *flags), light_task)) == expected


def test_they_are_asked_for_the_models_of_a_task_too(light_task: Task) -> None:
    task = replace(light_task, defaults=Defaults(models=("a=embedded", "b=embedded")))
    assert [one.loading.quantize for one in sources_of(parsed("--quantize", "b=4bit"), task)] == [None, "4bit"]


@pytest.mark.parametrize(
    ("asked", "seen", "hint"),
    [
        ("3bit", "'3bit' is no number of bits", "4bit or 8bit"),
        ("c=4bit", "no model called 'c' runs here", "--model c=NAME"),
        ("big=4bit", "no model called 'big' runs here", "--model big=NAME"),
        ("8bit", "other bits were asked for before", "one number for each model"),
    ],
)
def test_what_cannot_be_is_said(asked: str, seen: str, hint: str, light_task: Task) -> None:
    with pytest.raises(UserError, match=seen) as caught:
        sources_of(parsed(*MODELS, "--quantize", "4bit", "--quantize", asked), light_task)
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/v1#m", "vllm:embedded"])
def test_where_nothing_runs_here_no_bits_are_asked_for(name: str, light_task: Task) -> None:
    with pytest.raises(UserError, match="no model runs here"):
        sources_of(parsed("--model", name, "--quantize", "4bit"), light_task)
