"""Finished runs are shared between run folders: what is taken over, what is measured anew, and what the figures say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.measuring.attempt import read_run
from advisor.measuring.comparing import compare
from advisor.measuring.lines import append, lines
from advisor.measuring.records import Comparison, Run
from advisor.models.store import fresh
from advisor.tasks import Task

SPECS = ["zero-shot", "few-shot:k=2", "nearest"]
Calls = list[tuple[str, list[str], int]]


@pytest.fixture
def calls() -> Calls:
    """What the models of a test were asked, in order."""
    return []


@pytest.fixture
def model(scripted: Any, calls: Calls) -> Any:
    """Scripted, of a module of the host: only of those it is known that name and revision say all."""

    class Hosted(scripted.ScriptedModel):  # type: ignore[misc]
        __module__ = "advisor.models.scripted"

    return Hosted(told=lambda *call: calls.append(call))


def by_spec(comparison: Comparison) -> dict[str, Run]:
    return {run.spec: run for run in comparison.runs}


def facts(run: Run) -> Run:
    """Without what tells a copy from the original."""
    return replace(run, measured=None)


def only_entry(kept: Path) -> Path:
    (path,) = kept.rglob("*.zip")
    return path


def test_another_folder_takes_over_what_was_measured(
    numbers: Task, model: Any, calls: Calls, kept: Path, tmp_path: Path
) -> None:
    first = compare(numbers, model, SPECS, out=tmp_path / "a")
    calls.clear()
    second = compare(numbers, model, SPECS, out=tmp_path / "b")
    assert not calls
    assert [run.measured for run in first.runs] == [None] * 3
    for before, after in zip(first.runs, second.runs, strict=True):
        (record,) = (tmp_path / "a").rglob(f"{before.spec.replace(':', '_')}.seed0.jsonl")
        assert after.measured == next(lines(record))["started"]
        assert facts(after) == before


def test_what_it_takes_is_that_of_the_one_that_changed(
    numbers: Task, model: Any, calls: Calls, kept: Path, tmp_path: Path
) -> None:
    compare(numbers, model, SPECS, out=tmp_path / "a")
    whole = len(calls)
    calls.clear()
    found = by_spec(compare(numbers, model, ["zero-shot", "few-shot:k=3", "nearest"], out=tmp_path / "b"))
    assert 0 < len(calls) < whole / 2
    assert {size for call, _, size in calls if call == "generate"} == {3}
    assert {spec for spec, run in found.items() if run.measured} == {"zero-shot", "nearest"}


def test_what_was_damaged_before_it_does_not_keep_a_run_from_being_shared(
    numbers: Task, model: Any, calls: Calls, kept: Path, tmp_path: Path
) -> None:
    first = compare(numbers, model, ["nearest"], out=tmp_path / "a")
    (record,) = (tmp_path / "a").rglob("nearest.seed0.jsonl")
    rows = record.read_text().splitlines()
    record.write_text("\n".join([rows[0], "garbage", *rows[1:]]) + "\n")
    with fresh():
        again = compare(numbers, model, ["nearest"], out=tmp_path / "a")
    assert again.runs[0].status == "ok"
    assert again.runs[0].predictions == first.runs[0].predictions
    calls.clear()
    assert compare(numbers, model, ["nearest"], out=tmp_path / "b").runs[0].measured
    assert not calls


def test_a_copy_is_a_run_like_any_other(numbers: Task, model: Any, kept: Path, tmp_path: Path) -> None:
    compare(numbers, model, ["nearest"], out=tmp_path / "a")
    compare(numbers, model, ["nearest"], out=tmp_path / "b")
    left, right = (
        {p.relative_to(f): p.read_bytes() for f in [next((tmp_path / n).glob("*/nearest.seed0"))] for p in f.rglob("*")}
        for n in ("a", "b")
    )
    assert left
    assert left == right
    shutil.rmtree(kept)
    (run,) = compare(numbers, model, ["nearest"], out=tmp_path / "b").runs
    assert run.measured  # already there: the store is not asked


@pytest.mark.parametrize("change", ["task", "dtype", "revision", "quantisation", "processor", "threads", "seed"])
def test_whatever_decides_a_run_has_to_be_the_same(
    numbers: Task, model: Any, kept: Path, tmp_path: Path, change: str
) -> None:
    compare(numbers, model, ["zero-shot"], out=tmp_path / "a")
    match change:
        case "task":
            numbers = replace(numbers, instruction="Say it.")
        case "dtype" | "revision" | "quantisation":
            model.facts[change] = "another"
        case "processor":
            model.facts["device_name"] = "another"
        case "threads":
            model.facts["threads"] = 7
        case "seed":
            compare(numbers, model, ["few-shot:k=2"], out=tmp_path / "a")
            runs = compare(numbers, model, ["few-shot:k=2"], out=tmp_path / "b", seeds=2).runs
            assert [bool(run.measured) for run in runs] == [True, False]
            return
    (run,) = compare(numbers, model, ["zero-shot"], out=tmp_path / "b").runs
    assert run.measured is None


def test_what_name_and_spec_do_not_describe_is_not_shared(
    numbers: Task, make_model: Callable[..., Any], model: Any, spy: Any, kept: Path, tmp_path: Path
) -> None:
    for folder in "ab":
        (of_nobody,) = compare(numbers, make_model(), ["zero-shot"], out=tmp_path / folder / "1").runs
        (own,) = compare(numbers, model, [spy()], out=tmp_path / folder / "2").runs
        assert (of_nobody.measured, own.measured) == (None, None)
    assert not list(kept.rglob("*.zip"))


def test_what_another_program_recorded_is_measured_anew(
    numbers: Task, model: Any, calls: Calls, kept: Path, tmp_path: Path
) -> None:
    compare(numbers, model, ["zero-shot"], out=tmp_path / "a")
    (path,) = (tmp_path / "a").rglob("zero-shot.seed0.jsonl")
    rows = list(lines(path))
    path.unlink()
    append(path, {**rows[0], "program": "an older one"}, *rows[1:])
    shutil.rmtree(kept)
    calls.clear()
    (run,) = compare(numbers, model, ["zero-shot"], out=tmp_path / "a").runs
    assert calls
    assert run.program == rows[0]["program"]
    assert len(run.predictions) == 70


def test_fresh_measures_anew_what_was_copied_and_keeps_it(
    numbers: Task, model: Any, calls: Calls, kept: Path, tmp_path: Path
) -> None:
    for folder in "ab":
        compare(numbers, model, ["zero-shot"], out=tmp_path / folder)
    calls.clear()
    with fresh():
        (run,) = compare(numbers, model, ["zero-shot"], out=tmp_path / "b").runs
        assert run.measured is None
        assert calls
        calls.clear()
        (again,) = compare(numbers, model, ["zero-shot"], out=tmp_path / "b").runs
        assert again == run
    (copy,) = compare(numbers, model, ["zero-shot"], out=tmp_path / "c").runs
    assert not calls
    assert facts(copy) == run


@pytest.mark.parametrize("damage", ["torn", "changed", "empty", "no record", "unfinished", "deleted"])
def test_a_damaged_entry_is_measured_anew(
    numbers: Task, model: Any, kept: Path, tmp_path: Path, damage: str, pack: Callable[[Path, str], None]
) -> None:
    compare(numbers, model, ["nearest"], out=tmp_path / "a")
    entry = only_entry(kept)
    data = entry.read_bytes()
    match damage:
        case "torn":
            entry.write_bytes(data[: len(data) // 2])
        case "changed":
            middle = data.index(b"it is 3") + 6
            entry.write_bytes(data[:middle] + b"4" + data[middle + 1 :])
        case "empty":
            entry.write_bytes(b"")
        case "deleted":
            shutil.rmtree(kept)
        case _:
            pack(entry, damage)
    (run,) = compare(numbers, model, ["nearest"], out=tmp_path / "b").runs
    assert (run.measured, run.status, len(run.predictions)) == (None, "ok", 70)
    assert not list((tmp_path / "b").rglob("*.saving"))
    (copy,) = compare(numbers, model, ["nearest"], out=tmp_path / "c").runs
    assert facts(copy) == run


@pytest.fixture
def pack() -> Callable[[Path, str], None]:
    """Writes an entry that is whole and yet not a finished run."""
    import zipfile

    def write(entry: Path, how: str) -> None:
        with zipfile.ZipFile(entry, "w") as archive:
            archive.mkdir("predictor")
            if how == "unfinished":
                archive.writestr("record.jsonl", json.dumps({"type": "run", "started": "2026"}) + "\n")

    return write


def test_a_kill_while_copying_leaves_what_a_kill_of_the_measurement_would(
    numbers: Task, model: Any, calls: Calls, kept: Path, tmp_path: Path
) -> None:
    (whole,) = compare(numbers, model, ["few-shot:k=2"], out=tmp_path / "a").runs
    compare(numbers, model, ["few-shot:k=2"], out=tmp_path / "b")
    (record,) = (tmp_path / "b").rglob("few-shot_k=2.seed0.jsonl")
    data = record.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    for end in [*ends[:6], ends[-2], ends[1] + 20]:
        record.write_bytes(data[:end])
        assert read_run(record).status == "interrupted"  # type: ignore[union-attr]
        calls.clear()
        (again,) = compare(numbers, model, ["few-shot:k=2"], out=tmp_path / "b").runs
        assert not calls
        assert facts(again) == whole
    record.write_bytes(data[: ends[3]])
    shutil.rmtree(kept)  # nothing to copy any more: a half copy is not gone on with
    (anew,) = compare(numbers, model, ["few-shot:k=2"], out=tmp_path / "b").runs
    assert calls
    assert anew.measured is None
    assert [p.text for p in anew.predictions] == [p.text for p in whole.predictions]


def test_what_was_fitted_before_a_kill_is_gone_on_with(
    numbers: Task, model: Any, calls: Calls, kept: Path, tmp_path: Path
) -> None:
    compare(numbers, model, ["zero-shot"], out=tmp_path / "a")
    (record,) = (tmp_path / "a").rglob("zero-shot.seed0.jsonl")
    rows = record.read_bytes().splitlines(keepends=True)
    record.write_bytes(b"".join(rows[:3]))
    calls.clear()
    (run,) = compare(numbers, model, ["zero-shot"], out=tmp_path / "a").runs
    assert [len(texts) for call, texts, _ in calls if len(texts) > 1] == [32, 6]
    assert run.measured is None


def test_a_run_that_two_machines_measured_is_not_kept(numbers: Task, model: Any, kept: Path, tmp_path: Path) -> None:
    compare(numbers, model, ["zero-shot"], out=tmp_path / "a")
    (record,) = (tmp_path / "a").rglob("zero-shot.seed0.jsonl")
    record.write_bytes(b"".join(record.read_bytes().splitlines(keepends=True)[:3]))
    shutil.rmtree(kept)
    model.facts["threads"] = 7
    compare(numbers, model, ["zero-shot"], out=tmp_path / "a")
    assert not list(kept.rglob("*.zip"))


def test_failed_runs_are_not_kept(numbers: Task, model: Any, kept: Path, tmp_path: Path) -> None:
    model.writing = None
    (run,) = compare(numbers, model, ["zero-shot"], out=tmp_path / "a").runs
    assert run.status == "failed"
    assert not list(kept.rglob("*.zip"))


def test_a_bound_that_cannot_be_read_is_told_before_anything_runs(
    numbers: Task, model: Any, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVISOR_CACHE_GB", "lots")
    with pytest.raises(UserError, match="ADVISOR_CACHE_GB"):
        compare(numbers, model, SPECS, out=tmp_path)
    assert not calls


SHARING = """
import sys, time
from pathlib import Path
from scripted import ScriptedModel
from advisor.measuring.attempt import read_run
from advisor.measuring.comparing import compare
from advisor.tasks import Example, Task

class Hosted(ScriptedModel):
    __module__ = "advisor.models.scripted"

train = tuple(Example(f"t{i}", f"what is number {i}", f"it is {i}") for i in range(12))
test = tuple(Example(f"q{i}", f"and what is number {i}", f"it is {i}") for i in range(40))
task = Task("numbers", "qa", "Answer.", "token_f1", train=train, test=test)
specs = ["zero-shot", *(f"few-shot:k={k}" for k in range(1, 6)), "nearest"]
model = Hosted(told=lambda *call: time.sleep(0.002))
for number in range(int(sys.argv[2])):
    found = compare(task, model, specs, out=Path(sys.argv[1]) / str(number))
    assert all(run.status == "ok" and len(run.predictions) == 40 for run in found.runs)
print(sum(run.measured is not None for run in found.runs))
"""


def test_two_processes_share_a_store_and_one_is_killed(kept: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    def start(name: str, times: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SHARING, str(tmp_path / name), str(times)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    first, second, third = start("a", 5), start("b", 5), start("c", 1000)
    while not list(kept.rglob("*.zip")):
        time.sleep(0.01)
    third.kill()
    told = [process.communicate(timeout=60)[0] for process in (first, second)]
    third.communicate()
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert told == ["7\n", "7\n"]
    assert len(list(kept.rglob("*.zip"))) == 7
