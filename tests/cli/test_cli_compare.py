"""`advisor compare`: from a task folder or tables to results, and what it leaves on the disk."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from advisor.models.contention import Stand

Advisor = Callable[..., Any]


def results(said: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said.out)
    return found


def records(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.glob("*/**/*") if path.is_file()}


def test_all_approaches_are_measured_on_all_test_examples(finished: Any) -> None:
    assert finished.said.code == 0
    found = {a["spec"]: a for a in results(finished.said)["approaches"]}
    assert set(found) == {"majority", "nearest", "head", "zero-shot", "few-shot:k=2", "lora:rank=2,epochs=1"}
    for approach in found.values():
        assert approach["status"] == "ok", approach["error"]
        assert approach["quality"]["n"] == 9
        assert approach["latency_ms"]["p50"] > 0
    assert found["majority"]["quality"]["value"] == pytest.approx(1 / 3, abs=1e-5)
    assert found["head"]["quality"]["value"] > 0.6
    assert found["lora:rank=2,epochs=1"]["trainable_parameters"] > 0
    assert found["lora:rank=2,epochs=1"]["fit_seconds"] > 0


def test_results_say_what_ran_where(finished: Any, tickets: Path, llama_folder: Path) -> None:
    found = results(finished.said)
    assert found["schema"] == 1
    assert (found["task"]["name"], found["task"]["train"], found["task"]["test"]) == ("tickets", 12, 9)
    assert found["model"]["id"] == str(llama_folder)
    assert (found["model"]["dtype"], found["model"]["device"]) == ("float32", "cpu")
    assert len(found["model"]["revision"]) == 16
    assert "all-MiniLM-L6-v2" in found["model"]["embedder"]
    assert found["versions"]["torch"]


def test_json_is_one_document_the_same_in_the_file_and_in_a_report(advisor: Advisor, finished: Any) -> None:
    file = (finished.folder / "results.json").read_text(encoding="utf-8")
    assert finished.said.out == file
    assert advisor("report", finished.folder, "--format", "json").out == file


def test_progress_goes_to_stderr_alone(finished: Any) -> None:
    assert finished.said.out.startswith("{")
    assert "[4/6] zero-shot: ok" in finished.said.err
    assert "predict: 9 in" in finished.said.err
    assert "Traceback" not in finished.said.err


def test_the_same_command_again_does_nothing_again(advisor: Advisor, finished: Any) -> None:
    before = records(finished.folder)
    again = advisor(*finished.command, "--json")
    assert again.code == 0
    assert again.out == finished.said.out
    assert again.err.count("already done") == 6
    assert records(finished.folder) == before
    text = advisor(*finished.command)
    assert "Recommendation" in text.out
    assert not text.out.startswith("{")


def test_results_say_where_the_time_went(finished: Any, advisor: Advisor) -> None:
    found = results(finished.said)["time"]
    assert {"load", "embed", "prefill", "score", "train", "report", "other"} <= set(found["seconds"])
    assert all(seconds > 0 for seconds in found["seconds"].values())
    assert set(found["tokens"]) == set(found["share_of_ceiling"]) == {"prefill", "train"}
    assert all(0 < share < 1 for share in found["share_of_ceiling"].values())
    text = advisor("report", finished.folder).out
    assert "share of ceiling: prefill " in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.usefixtures("kept")
def test_another_run_folder_takes_over_what_did_not_change(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path
) -> None:
    def compare(folder: str, *specs: str, more: tuple[str, ...] = ()) -> Any:
        approaches = [word for spec in specs for word in ("--approach", spec)]
        return advisor("compare", tickets, *model, *approaches, "--out", tmp_path / folder, "--json", *more)

    first = compare("a", "head", "lora:epochs=1,rank=2", "few-shot:k=2")
    second = compare("b", "head", "lora:epochs=1,rank=2", "few-shot:k=1")
    before, after = ({a["spec"]: a for a in results(said)["approaches"]} for said in (first, second))
    for spec in ("head", "lora:rank=2,epochs=1"):
        assert after[spec]["measured"]
        for key in ("quality", "latency_ms", "fit_seconds", "throughput_qps", "cost_usd"):
            assert after[spec][key] == before[spec][key]
        assert f"{spec}: reused, measured on " in second.err
    assert after["few-shot:k=1"]["measured"] is None
    (told,) = (line for line in advisor("report", tmp_path / "b").out.splitlines() if line.startswith("  reused"))
    assert all(spec in told for spec in ("head", "lora:rank=2,epochs=1", " (measured on "))
    anew = compare("c", "head", "few-shot:k=1", more=("--fresh",))
    assert [a["measured"] for a in results(anew)["approaches"]] == [None, None]
    assert "reused" not in anew.err
    (tmp_path / "cache" / "store").rename(tmp_path / "gone")
    assert compare("d", "head").code == 0


@pytest.mark.usefixtures("kept")
def test_reused_embeddings_cost_what_they_cost(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path
) -> None:
    found = []
    for folder, spec in (("a", "few-shot:select=nearest"), ("b", "few-shot:k=3,select=nearest")):
        said = advisor("compare", tickets, *model, "--approach", spec, "--out", tmp_path / folder, "--json")
        found.append(results(said))
    (first,), (second,) = (result["approaches"] for result in found)
    assert first["reused"] == {}
    assert second["reused"]["embeddings"] > 0
    assert second["fit_seconds"] >= second["reused"]["embeddings"] / 2
    assert found[1]["time"]["seconds"]["embed"] < found[0]["time"]["seconds"]["embed"]


def test_nothing_that_could_run_code_is_left_behind(finished: Any) -> None:
    files = [path for path in finished.folder.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files if path.name != ".lock"}
    assert kinds <= {".json", ".jsonl", ".npz", ".safetensors", ".md"}
    assert any(path.name == "adapter_model.safetensors" for path in files)


def test_a_run_cut_off_after_training_keeps_its_training(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path
) -> None:
    """Everything behind the training is taken out of the record, as if a kill had come before it."""
    command = ("compare", tickets, *model, "--approach", "lora:epochs=1,rank=2", "--out", tmp_path, "--json")
    whole = results(advisor(*command))["approaches"][0]
    (path,) = tmp_path.glob("*/lora*.seed0.jsonl")
    texts = [line for line in path.read_text().splitlines() if '"type": "predictions"' in line]
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]) + texts[0][:50])
    again = advisor(*command)
    assert "restore" in again.err
    assert "  fit:" not in again.err
    found = results(again)["approaches"][0]
    for key in ("quality", "fit_seconds", "trainable_parameters", "notes", "tokens_per_query"):
        assert found[key] == whole[key]
    rows = [line for line in path.read_text().splitlines() if '"type": "predictions"' in line]
    assert [json.loads(r)["predictions"] for r in rows] == [json.loads(t)["predictions"] for t in texts]


def test_documents_are_retrieved_for_questions(advisor: Advisor, desk: Path, model: list[str], tmp_path: Path) -> None:
    specs = ("--approach", "rag:k=1", "--approach", "oracle:k=1", "--approach", "rag:k=1+lora:epochs=1,rank=2")
    said = advisor("compare", desk, *model, *specs, "--out", tmp_path, "--json")
    assert said.code == 0
    found = {a["spec"]: a for a in results(said)["approaches"]}
    assert found["rag:k=1"]["retrieval"]["recall_at_k"] == 1.0
    assert found["rag:k=1+lora:rank=2,epochs=1"]["retrieval"]["mrr"] == 1.0
    assert found["oracle:k=1"]["control"]
    assert found["rag:k=1"]["index_seconds"] > 0


def test_an_approach_that_does_not_apply_is_skipped_and_no_failure(
    advisor: Advisor, desk: Path, model: list[str], tmp_path: Path
) -> None:
    said = advisor("compare", desk, *model, "--approach", "head", "--approach", "majority", "--out", tmp_path, "--json")
    assert said.code == 0
    assert {a["spec"]: a["status"] for a in results(said)["approaches"]} == {"head": "skipped", "majority": "ok"}


def test_a_failed_approach_gives_exit_1_and_the_others_are_there(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path, broken: Path
) -> None:
    specs = ("--approach", "majority", "--approach", "broken", "--approach", "nearest")
    said = advisor("compare", tickets, *model, *specs, "--out", tmp_path / "run")
    assert said.code == 1
    assert "RuntimeError: out of luck" in said.out
    assert "broken: failed: RuntimeError: out of luck" in said.err
    assert "Traceback" not in said.out + said.err
    found = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {a["spec"]: a["status"] for a in found["approaches"]} == {
        "majority": "ok",
        "broken": "failed",
        "nearest": "ok",
    }
    assert next(a for a in found["approaches"] if a["spec"] == "broken")["quality"] is None
    assert advisor("report", tmp_path / "run").code == 0


def write_table(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "topic"), *rows])
    return path


TICKETS = [(f"my card number {i}", "card") for i in range(6)] + [(f"my new address {i}", "address") for i in range(6)]
TELL = ("--input", "text", "--target", "topic", "--kind", "classification", "--instruction", "Sort.")


def test_a_task_from_tables(advisor: Advisor, model: list[str], tmp_path: Path) -> None:
    train = write_table(tmp_path / "train.csv", TICKETS)
    test = write_table(tmp_path / "test.csv", [("which card", "card"), ("what address", "address")])
    command = ("compare", "--train", train, "--test", test, *TELL, "--metric", "macro_f1", "--name", "sorting")
    said = advisor(*command, *model, "--approach", "head", "--out", tmp_path / "run", "--json")
    assert said.code == 0
    found = results(said)
    assert (found["task"]["name"], found["task"]["metric"]) == ("sorting", "macro_f1")
    assert (found["task"]["train"], found["task"]["test"]) == (12, 2)
    assert found["approaches"][0]["quality"]["value"] == 1.0


def test_a_table_is_split_by_seed(advisor: Advisor, model: list[str], tmp_path: Path) -> None:
    train = write_table(tmp_path / "data.csv", TICKETS)
    command = ("compare", "--train", train, "--split", "0.25", *TELL, *model, "--approach", "majority", "--json")
    found = [results(advisor(*command, "--out", tmp_path / name)) for name in ("one", "two")]
    assert [(f["task"]["train"], f["task"]["test"]) for f in found] == [(9, 3), (9, 3)]
    assert found[0]["task"]["fingerprint"] == found[1]["task"]["fingerprint"]
    assert any("seeded split" in caveat for caveat in found[0]["task"]["caveats"])


def test_fewer_examples_are_taken_by_label_and_said(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path
) -> None:
    command = ("compare", tickets, *model, "--approach", "majority", "--out", tmp_path, "--json")
    found = results(advisor(*command, "--limit", "3", "--train-limit", "6"))
    assert (found["task"]["train"], found["task"]["test"]) == (6, 3)
    assert found["approaches"][0]["quality"] | {"low": 0, "high": 0} == {"value": 0.333333, "low": 0, "high": 0, "n": 3}
    assert any("3 of 9 test examples" in caveat for caveat in found["recommendation"]["caveats"])


def test_seeds_are_told_to_the_report(advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path) -> None:
    specs = ("--approach", "few-shot:k=2", "--approach", "majority")
    found = results(advisor("compare", tickets, *model, *specs, "--seeds", "2", "--out", tmp_path, "--json"))
    assert {a["spec"]: a["seeds"] for a in found["approaches"]} == {"few-shot:k=2": 2, "majority": 1}
    assert found["seeds"] == 2


def test_ctrl_c_ends_with_130_and_one_line_and_the_command_goes_on(
    start: Callable[..., subprocess.Popen[str]], advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path
) -> None:
    specs = ["--approach", "majority", "--approach", "lora:epochs=100000"]
    command = ["compare", str(tickets), *model, *specs, "--out", str(tmp_path)]
    process = start("-m", "advisor.cli", *command)
    assert process.stderr
    heard = ""
    while "[2/2] lora" not in heard:
        line = process.stderr.readline()
        assert line, heard
        heard += line
    process.send_signal(signal.SIGINT)
    out, rest = process.communicate(timeout=30)
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "interrupted: the same command goes on from here"
    assert "Traceback" not in rest
    assert out == ""
    again = advisor("compare", tickets, *model, "--approach", "majority", "--out", tmp_path)
    assert "majority: already done" in again.err


def test_a_ctrl_c_that_a_library_keeps_to_itself_is_raised_again(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path, broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []

    def fit(self: Any, task: Any, model: Any, seed: int) -> None:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        while True:
            try:
                time.sleep(60)
            except KeyboardInterrupt:
                heard.append("")
                if len(heard) > 1:
                    raise

    monkeypatch.setattr(import_module("broken_approach").Broken, "fit", fit)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background would hear nothing
    try:
        said = advisor("compare", tickets, *model, "--approach", "broken", "--out", tmp_path / "run")
    finally:
        signal.signal(signal.SIGINT, before)
    assert said.code == 130
    assert len(heard) == 2
    assert said.err.splitlines()[-1] == "interrupted: the same command goes on from here"


def test_times_are_measured_anew_where_the_machine_was_busy(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = 0.6
    counts = [0.0, 0.0]

    def look() -> Stand:
        counts[0] += 1.0
        counts[1] += 2 * share
        return Stand(counts[0], counts[1], 0.0, (0, 1))

    monkeypatch.setattr("advisor.models.local.loading.look", look)
    command = ("compare", tickets, *model, "--out", tmp_path, "--approach", "zero-shot", "--approach", "nearest")
    busy = {a["spec"]: a for a in results(advisor(*command, "--json"))["approaches"]}
    assert {a["others_cpu_share"] for a in busy.values()} == {0.6}
    text = advisor("report", tmp_path).out
    assert "~ measured on a busy machine" in text
    assert "up to 2.5 times what they are on a quiet machine" in " ".join(text.split())
    share = 0.0
    said = advisor(*command, "--latency-again", "--json")
    assert said.code == 0
    quiet = {a["spec"]: a for a in results(said)["approaches"]}
    assert {a["others_cpu_share"] for a in quiet.values()} == {0.0}
    for spec, found in quiet.items():
        assert found["timed_again"]
        assert found["answers_differing"] == 0
        assert found["latency_ms"] != busy[spec]["latency_ms"]
        assert found["throughput_qps"] != busy[spec]["throughput_qps"]
        for kept in ("quality", "fit_seconds"):
            assert found[kept] == busy[spec][kept]
    assert "~ measured on a busy machine" not in advisor("report", tmp_path).out
    before = records(tmp_path)
    again = advisor("compare", tickets, *model, "--out", tmp_path, "--latency-again")
    assert "no row is from a busy machine" in again.err
    assert records(tmp_path) == before


def test_times_of_what_was_never_measured_are_not_measured_anew(
    advisor: Advisor, tickets: Path, model: list[str], tmp_path: Path
) -> None:
    said = advisor("compare", tickets, *model, "--out", tmp_path, "--latency-again")
    assert (said.code, said.out) == (2, "")
    assert "holds no comparison" in said.err
