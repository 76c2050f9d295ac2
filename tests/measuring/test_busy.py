"""Runs beside other programs: what is recorded of them, on how many threads, and times that are measured anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.measuring.again import disturbed, time_again
from advisor.measuring.comparing import compare
from advisor.measuring.lines import append, lines
from advisor.measuring.reading import read_comparison
from advisor.measuring.records import Comparison, Run
from advisor.models.clock import clock
from advisor.models.contention import Stand
from advisor.tasks import Task
from advisor.verdict import decide

SPECS = ["zero-shot", "few-shot:k=2"]


@dataclass
class Machine:
    """Of two cores; a second passes with every look at its counts, in which others take this share of it."""

    share: float = 0.0
    seconds: float = 0.0
    busy: float = 0.0

    def look(self) -> Stand:
        self.seconds += 1.0
        self.busy += 2 * self.share + 0.5
        return Stand(self.seconds, self.busy, 0.5 * self.seconds, (0, 1))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(clock.state, "look", found.look)
    return found


@pytest.fixture
def model(scripted: Any) -> Any:
    """On two threads, if nobody says otherwise; every call takes a moment."""

    class Threaded(scripted.ScriptedModel):  # type: ignore[misc]
        def use_threads(self, number: int) -> None:
            self.facts["threads"] = number

    return Threaded(facts={"threads": 2, "threads_alone": 2})


def record(folder: Path, spec: str = "zero-shot") -> list[dict[str, Any]]:
    (path,) = folder.glob(f"*/{spec.replace(':', '_')}.seed0.jsonl")
    return list(lines(path))


def by_spec(comparison: Comparison) -> dict[str, Run]:
    return {run.spec: run for run in comparison.runs}


def test_every_timed_step_says_what_others_took(numbers: Task, model: Any, machine: Machine, tmp_path: Path) -> None:
    machine.share = 0.25
    (run,) = compare(numbers, model, ["zero-shot"], out=tmp_path).runs
    timed = [line for line in record(tmp_path) if line["type"] in ("fitted", "predictions", "latency")]
    assert len(timed) == 1 + 3 + 16
    assert all(line["others"] == {"seconds": 1.0, "taken": 0.5, "of": 2.0} for line in timed)
    assert {step: load.share for step, load in run.others.items()} == {"fit": 0.25, "predict": 0.25, "latency": 0.25}
    assert run.others["latency"].seconds == 16


@pytest.mark.parametrize(("share", "marked"), [(0.0, False), (0.09, False), (0.12, True), (0.6, True)])
def test_beyond_a_tenth_a_row_is_marked(
    numbers: Task, model: Any, machine: Machine, tmp_path: Path, share: float, marked: bool
) -> None:
    machine.share = share
    comparison = compare(numbers, model, SPECS, out=tmp_path)
    assert disturbed(comparison) == (tuple(SPECS) if marked else ())
    rows = decide(comparison).rows
    assert [row.is_busy("predict", "latency") for row in rows] == [marked, marked]
    assert rows[0].stretch("latency") == (pytest.approx(1 / (1 - share)) if marked else 1.0)
    told = [caveat for caveat in decide(comparison).recommendation.caveats if "Other programs took" in caveat]
    assert len(told) == marked
    if marked:
        assert f"{100 * share:.0f} % of the processor while" in told[0]
        assert f"up to {1 / (1 - share):.1f} times what they are on a quiet machine" in told[0]
        assert "many times where threads had to wait for each other" in told[0]


@pytest.mark.parametrize("place", ["machine", "network"])
def test_beside_a_model_elsewhere_what_needs_none_is_judged_by_the_processor(
    numbers: Task, scripted: Any, machine: Machine, tmp_path: Path, place: str
) -> None:
    machine.share = 0.4
    remote = scripted.ScriptedModel(facts={"device": "elsewhere", "place": place})
    comparison = compare(numbers, remote, ["zero-shot", "nearest"], out=tmp_path)
    zero, nearest = sorted(decide(comparison).rows, key=lambda row: row.spec != "zero-shot")
    assert (zero.others, zero.stretch("latency")) == ({}, 1.0)
    assert nearest.stretch("predict") == nearest.stretch("latency") == pytest.approx(1 / 0.6)
    assert nearest.is_busy("predict", "latency")
    assert disturbed(comparison) == ("nearest",)
    machine.share = 0.0
    again = time_again(numbers, [remote], out=tmp_path)
    assert [run.spec for run in again.runs if run.timed_again] == ["nearest"]
    assert disturbed(again) == ()


def test_one_that_ran_while_it_was_quiet_is_not_marked(
    numbers: Task, model: Any, machine: Machine, tmp_path: Path
) -> None:
    compare(numbers, model, ["zero-shot"], out=tmp_path)
    machine.share = 0.5
    assert disturbed(compare(numbers, model, SPECS, out=tmp_path)) == ("few-shot:k=2",)


def test_a_record_of_before_says_nothing_and_is_read(
    numbers: Task, model: Any, machine: Machine, tmp_path: Path
) -> None:
    machine.share = 0.5
    compare(numbers, model, ["zero-shot"], out=tmp_path)
    (path,) = tmp_path.glob("*/zero-shot.seed0.jsonl")
    rows = [
        {name: value for name, value in line.items() if name not in ("others", "threads", "threads_alone")}
        for line in lines(path)
    ]
    path.unlink()
    append(path, *rows)
    comparison = read_comparison(tmp_path)
    assert by_spec(comparison)["zero-shot"].others["predict"].share is None
    (row,) = decide(comparison).rows
    assert (row.others, row.is_busy("predict"), row.stretch("predict")) == ({}, False, 1.0)


def test_a_machine_that_keeps_no_counts_stops_nothing(
    numbers: Task, model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(clock.state, "look", lambda: None)
    comparison = compare(numbers, model, ["zero-shot"], out=tmp_path)
    assert comparison.runs[0].status == "ok"
    assert disturbed(comparison) == ()


def test_fewer_threads_than_there_would_be_mark_a_row_too(
    numbers: Task, model: Any, machine: Machine, tmp_path: Path
) -> None:
    """The neighbour may leave as soon as the model is loaded."""
    model.facts["threads"] = 1
    comparison = compare(numbers, model, ["zero-shot"], out=tmp_path)
    assert disturbed(comparison) == ("zero-shot",)
    (told,) = (caveat for caveat in decide(comparison).recommendation.caveats if "ran on 1 of 2 threads" in caveat)
    assert "up to 2.0 times" in told


def test_what_was_begun_on_one_thread_goes_on_on_one(
    numbers: Task, model: Any, machine: Machine, tmp_path: Path
) -> None:
    def stop(call: str, texts: list[str], size: int) -> None:
        if call == "generate":
            raise KeyboardInterrupt

    model.facts["threads"], model.told = 1, stop
    with pytest.raises(KeyboardInterrupt):
        compare(numbers, model, ["zero-shot"], out=tmp_path)
    model.facts["threads"], model.told = 2, lambda *call: None  # as the next process finds the machine
    runs = by_spec(compare(numbers, model, SPECS, out=tmp_path))
    assert {run.threads["predict"] for run in runs.values()} == {1}
    assert [line["model"]["threads"] for line in lines(tmp_path / "comparisons.jsonl") if "model" in line] == [1, 1]
    model.facts["threads"] = 2
    (elsewhere,) = compare(numbers, model, ["zero-shot"], out=tmp_path / "elsewhere").runs
    assert elsewhere.threads["predict"] == 2


@pytest.fixture
def marked(numbers: Task, model: Any, machine: Machine, tmp_path: Path) -> Comparison:
    """Measured on a busy machine, on one thread; it is quiet by now, and two threads would compute."""
    machine.share, model.facts["threads"] = 0.5, 1
    comparison = compare(numbers, model, SPECS, out=tmp_path)
    machine.share, model.facts["threads"] = 0.0, 2
    return comparison


def test_times_measured_anew_count_and_the_mark_goes(
    numbers: Task, model: Any, marked: Comparison, tmp_path: Path
) -> None:
    before = by_spec(marked)
    after = by_spec(time_again(numbers, [model], out=tmp_path))
    for spec in SPECS:
        assert after[spec].predictions == before[spec].predictions
        assert after[spec].fit_seconds == before[spec].fit_seconds
        assert after[spec].predict_seconds != before[spec].predict_seconds
        assert [latency.id for latency in after[spec].latencies] == [latency.id for latency in before[spec].latencies]
        assert after[spec].latencies != before[spec].latencies
        assert after[spec].timed_again
        assert after[spec].threads == {"fit": 1, "predict": 2, "latency": 2}
        assert {step: load.share for step, load in after[spec].others.items()} == {
            "fit": 0.5,
            "predict": 0.0,
            "latency": 0.0,
        }
        assert [line["type"] for line in record(tmp_path, spec)][-3:] == ["finished", "again", "again"]
    comparison = read_comparison(tmp_path)
    assert disturbed(comparison) == ()
    assert not any(row.is_busy("predict", "latency") for row in decide(comparison).rows)
    assert not any("Other programs took" in caveat for caveat in decide(comparison).recommendation.caveats)


def test_a_long_fit_on_a_busy_machine_stays_and_says_so(marked: Comparison) -> None:
    runs = tuple(replace(run, fit_seconds=40.0) for run in marked.runs)
    caveats = decide(replace(marked, runs=runs)).recommendation.caveats
    (told,) = (caveat for caveat in caveats if "fitted on a busy machine" in caveat)
    assert "up to 2.0 times" in told
    assert not any("fitted on a busy machine" in caveat for caveat in decide(marked).recommendation.caveats)


def test_after_it_a_new_row_runs_as_the_others_do_now(
    numbers: Task, model: Any, marked: Comparison, tmp_path: Path
) -> None:
    time_again(numbers, [model], out=tmp_path)
    model.facts["threads"] = 1
    runs = by_spec(compare(numbers, model, [*SPECS, "rag:k=1"], out=tmp_path))
    assert {run.threads["predict"] for run in runs.values()} == {2}


def test_only_what_is_named_is_measured_anew(numbers: Task, model: Any, marked: Comparison, tmp_path: Path) -> None:
    comparison = time_again(numbers, [model], ["few-shot:k=2"], out=tmp_path)
    assert {spec for spec, run in by_spec(comparison).items() if run.timed_again} == {"few-shot:k=2"}
    assert disturbed(comparison) == ("zero-shot",)
    (told,) = (caveat for caveat in decide(comparison).recommendation.caveats if "equal conditions" in caveat)
    assert "zero-shot on 1 thread and few-shot:k=2 on 2 threads" in told
    time_again(numbers, [model], SPECS, out=tmp_path)  # of those named, the one that is marked
    assert [line["type"] for line in record(tmp_path, "few-shot:k=2")].count("again") == 2
    time_again(numbers, [model], ["few-shot:k=2"], out=tmp_path)  # none of those named is
    assert [line["type"] for line in record(tmp_path, "few-shot:k=2")].count("again") == 4
    asked = len(model.prompts)
    assert disturbed(time_again(numbers, [model], out=tmp_path)) == ()
    assert len(model.prompts) == asked


def test_answers_that_come_out_otherwise_are_counted_and_not_recorded(
    numbers: Task, model: Any, marked: Comparison, tmp_path: Path
) -> None:
    usual = model.writing
    model.writing = lambda prompt: "changed" if prompt.input == numbers.test[3].input else usual(prompt)
    comparison = time_again(numbers, [model], ["zero-shot"], out=tmp_path)
    run = by_spec(comparison)["zero-shot"]
    assert run.differing == 1
    assert run.predictions == by_spec(marked)["zero-shot"].predictions
    assert any("1 answer came out otherwise" in caveat for caveat in decide(comparison).recommendation.caveats)


def test_a_kill_leaves_the_times_that_were_there(
    numbers: Task, model: Any, marked: Comparison, tmp_path: Path, make_model: Callable[..., Any]
) -> None:
    heard: list[str] = []

    def stop(call: str, texts: list[str], size: int) -> None:
        heard.extend(texts)
        if len(heard) > 40:
            raise KeyboardInterrupt

    model.told = stop
    with pytest.raises(KeyboardInterrupt):
        time_again(numbers, [model], out=tmp_path)
    assert by_spec(read_comparison(tmp_path)) == by_spec(marked)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("task", "the comparison there is not of this task"),
        ("machine", "was measured on another machine (a script, "),
        ("row", "does not hold rag:k=1"),
        ("nothing there", "holds no comparison"),
    ],
)
def test_what_cannot_be_measured_anew_is_told(
    numbers: Task, model: Any, marked: Comparison, tmp_path: Path, change: str, said: str
) -> None:
    task, specs, folder = numbers, None, tmp_path
    match change:
        case "task":
            task = replace(numbers, instruction="Say it.")
        case "machine":
            model.facts["device_name"] = "a faster script"
        case "row":
            specs = ["rag:k=1"]
        case _:
            folder = tmp_path / "elsewhere"
    before = by_spec(marked)
    with pytest.raises(UserError) as told:
        time_again(task, [model], specs, out=folder)
    assert said in str(told.value)
    assert by_spec(read_comparison(tmp_path)) == before
