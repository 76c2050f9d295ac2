"""A comparison as a folder: which runs belong together, and reading the newest back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import parse
from advisor.approaches.shots import FewShot
from advisor.errors import UserError
from advisor.measuring.comparing import compare
from advisor.measuring.lines import lines
from advisor.measuring.reading import read_comparison
from advisor.tasks import Defaults, Limits, Task
from advisor.version import VERSION


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*/**/*") if path.is_file()}


def keys(folder: Path) -> list[str]:
    return [head["key"] for head in lines(folder / "comparisons.jsonl")]


def test_the_same_comparison_again_does_nothing_again(
    numbers: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    first = compare(numbers, make_model(), ["nearest", "few-shot:k=2", "rag"], out=tmp_path, seeds=2)
    before = contents(tmp_path)
    calls: list[str] = []
    idle = make_model(told=lambda call, texts, size: calls.append(call))
    second = compare(numbers, idle, ["nearest", "few-shot:k=2", "rag"], out=tmp_path, seeds=2)
    assert calls == []
    assert contents(tmp_path) == before
    assert second == first
    assert read_comparison(tmp_path) == first


def test_an_approach_more_runs_alone(numbers: Task, model: Any, tmp_path: Path) -> None:
    compare(numbers, model, ["nearest"], out=tmp_path)
    before = contents(tmp_path)
    found = compare(numbers, model, ["zero-shot", "nearest"], out=tmp_path)
    assert [run.spec for run in found.runs] == ["zero-shot", "nearest"]
    assert {name: contents(tmp_path)[name] for name in before} == before
    assert len(set(keys(tmp_path))) == 1


@pytest.mark.parametrize(
    ("changes", "model_changes"),
    [
        ({"instruction": "Answer well."}, {}),
        ({"documents": ()}, {}),
        ({"kind": "generation", "metric": "rouge_l"}, {}),
        ({"train": 11}, {}),
        ({"test": 69}, {}),
        ({}, {"revision": "r2"}),
        ({}, {"name": "other"}),
        ({}, {"facts": {"dtype": "bfloat16"}}),
        ({}, {"facts": {"device": "cuda:0"}}),
        ({}, {"context_window": 256}),
        ({}, {"facts": {"embedder": "other@2"}}),
    ],
)
def test_what_can_change_an_answer_stands_beside_and_is_never_mixed(
    numbers: Task,
    make_model: Callable[..., Any],
    tmp_path: Path,
    changes: dict[str, Any],
    model_changes: dict[str, Any],
) -> None:
    compare(numbers, make_model(), ["zero-shot"], out=tmp_path)
    before = contents(tmp_path)
    cut = {key: getattr(numbers, key)[:value] for key, value in changes.items() if isinstance(value, int)}
    task = replace(numbers, **{**changes, **cut})
    calls: list[str] = []
    other = make_model(told=lambda call, texts, size: calls.append(call), **model_changes)
    found = compare(task, other, ["zero-shot"], out=tmp_path)
    assert "generate" in calls
    assert len(found.runs[0].predictions) == len(task.test)
    assert len(set(keys(tmp_path))) == 2
    assert {name: contents(tmp_path)[name] for name in before} == before


def test_what_only_judges_answers_reruns_nothing(numbers: Task, make_model: Callable[..., Any], tmp_path: Path) -> None:
    compare(numbers, make_model(), ["zero-shot"], out=tmp_path)
    calls: list[str] = []
    task = replace(numbers, metric="exact_match", name="renamed", limits=Limits(budget_usd=5), caveats=("so be it",))
    found = compare(task, make_model(told=lambda *call: calls.append(call[0])), ["zero-shot"], out=tmp_path)
    assert calls == []
    assert (found.task.metric, found.task.limits) == ("exact_match", {"budget_usd": 5})
    assert found.task.caveats[0] == "so be it"


def test_the_record_repeats_what_the_examples_call_for(
    numbers: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    found = compare(numbers, make_model(), ["zero-shot"], out=tmp_path)
    assert any("test inputs are nearly the same as one in train" in caveat for caveat in found.task.caveats)


def test_the_newest_comparison_is_read(numbers: Task, make_model: Callable[..., Any], tmp_path: Path) -> None:
    small = replace(numbers, test=numbers.test[:5])
    for task, specs in ((numbers, ["majority", "nearest"]), (small, ["majority"]), (numbers, ["nearest"])):
        compare(task, make_model(), specs, out=tmp_path)
        found = read_comparison(tmp_path)
        assert found.task.fingerprint == task.fingerprint
        assert [run.spec for run in found.runs] == specs
        assert list(found.answers) == [e.id for e in task.test]


def test_an_approach_that_was_not_reached_reads_as_interrupted(
    numbers: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    def stop(call: str, texts: list[str], size: int) -> None:
        if call == "generate":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(numbers, make_model(told=stop), ["majority", "zero-shot", "few-shot"], out=tmp_path)
    assert [run.status for run in read_comparison(tmp_path).runs] == ["ok", "interrupted", "interrupted"]


def test_seeds_run_for_seeded_approaches_alone(numbers: Task, model: Any, tmp_path: Path) -> None:
    specs = ["majority", "nearest", "zero-shot", "few-shot:k=2", "rag"]
    runs = compare(numbers, model, specs, out=tmp_path, seeds=3).runs
    found = {spec: [run.seed for run in runs if run.spec == spec] for spec in specs}
    assert found.pop("few-shot:k=2") == [0, 1, 2]
    assert set(map(tuple, found.values())) == {(0,)}
    texts = {tuple(p.text for p in run.predictions) for run in runs if run.spec == "few-shot:k=2"}
    assert len(texts) > 1


def test_more_seeds_keep_those_that_are_there(numbers: Task, model: Any, tmp_path: Path) -> None:
    compare(numbers, model, ["few-shot:k=2"], out=tmp_path)
    before = contents(tmp_path)
    assert len(compare(numbers, model, ["few-shot:k=2"], out=tmp_path, seeds=2).runs) == 2
    assert {name: contents(tmp_path)[name] for name in before} == before
    assert len(compare(numbers, model, ["few-shot:k=2"], out=tmp_path).runs) == 1


def test_what_the_record_says_of_task_model_and_machine(numbers: Task, model: Any, tmp_path: Path) -> None:
    found = compare(numbers, model, ["few-shot:k=2", "rag:k=5"], out=tmp_path, seeds=2)
    assert found.task.fingerprint == numbers.fingerprint
    assert (found.task.train, found.task.dev, found.task.test, found.task.documents) == (12, 0, 70, 1)
    assert (found.model.id, found.model.revision, found.model.embedder) == ("scripted", "r1", "words@1")
    assert (found.seeds, found.latency_examples) == (2, 16)
    assert found.versions["python"].startswith("3.")
    assert found.versions["advisor"] == VERSION
    for package in ("torch", "transformers", "scikit-learn"):
        assert found.versions[package] == version(package)
    assert found.hardware["cores"] >= 1
    assert found.hardware["memory_bytes"] > 10**8
    assert found.hardware["device_name"] == "a script"
    assert found.settings["batch"] == 32
    configs = {run.spec: run.config for run in found.runs}
    few_shot = {"k": 2, "select": "fixed", "search": 0, "cot": False, "calibrate": False}
    assert configs["few-shot:k=2"]["few-shot"] == few_shot
    assert configs["rag:k=5"]["rag"]["chunk"] == 160


def test_facts_of_each_run(numbers: Task, model: Any, tmp_path: Path) -> None:
    runs = {run.spec: run for run in compare(numbers, model, ["majority", "nearest", "rag"], out=tmp_path).runs}
    assert (runs["majority"].control, runs["rag"].control) == (True, False)
    assert (runs["nearest"].uses_model, runs["rag"].uses_model) == (False, True)
    assert runs["rag"].index_seconds is not None
    assert runs["rag"].index_seconds > 0
    assert runs["nearest"].index_seconds is None
    assert runs["nearest"].artifact_bytes == 12 * 256 * 4
    assert all(run.fit_seconds is not None and run.peak_memory_bytes == 1_000_000 for run in runs.values())
    assert {p.evidence for p in runs["rag"].predictions} == {("list",)}


def test_no_environment_variable_is_written_anywhere(
    numbers: Task, model: Any, faulty: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD"):
        monkeypatch.setenv(name, f"very-secret-{name}")
    compare(numbers, model, ["few-shot", "nearest", "rag", faulty("fit")], out=tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert not any(b"very-secret" in path.read_bytes() for path in files)


def test_the_folder_is_named_after_the_task_by_default(
    numbers: Task, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert compare(numbers, model, ["majority"]).folder == "runs/numbers"
    assert (tmp_path / "runs" / "numbers" / "comparisons.jsonl").exists()


def test_specs_that_mean_the_same_run_once(numbers: Task, model: Any, tmp_path: Path) -> None:
    runs = compare(numbers, model, ["rag", "rag:k=3", " rag : chunk=160 "], out=tmp_path).runs
    assert [run.spec for run in runs] == ["rag"]


def test_objects_are_compared_as_specs_are(numbers: Task, model: Any, tmp_path: Path) -> None:
    compare(numbers, model, ["few-shot:k=2", "nearest"], out=tmp_path)
    before = contents(tmp_path)
    found = compare(numbers, model, [FewShot(k=2), parse("nearest")], out=tmp_path)
    assert [run.spec for run in found.runs] == ["few-shot:k=2", "nearest"]
    assert contents(tmp_path) == before


def test_the_tasks_own_approaches_run_where_none_are_named(numbers: Task, model: Any, tmp_path: Path) -> None:
    task = replace(numbers, defaults=Defaults(approaches=("nearest", "majority")))
    assert [run.spec for run in compare(task, model, out=tmp_path).runs] == ["nearest", "majority"]


def test_all_that_apply_run_where_nobody_names_any(numbers: Task, model: Any, tmp_path: Path) -> None:
    runs = compare(numbers, model, out=tmp_path).runs
    assert {run.spec: run.status for run in runs} == {
        "majority": "ok",
        "nearest": "ok",
        "zero-shot": "ok",
        "few-shot": "ok",
        "few-shot:select=nearest": "ok",
        "rag": "ok",
        "oracle": "ok",
        "lora": "skipped",
        "rag+lora": "skipped",
    }


@pytest.mark.parametrize("name", ["few-shot:k=3,select=nearest", "rag:k=5,chunk=80+lora", "head:c=1e+16"])
def test_names_of_records_stay_readable(numbers: Task, model: Any, tmp_path: Path, name: str) -> None:
    compare(numbers, model, [name], out=tmp_path)
    (path,) = tmp_path.glob("*/*.seed0.jsonl")
    assert path.name.startswith(name.replace(":", "_"))


def test_mistakes_are_told_before_anything_runs(numbers: Task, model: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--seeds is 0"):
        compare(numbers, model, ["majority"], out=tmp_path, seeds=0)
    with pytest.raises(UserError, match="is unknown"):
        compare(numbers, model, ["majority", "few-shto"], out=tmp_path)
    with pytest.raises(UserError, match="has no test examples") as caught:
        compare(replace(numbers, test=()), model, ["majority"], out=tmp_path)
    assert "--split" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_that_is_a_file_is_a_user_error(numbers: Task, model: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for place in (tmp_path / "taken", tmp_path / "taken" / "deeper"):
        with pytest.raises(UserError, match="cannot be written to"):
            compare(numbers, model, ["majority"], out=place)


def test_a_folder_without_a_comparison_is_a_user_error(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="holds no comparison"):
            read_comparison(place)


def test_the_answers_of_the_test_split_are_recorded_for_judging(numbers: Task, model: Any, tmp_path: Path) -> None:
    two = (replace(numbers.test[0], targets=("it is 0", "zero")), *numbers.test[1:])
    found = compare(replace(numbers, test=two), model, ["majority"], out=tmp_path)
    assert found.answers["q0"].targets == ("it is 0", "zero")
    assert found.answers["q1"].evidence == ("list",)
    (path,) = tmp_path.glob("*/answers.jsonl")
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 70
