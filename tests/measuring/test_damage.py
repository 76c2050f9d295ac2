"""What a failing disk, a power cut, another hand or another version left in a run folder costs what it holds alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.measuring import killed
from advisor.measuring.comparing import compare
from advisor.measuring.lines import append
from advisor.measuring.reading import read_comparison
from advisor.tasks import Task
from advisor.verdict import decide

SPECS = ["majority", "few-shot:k=2"]


@pytest.fixture
def calls() -> list[str]:
    """What the model was asked to do, in order."""
    return []


@pytest.fixture
def again(numbers: Task, make_model: Callable[..., Any], tmp_path: Path, calls: list[str]) -> Callable[[], Any]:
    """The same command again, in the same folder."""
    model = make_model(told=lambda call, texts, size: calls.append(call))
    return lambda: compare(numbers, model, SPECS, out=tmp_path)


@pytest.fixture
def whole(again: Callable[[], Any], calls: list[str]) -> Any:
    """The comparison undisturbed."""
    found = again()
    calls.clear()
    return found


def record(folder: Path, name: str) -> Path:
    (path,) = folder.glob(f"*/{name}.jsonl")
    return path


def answers(comparison: Any) -> dict[str, list[tuple[str, str]]]:
    return {run.spec: [(p.id, p.text) for p in run.predictions] for run in comparison.runs}


@pytest.mark.parametrize(
    "left", [b"", b'{"id": "q1"', b"\x00" * 40, b'{"id": "q1", "targets": ["no"], "evidence": []}\n']
)
def test_answers_are_written_anew_from_the_task(
    left: bytes, whole: Any, again: Callable[[], Any], calls: list[str], tmp_path: Path
) -> None:
    record(tmp_path, "answers").write_bytes(left)
    with pytest.raises(UserError, match=r"answers\.jsonl: is damaged") as caught:
        read_comparison(tmp_path)
    assert "measures nothing again" in caught.value.hint
    assert again() == whole
    assert calls == []


def test_other_targets_than_the_tasks_are_found(whole: Any, tmp_path: Path) -> None:
    path = record(tmp_path, "answers")
    path.write_text(path.read_text().replace("it is 7", "it is 8"))
    with pytest.raises(UserError, match="is damaged"):
        read_comparison(tmp_path)


@pytest.mark.parametrize(
    "line",
    ["garbage", "[" * 5000, '{"type": "predictions"}', '{"type": "latency", "id": 3}', '{"no": "type"}', "7", '"text"'],
)
def test_a_line_that_is_no_record_costs_that_run_alone(
    line: str, whole: Any, again: Callable[[], Any], calls: list[str], tmp_path: Path
) -> None:
    path = record(tmp_path, "few-shot_k=2.seed0")
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[0], line, *rows[1:]]) + "\n")
    found = read_comparison(tmp_path)
    assert [run.status for run in found.runs] == ["ok", "interrupted"]
    assert f"{path}:2 is no record" in str(found.runs[1].error)
    assert any("few-shot:k=2 is not judged" in caveat for caveat in decide(found).recommendation.caveats)
    assert answers(again()) == answers(whole)
    assert "generate" in calls
    calls.clear()
    assert answers(again()) == answers(whole)
    assert calls == []


def test_a_record_of_another_version_is_measured_anew(
    whole: Any, again: Callable[[], Any], calls: list[str], tmp_path: Path
) -> None:
    path = record(tmp_path, "few-shot_k=2.seed0")
    head, *rest = path.read_text().splitlines()
    old = {name: value for name, value in json.loads(head).items() if name != "control"}
    path.write_text("\n".join([json.dumps(old), *rest]) + "\n")
    assert f"{path}:1 is no record" in str(read_comparison(tmp_path).runs[1].error)
    assert answers(again()) == answers(whole)


@pytest.mark.parametrize("line", ["garbage", '{"a": 1}', '{"type": "spans"}', '{"type": "comparison"}', "[1]"])
def test_a_foreign_line_in_the_journal_is_told_and_left_out(
    line: str, whole: Any, again: Callable[[], Any], calls: list[str], tmp_path: Path
) -> None:
    journal = tmp_path / "comparisons.jsonl"
    first, *rest = journal.read_text().splitlines()
    journal.write_text("\n".join([line, first, *rest]) + "\n")
    found = read_comparison(tmp_path)
    assert answers(found) == answers(whole)
    named = f"{journal}:1 is no record and was left out." in decide(found).recommendation.caveats
    assert named == ("type" not in line)
    assert answers(again()) == answers(whole)
    assert calls == []


def test_a_newest_comparison_of_another_version_is_said(whole: Any, tmp_path: Path) -> None:
    append(tmp_path / "comparisons.jsonl", {"type": "comparison", "key": "k"})
    with pytest.raises(UserError, match="not as this version of Advisor writes it"):
        read_comparison(tmp_path)


@pytest.mark.parametrize("change", [{"key": "../../elsewhere"}, {"key": "/etc"}, {"runs": {"majority": 10**12}}])
def test_a_journal_leads_to_no_other_folder_and_to_no_endless_list(change: Any, whole: Any, tmp_path: Path) -> None:
    journal = tmp_path / "comparisons.jsonl"
    head = json.loads(journal.read_text().splitlines()[0]) | change
    append(journal, head)
    with pytest.raises(UserError, match="not as this version of Advisor writes it"):
        read_comparison(tmp_path)


def test_answers_of_other_examples_are_no_record_of_this_comparison(whole: Any, tmp_path: Path) -> None:
    path = record(tmp_path, "few-shot_k=2.seed0")
    path.write_text(path.read_text().replace('"q7"', '"q700"'))
    assert read_comparison(tmp_path).runs[1].status == "interrupted"


def test_what_was_fitted_is_fitted_again_where_a_bit_of_it_flipped(
    numbers: Task, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    whole = compare(numbers, make_model(), ["rag"], out=tmp_path / "whole")
    found = compare(numbers, make_model(), ["rag"], out=tmp_path / "run")
    path = record(tmp_path / "run", "rag.seed0")
    rows = path.read_text().splitlines()
    path.write_text("\n".join(rows[:2]) + "\n")  # killed behind the fit
    (index,) = path.with_suffix("").rglob("*.faiss")
    data = bytearray(index.read_bytes())
    data[len(data) // 2] ^= 1
    index.write_bytes(data)
    again = compare(numbers, make_model(), ["rag"], out=tmp_path / "run")
    assert answers(again) == answers(found) == answers(whole)
    assert [json.loads(row)["type"] for row in path.read_text().splitlines()].count("fitted") == 2


@contextmanager
def counted(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> Iterator[None]:
    """A system that has killed so many processes for memory since it was started."""
    counts = folder / "vmstat"
    counts.write_text(f"nr_free_pages 7\noom_kill {number}\n")
    with monkeypatch.context() as patch:
        start = folder / "boot"
        start.write_text("one\n")
        patch.setattr(killed, "_COUNTS", counts)
        patch.setattr(killed, "_START", start)
        yield


def test_a_process_that_was_killed_twice_for_memory_is_not_killed_a_third_time(
    again: Callable[[], Any], calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(number: int) -> Path:
        """The same command, killed before its first answer: what it left is its beginning."""
        with counted(tmp_path, monkeypatch, number):
            again()
        path = record(tmp_path, "few-shot_k=2.seed0")
        rows = path.read_text().splitlines()
        last = max(i for i, row in enumerate(rows) if json.loads(row)["type"] == "run")
        path.write_text("\n".join(rows[: last + 1]) + "\n")
        return path

    dying(0)
    dying(1)  # one was killed meanwhile
    calls.clear()
    with counted(tmp_path, monkeypatch, 2):  # and another one
        found = again().runs[1]
        assert (found.status, calls) == ("failed", [])
        assert "killed the process 2 times here, before the first answer" in str(found.error)
        assert "--fresh" in str(found.error)
        assert again().runs[1] == found
    assert calls == []


def test_a_process_that_was_killed_by_hand_goes_on(
    again: Callable[[], Any], calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        with counted(tmp_path, monkeypatch, 5):
            assert again().runs[1].status == "ok"
        path = record(tmp_path, "few-shot_k=2.seed0")
        path.write_text(path.read_text().splitlines()[0] + "\n")
