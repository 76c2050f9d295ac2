"""Other tasks beside one: found from its folder, and without what stands in its test set."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.errors import UserError
from advisor.tasks import Task, load_task, with_others

INPUT = "how long does it take until a refund is on my account"


@pytest.fixture
def folders(tmp_path: Path) -> Callable[..., Path]:
    """Writes a task folder of questions, in train and test."""

    def write(name: str, train: list[str], test: list[str]) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "task.toml").write_text(f'[task]\nname = "{name}"\nkind = "qa"\ninstruction = "Answer as {name}."\n')
        for split, inputs in (("train", train), ("test", test)):
            lines = (json.dumps({"input": text, "target": "five days"}) for text in inputs)
            (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
        return folder

    return write


@pytest.fixture
def task(folders: Callable[..., Path]) -> Task:
    folders("other", ["who pays the parcel", INPUT.upper(), INPUT + "s", "where is the shop"], ["is it open"])
    folders("third", ["what is a voucher"], ["is it open"])
    return load_task(folders("own", ["may I return shoes"], [INPUT]))


def test_they_are_found_from_the_tasks_folder_without_what_it_is_tested_on(task: Task) -> None:
    other, third = with_others(task, ("../other", "../third")).others
    assert (other.named, other.brief.instruction) == ("../other", "Answer as other.")
    assert [example.input for example in other.train] == ["who pays the parcel", "where is the shop"]
    assert (other.left_out, third.left_out, len(third.train)) == (2, 0, 1)


def test_what_was_found_goes_along_to_where_there_is_no_test_set(task: Task) -> None:
    found = with_others(task, ("../other", "../third"))
    fitting = found.for_fitting()
    assert fitting.others == found.others and fitting.fingerprint == task.for_fitting().fingerprint
    (other,) = with_others(fitting, ("../other",)).others
    assert other.left_out == 2
    assert with_others(found, ()).others == ()


def test_a_digest_tells_what_is_learned_from_them(task: Task, folders: Callable[..., Path]) -> None:
    (before,) = with_others(task, ("../third",)).others
    folders("third", ["what is a voucher"], ["is it closed"])
    assert with_others(task, ("../third",)).others[0].fingerprint == before.fingerprint
    folders("third", ["what is a coupon"], ["is it closed"])
    assert with_others(task, ("../third",)).others[0].fingerprint != before.fingerprint


@pytest.mark.parametrize(
    "named, said, hint", [("../othr", "there is no folder", "other"), ("../own", "this task itself", "another")]
)
def test_what_is_no_other_task_is_refused(task: Task, named: str, said: str, hint: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        with_others(task, (named,))
    assert hint in caught.value.hint


def test_a_task_without_a_folder_names_them_from_where_it_was_started(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (third,) = with_others(replace(task, origin=""), ("third",)).others
    assert third.brief.name == "third"
