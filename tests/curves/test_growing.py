"""The same comparison at several sizes: nested training examples, going on, and reading back what is there."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import parse
from advisor.curves.growing import Sizes, grow, holds_growth, read_growth
from advisor.errors import UserError
from advisor.measuring.comparing import compare
from advisor.measuring.lock import CURVES, alone
from advisor.measuring.progress import Silence
from advisor.measuring.reading import read_comparison
from advisor.tasks import Example, Task
from advisor.verdict.growth import Growth

SPECS = ["nearest", "few-shot:k=2"]
SCRIPTED = Path(__file__).parents[1] / "approaches" / "scripted.py"


@pytest.fixture(scope="module")
def make_model() -> Callable[..., Any]:
    """Makes a scripted model; keywords as its fields."""
    spec = importlib.util.spec_from_file_location("scripted_for_growing", SCRIPTED)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.ScriptedModel  # type: ignore[no-any-return]


@pytest.fixture
def model(make_model: Callable[..., Any]) -> Any:
    return make_model()


@pytest.fixture
def numbers() -> Task:
    """Twelve training and seventy test questions."""
    train = tuple(Example(f"t{i}", f"what is number {i}", f"it is {i}") for i in range(12))
    test = tuple(Example(f"q{i}", f"and what is number {i}", f"it is {i}") for i in range(70))
    return Task("numbers", "qa", "Answer.", "token_f1", train=train, test=test)


def grown(sizes: Sizes, task: Task, model: Any, specs: Sequence[str], told: Told | None = None) -> Growth:
    return grow(sizes, task, model, [parse(spec) for spec in specs], told)


class Told(Silence):
    """Notes which approaches were begun, and stops at one of them as Ctrl-C does."""

    def __init__(self, stop: str = "") -> None:
        self.begun: list[str] = []
        self.outcomes: list[str] = []
        self.stop = stop

    def begin(self, spec: str, index: int, of: int) -> None:
        self.begun.append(f"{index}/{of} {spec}")
        if spec == self.stop:
            raise KeyboardInterrupt

    def step(self, name: str, total: int | None) -> None: ...

    def advance(self, n: int = 1) -> None: ...

    def end(self, spec: str, outcome: str) -> None:
        self.outcomes.append(outcome)


def shown(folder: Path) -> set[str]:
    """Inputs of the examples that few-shot showed, of all records in a folder."""
    return {
        shot["input"]
        for path in folder.glob("*/few-shot*/context/shots.json")
        for shot in json.loads(path.read_text(encoding="utf-8"))
    }


def test_each_size_is_a_comparison_without_latency(numbers: Task, model: Any, tmp_path: Path) -> None:
    told = Told()
    found = grown(Sizes(tmp_path, (8, 2, 4)), numbers, model, SPECS, told)
    assert (found.sizes, found.asked, found.draws) == ((2, 4, 8), (8, 2, 4), 1)
    assert found.specs == ("nearest", "few-shot:k=2")
    assert (found.task.train, found.task.test) == (12, 70)
    for size, (comparison,) in found.comparisons.items():
        assert comparison.task.train == size
        assert comparison == read_comparison(tmp_path / str(size))
        assert all(run.status == "ok" and len(run.predictions) == 70 for run in comparison.runs)
        assert all(run.latencies == () for run in comparison.runs)
    answers = [comparison.answers for (comparison,) in found.comparisons.values()]
    assert answers[0] == answers[1] == answers[2]
    assert told.begun == [
        f"{2 * number + place}/6 {spec} with {size} examples"
        for number, size in enumerate((2, 4, 8))
        for place, spec in enumerate(SPECS, start=1)
    ]


def test_the_examples_of_a_smaller_size_are_among_those_of_a_larger(numbers: Task, model: Any, tmp_path: Path) -> None:
    grown(Sizes(tmp_path, (2, 3)), numbers, model, ["few-shot:k=9"])
    two, three = shown(tmp_path / "2"), shown(tmp_path / "3")
    assert (len(two), len(three)) == (2, 3)
    assert two < three


def test_draws_are_other_samples_and_with_all_examples_other_seeds(numbers: Task, model: Any, tmp_path: Path) -> None:
    found = grown(Sizes(tmp_path, (2, 12), draws=3), numbers, model, ["few-shot:k=2", "nearest"])
    assert [len(found.comparisons[size]) for size in found.sizes] == [3, 1]
    drawn = [frozenset(shown(tmp_path / name)) for name in ("2", "2.draw1", "2.draw2")]
    assert len(set(drawn)) > 1
    assert [(run.spec, run.seed) for run in found.comparisons[12][0].runs] == [
        *(("few-shot:k=2", seed) for seed in range(3)),
        ("nearest", 0),
    ]


def test_more_than_there_are_means_all(numbers: Task, model: Any, tmp_path: Path) -> None:
    found = grown(Sizes(tmp_path, (4, 50, 500)), numbers, model, ["nearest"])
    assert (found.sizes, found.asked) == ((4, 12), (4, 50, 500))


def test_after_an_interruption_the_rest_is_done_and_nothing_again(
    numbers: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        grown(Sizes(tmp_path, (2, 4, 8)), numbers, make_model(), SPECS, Told("few-shot:k=2 with 4 examples"))
    partly = read_growth(tmp_path)
    assert sorted(partly.comparisons) == [2, 4]
    assert [run.status for run in partly.comparisons[4][0].runs] == ["ok", "interrupted"]
    told = Told()
    found = grown(Sizes(tmp_path, (2, 4, 8)), numbers, make_model(), SPECS, told)
    assert told.outcomes == ["already done"] * 3 + ["ok"] * 3
    calls: list[str] = []
    idle = make_model(told=lambda call, texts, size: calls.append(call))
    assert grown(Sizes(tmp_path, (2, 4, 8)), numbers, idle, SPECS) == found == read_growth(tmp_path)
    assert calls == []


@pytest.mark.parametrize("change", ["task", "model", "asked otherwise"])
def test_what_another_task_or_model_left_is_not_mixed_in(
    numbers: Task, make_model: Callable[..., Any], tmp_path: Path, change: str
) -> None:
    grown(Sizes(tmp_path, (2, 4, 8)), numbers, make_model(), SPECS)
    task = replace(numbers, test=numbers.test[:30]) if change == "task" else numbers
    changes = {"model": {"revision": "r2"}, "asked otherwise": {"facts": {"labels_by": "text"}}}
    model = make_model(**changes.get(change, {}))
    with pytest.raises(KeyboardInterrupt):
        grown(Sizes(tmp_path, (2, 4, 8)), task, model, SPECS, Told("few-shot:k=2 with 2 examples"))
    assert sorted(read_growth(tmp_path).comparisons) == [2]


def test_mistakes_are_told(numbers: Task, model: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--sizes is 0,4"):
        Sizes(tmp_path, (0, 4))
    with pytest.raises(UserError, match="--sizes is empty"):
        Sizes(tmp_path, ())
    with pytest.raises(UserError, match="--seeds is 0"):
        Sizes(tmp_path, (4,), draws=0)
    with pytest.raises(UserError, match="no training examples"):
        grown(Sizes(tmp_path, (4,)), replace(numbers, train=()), model, ["zero-shot"])
    assert not holds_growth(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"):
        grown(Sizes(tmp_path / "file", (4,)), numbers, model, ["nearest"])
    with pytest.raises(UserError, match="holds no learning curve"):
        read_growth(tmp_path)


def test_a_folder_holds_one_kind_and_serves_one_at_a_time(numbers: Task, model: Any, tmp_path: Path) -> None:
    curve, comparison = tmp_path / "curve", tmp_path / "comparison"
    grown(Sizes(curve, (2, 4)), numbers, model, ["nearest"])
    compare(numbers, model, ["nearest"], out=comparison)
    before = (curve / "curves.jsonl").read_bytes()
    with alone(curve, CURVES), pytest.raises(UserError, match="another advisor is at work"):
        grown(Sizes(curve, (8,)), numbers, model, ["majority"])
    with alone(curve / "4"), pytest.raises(UserError, match="another advisor is at work"):
        grown(Sizes(curve, (4,)), numbers, model, ["majority"])
    with pytest.raises(UserError, match="holds a comparison, not learning curves"):
        grown(Sizes(comparison, (2,)), numbers, model, ["nearest"])
    with pytest.raises(UserError, match="holds learning curves, not a comparison"):
        compare(numbers, model, ["majority"], out=curve)
    assert (curve / "curves.jsonl").read_bytes() == before
    assert sorted(read_growth(curve).comparisons) == [2, 4]
    assert [run.spec for run in read_comparison(comparison).runs] == ["nearest"]


def test_sizes_are_not_measured_after_a_change(numbers: Task, model: Any, tmp_path: Path) -> None:
    found = grown(Sizes(tmp_path, (2,)), replace(numbers, test_after=numbers.test), model, ["nearest"])
    (comparison,) = found.comparisons[2]
    assert comparison.change is None
    assert not comparison.runs[0].after
