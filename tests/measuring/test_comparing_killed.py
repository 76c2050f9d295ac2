"""A comparison that was killed goes on where it stopped, and nothing complete is done again."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from advisor.measuring.comparing import compare
from advisor.measuring.lines import lines
from advisor.measuring.progress import Silence
from advisor.progress import listening

SPECS = {"learner.seed0.jsonl": "learner", "nearest.seed0.jsonl": "nearest", "few-shot_k=2.seed0.jsonl": "generate"}
Deaths = list[dict[str, Any]]


def alone(asked: list[Any], call: str) -> list[str]:
    return [texts[0] for kind, texts, _ in asked if kind == call and len(texts) == 1]


def batches(asked: list[Any], call: str) -> list[set[str]]:
    return [set(texts) for kind, texts, _ in asked if kind == call and len(texts) > 1]


def inputs(ids: list[str]) -> set[str]:
    return {f"and what is number {number[1:]}" for number in ids}


def test_it_was_killed_in_every_phase(deaths: Deaths) -> None:
    moments = " ".join(death["moment"] for death in deaths[1:])
    assert len(deaths) > 40
    for phase in (
        "begin",
        "step fit",
        "fit learner",
        "step predict",
        "generate 32",
        "step latency",
        "generate 1",
        "end",
    ):
        assert phase in moments


def test_the_result_is_that_of_an_uninterrupted_run(deaths: Deaths) -> None:
    whole = deaths[0]["result"]
    assert [(spec, status, len(answers), len(timed)) for spec, status, _, answers, timed in whole] == [
        ("learner", "ok", 70, 16),
        ("nearest", "ok", 70, 16),
        ("few-shot:k=2", "ok", 70, 16),
    ]
    for death in deaths[1:]:
        assert death["result"] == whole, death["moment"]


def test_each_example_is_recorded_once_however_often_it_was_interrupted(deaths: Deaths) -> None:
    for death in deaths[1:]:
        for record in death["after"].values():
            last = max(number for number, (kind, _) in enumerate(record) if kind == "run")
            for kind, count in (("predictions", 70), ("latency", 16)):
                ids = [i for found, each in record[last:] if found == kind for i in each]
                assert len(ids) == len(set(ids)) == count, death["moment"]


def test_what_was_recorded_stays_as_it_was(deaths: Deaths) -> None:
    for death in deaths[1:]:
        for name, before in death["left"].items():
            assert death["after"][name][: len(before)] == before, death["moment"]


def test_a_finished_approach_is_not_touched_again(deaths: Deaths) -> None:
    for death in deaths[1:]:
        for name, before in death["left"].items():
            if ["finished", [""]] in before:
                assert death["after"][name] == before
                call = SPECS[name]
                assert not [a for a in death["asked"] if a[0] == call], death["moment"]


def test_what_was_fitted_is_restored_and_not_fitted_again(deaths: Deaths) -> None:
    fitted_before = 0
    for death in deaths[1:]:
        kinds = {name: [kind for kind, _ in record] for name, record in death["left"].items()}
        if "fitted" in kinds.get("learner.seed0.jsonl", ()):
            fitted_before += 1
            assert not any(kind == "fit learner" for kind, _, _ in death["asked"]), death["moment"]
        if "fitted" in kinds.get("nearest.seed0.jsonl", ()):
            train = {f"what is number {i}" for i in range(12)}
            assert train not in batches(death["asked"], "embed"), death["moment"]
    assert fitted_before > 20


def test_a_recorded_batch_is_not_predicted_again(deaths: Deaths) -> None:
    for death in deaths[1:]:
        for name, call in (("learner.seed0.jsonl", "learner"), ("few-shot_k=2.seed0.jsonl", "generate")):
            done = [inputs(ids) for kind, ids in death["left"].get(name, ()) if kind == "predictions"]
            asked = batches(death["asked"], call)
            assert not [batch for batch in done if batch in asked], death["moment"]
            if "finished" not in [kind for kind, _ in death["left"].get(name, ())]:
                assert len(done) + len(asked) == 3, death["moment"]


def test_a_recorded_latency_is_measured_again_at_most_to_warm_up(deaths: Deaths) -> None:
    for death in deaths[1:]:
        record = death["left"].get("few-shot_k=2.seed0.jsonl", ())
        done = [text for kind, ids in record if kind == "latency" for text in inputs(ids)]
        again = [text for text in alone(death["asked"], "generate")[2:] if text in done]
        assert again == [], death["moment"]


@pytest.fixture
def killed(scripted: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script itself, for its task."""
    monkeypatch.setitem(sys.modules, "scripted", scripted)
    spec = importlib.util.spec_from_file_location("killed", Path(__file__).parent / "killed.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "killed", module)
    spec.loader.exec_module(module)
    return module


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*/*.seed*.jsonl"))


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 60
    while not condition() and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_killed_from_outside_again_and_again_it_gets_there(
    killing: Callable[..., subprocess.Popen[str]], killed: ModuleType, deaths: Deaths, tmp_path: Path
) -> None:
    ends = []
    for more in (300, 4000, 6000, 10**9):
        before = size(tmp_path)
        process = killing("slow", tmp_path)
        wait_until(lambda goal=before + more: size(tmp_path) > goal, process)  # type: ignore[misc]
        process.kill()
        ends.append(process.wait())
        process.communicate()
    assert ends == [-signal.SIGKILL] * 3 + [0]
    found = killed.result(killed.run(tmp_path, lambda *call: pytest.fail(f"asked again: {call}")))
    assert json.loads(json.dumps(found)) == deaths[0]["result"]


def test_a_second_process_waits_says_so_and_a_killed_one_leaves_no_lock(
    killing: Callable[..., subprocess.Popen[str]], killed: ModuleType, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    first = killing("slow", tmp_path)
    wait_until(lambda: size(tmp_path) > 0, first)
    journal = list(lines(tmp_path / "comparisons.jsonl"))
    heard: list[tuple[str, float]] = []

    class Ear(Silence):
        def answered(self, prompts: int) -> None: ...

        def wait(self, what: str, seconds: float) -> None:
            heard.append((what, seconds))
            if len(heard) == 3:
                assert list(lines(tmp_path / "comparisons.jsonl")) == journal
                first.kill()
                first.communicate()

    with listening(Ear()):
        assert compare(killed.task(), make_model(), ["majority"], out=tmp_path).runs[0].status == "ok"
    assert {what for what, _ in heard} == {f"another advisor, process {first.pid}, that is at work in {tmp_path}"}
    assert [seconds for _, seconds in heard] == sorted(seconds for _, seconds in heard)
