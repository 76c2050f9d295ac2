"""Records: lines are facts once they end; half a line is none; a later attempt takes the place of an earlier one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from advisor.measuring.attempt import read_run
from advisor.measuring.lines import append, lines

HEAD = {
    "type": "run",
    "spec": "few-shot",
    "seed": 1,
    "control": False,
    "uses_model": True,
    "config": {"few-shot": {"k": 8}},
}
FITTED = {
    "type": "fitted",
    "fit_seconds": 1.5,
    "index_seconds": None,
    "artifact_bytes": 10,
    "trainable_parameters": 2,
    "notes": ["A note."],
}
FINISHED = {"type": "finished", "peak_memory_bytes": 99}


def predictions(*ids: str, seconds: float = 2.0) -> dict[str, object]:
    rows = [{"id": i, "text": f"answer to {i}", "evidence": ["d"], "confidence": 0.5} for i in ids]
    return {"type": "predictions", "seconds": seconds, "predictions": rows}


def latency(key: str) -> dict[str, object]:
    return {"type": "latency", "id": key, "ttft_seconds": 0.1, "seconds": 0.2, "completion_tokens": 3}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deeper" / "run.jsonl"


def write(path: Path, *rows: dict[str, object]) -> None:
    for row in rows:
        append(path, row)


def test_lines_come_back_in_order_whatever_they_hold(path: Path) -> None:
    rows = [{"type": "a", "text": "two\nlines\u2028 and ünïcödé 🦉"}, {"type": "b", "none": None}, {"type": "c"}]
    write(path, *rows)
    assert list(lines(path)) == rows


def test_a_record_that_is_not_there_is_empty(path: Path) -> None:
    assert list(lines(path)) == []
    assert read_run(path) is None


@pytest.mark.parametrize("torn", [b"{", b'{"type": "finished", "peak', '{"text": "ü'.encode()[:-1], b" "])
def test_half_a_line_is_not_read(path: Path, torn: bytes) -> None:
    write(path, HEAD, FITTED)
    with path.open("ab") as file:
        file.write(torn)
    assert [line["type"] for line in lines(path)] == ["run", "fitted"]


@pytest.mark.parametrize("torn", [b"{", b'{"type": "finished", "peak', b"x" * 200_000])
def test_the_next_line_takes_the_place_of_half_a_line(path: Path, torn: bytes) -> None:
    write(path, HEAD, FITTED)
    with path.open("ab") as file:
        file.write(torn)
    append(path, FINISHED)
    assert [line["type"] for line in lines(path)] == ["run", "fitted", "finished"]
    assert path.read_bytes().count(b"\n") == 3
    assert path.read_bytes().endswith(b"\n")


def test_a_file_of_half_a_line_alone_begins_anew(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"type": "ru')
    append(path, HEAD)
    assert path.read_text() == json.dumps(HEAD) + "\n"


def test_cut_at_any_byte_a_record_reads_as_what_was_complete(path: Path) -> None:
    """What a kill can leave: any beginning of the file."""
    rows = [HEAD, FITTED, predictions("q1", "q2"), latency("q1"), FINISHED]
    write(path, *rows)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        complete = whole[:size].count(b"\n")
        found = read_run(path)
        if complete == 0:
            assert found is None
            continue
        assert found is not None
        assert found.status == "interrupted"
        assert (found.fit_seconds is not None) == (complete > 1)
        assert len(found.predictions) == (2 if complete > 2 else 0)
        assert len(found.latencies) == (1 if complete > 3 else 0)


def test_a_finished_run_with_all_that_was_recorded(path: Path) -> None:
    write(path, HEAD, FITTED, predictions("q2", "q1"), predictions("q3", seconds=1.0), latency("q1"), FINISHED)
    run = read_run(path)
    assert run is not None
    assert (run.spec, run.seed, run.status, run.config) == ("few-shot", 1, "ok", {"few-shot": {"k": 8}})
    assert [p.id for p in run.predictions] == ["q2", "q1", "q3"]
    assert run.predictions[0].evidence == ("d",)
    assert (run.predict_seconds, run.fit_seconds, run.index_seconds) == (3.0, 1.5, None)
    assert (run.peak_memory_bytes, run.artifact_bytes, run.trainable_parameters) == (99, 10, 2)
    assert (run.notes, run.error) == (("A note.",), None)
    assert [(x.id, x.ttft_seconds) for x in run.latencies] == [("q1", 0.1)]


def test_what_fitting_chose_stands_in_the_configuration(path: Path) -> None:
    write(path, HEAD, {**FITTED, "resolved": {"few-shot": {"k": 3}}})
    run = read_run(path)
    assert run is not None
    assert run.config == {"few-shot": {"k": 3}}


def test_a_failure_keeps_its_reason(path: Path) -> None:
    write(path, HEAD, FITTED, predictions("q1"), {"type": "failed", "error": "ValueError: no", "traceback": "..."})
    run = read_run(path)
    assert run is not None
    assert (run.status, run.error) == ("failed", "ValueError: no")


def test_a_later_attempt_forgets_the_one_before(path: Path) -> None:
    failed = {"type": "failed", "error": "ValueError: no", "traceback": "..."}
    write(path, HEAD, FITTED, predictions("q1", "q2"), latency("q1"), failed, HEAD)
    run = read_run(path)
    assert run is not None
    assert (run.status, run.error, run.fit_seconds) == ("interrupted", None, None)
    assert (run.predictions, run.latencies, run.predict_seconds, run.notes) == ((), (), None, ())


def test_a_skipped_run_says_why(path: Path) -> None:
    write(path, HEAD, {"type": "skipped", "error": "there are no documents"})
    run = read_run(path)
    assert run is not None
    assert (run.status, run.error) == ("skipped", "there are no documents")


@pytest.mark.parametrize(
    ("said", "tuned"), [({}, True), ({"trains_model": False}, False), ({"trains_model": True}, True)]
)
def test_weights_were_trained_where_the_record_says_so_else_where_parameters_were(
    tmp_path: Path, said: dict[str, bool], tuned: bool
) -> None:
    """A classifier of the model's hidden states has parameters, and leaves the model's weights as they are."""
    path = tmp_path / "run.jsonl"
    for line in (HEAD | said, FITTED, predictions("q1"), FINISHED):
        append(path, line)
    found = read_run(path)
    assert found is not None and found.tuned is tuned
