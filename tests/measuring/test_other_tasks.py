"""A comparison whose approach learns from another task: what is recorded of it, and whether that helped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from advisor.errors import UserError
from advisor.measuring.comparing import Plan, carry_out
from advisor.models.local.engine import LocalModel
from advisor.reporting.formats import report
from advisor.tasks import Task, load_task
from advisor.verdict.judgement import decide

ALONE = "lora:rank=2,alpha=4,epochs=1,batch=4"
TOGETHER = f"{ALONE},also=../sizes"
COLOURS = {"the tomato": "red", "the grass": "green", "the rose": "red", "the leaf": "green"}
SIZES = {"the whale": "large", "a mouse": "small", "an old frog": "small"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, dict[str, str], dict[str, str]], Path]:
    def folder_of(name: str, train: dict[str, str], test: dict[str, str]) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        settings = f'[task]\nname = "{name}"\nkind = "classification"\ninstruction = "Name the {name} of the thing."\n'
        (folder / "task.toml").write_text(settings)
        for split, examples in (("train", train), ("test", test)):
            lines = (json.dumps({"input": thing, "target": label}) for thing, label in examples.items())
            (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
        return folder

    return folder_of


@pytest.fixture
def task(write: Callable[..., Path]) -> Task:
    write("sizes", SIZES, {"the sea": "large"})
    return load_task(write("colours", COLOURS, {"a fire engine": "red", "an old frog": "green"}))


def test_it_is_told_beside_the_same_alone(llama: LocalModel, task: Task, tmp_path: Path) -> None:
    plan = Plan(tmp_path / "run", latency_examples=0)
    first = decide(carry_out(plan, task, llama, [TOGETHER]))
    (row,) = first.rows
    assert "2 of" not in " ".join(row.notes) and "1 training example of it was left out" in " ".join(row.notes)
    assert row.notes[-1].endswith(f"add --approach {ALONE}.")
    found = decide(carry_out(plan, task, llama, [TOGETHER, ALONE]))
    (item,) = [one for one in found.diagnosis if one.name == "added by other tasks"]
    assert item.shown is False and TOGETHER in item.meaning and f"against {ALONE}." in item.meaning
    assert "add --approach" not in " ".join(note for row in found.rows for note in row.notes)
    assert "added by other tasks" in report(found)


def test_another_content_of_the_other_task_is_measured_anew(
    llama: LocalModel, task: Task, tmp_path: Path, write: Callable[..., Path]
) -> None:
    plan = Plan(tmp_path / "run", latency_examples=0)

    def programs() -> tuple[str, dict[str, str]]:
        (run,) = carry_out(plan, task, llama, [TOGETHER]).runs
        journal = map(json.loads, (tmp_path / "run" / "comparisons.jsonl").read_text().splitlines())
        *_, head = [line for line in journal if line["type"] == "comparison"]
        return run.program, head["outside"][run.spec]

    before = programs()
    assert programs() == before
    write("sizes", {**SIZES, "a house": "large"}, {"the sea": "large"})
    after = programs()
    assert after[0] != before[0] and after[1].keys() == before[1].keys() and after[1] != before[1]


def test_a_folder_that_is_not_there_is_told_before_anything_is_measured(
    llama: LocalModel, task: Task, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        carry_out(Plan(tmp_path / "run"), task, llama, ["majority", f"{ALONE},also=../size"])
    assert not list(tmp_path.glob("run/*/*.jsonl"))
