"""What a run folder holds answers elsewhere as it was measured: in another process, moved, without the task."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import advisor
from advisor.approaches import parse, spec_of
from advisor.cli import main
from advisor.errors import UserError
from advisor.models.local.engine import LocalModel
from advisor.models.store import fresh
from advisor.tasks import Example, Task

ROOT = Path(__file__).parents[2]
SPECS = ("majority", "nearest", "head", "zero-shot", "few-shot:k=2", "few-shot:k=2,select=nearest", "rag:k=2")
TUNED = (
    "lora:rank=2,epochs=1",
    "rag:k=1+lora:rank=2,epochs=1",
    spec_of(parse("lora:rank=2,epochs=1,dora=true,serve=attached")),
    "setfit:epochs=1",
    "encoder:epochs=1",
)


@pytest.fixture(scope="module")
def moved(
    tmp_path_factory: pytest.TempPathFactory, llama_folder: Path, light_task: Task
) -> tuple[Path, advisor.Comparison, list[Example]]:
    """A run folder that was moved after it was made, what it said there, and the test examples."""
    home = tmp_path_factory.mktemp("measured")
    model = advisor.load_model(str(llama_folder), embedder="embedded", device="cpu", dtype="float32")
    found = advisor.compare(light_task, model, [*SPECS, *TUNED], out=home / "run")
    return Path(shutil.move(home / "run", home / "elsewhere")), found, list(light_task.test)


def command(*arguments: str, asked: str = "") -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "advisor.cli", *arguments],
        input=asked,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


def answers(run: Any) -> dict[str, str]:
    return {p.id: p.text for p in run.predictions}


@pytest.mark.parametrize("spec", [*SPECS, *TUNED])
def test_every_approach_answers_as_it_was_recorded(
    spec: str, moved: tuple[Path, advisor.Comparison, list[Example]]
) -> None:
    folder, comparison, test = moved
    (run,) = (run for run in comparison.runs if run.spec == spec)
    predictor = advisor.load_predictor(folder, spec)
    told = predictor.predict([example.query for example in test])
    assert {p.id: p.text for p in told} == answers(run)
    assert {p.id: p.evidence for p in told} == {p.id: p.evidence for p in run.predictions}
    assert {p.id: p.passages for p in told} == {p.id: p.passages for p in run.predictions}
    predictor.close()


def test_a_process_of_its_own_answers(
    moved: tuple[Path, advisor.Comparison, list[Example]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, comparison, test = moved
    spec = TUNED[1]
    (run,) = (run for run in comparison.runs if run.spec == spec)
    asked = "".join(f"{example.input}\n" for example in test)
    done = command("answer", str(folder), spec, asked=asked)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["text"] for line in lines] == [answers(run)[example.id] for example in test]
    assert all(len(line["evidence"]) == 1 and len(line["passages"]) == 1 for line in lines)
    assert main(["answer", str(folder), spec, test[0].input]) == 0
    assert capsys.readouterr().out.strip() == answers(run)[test[0].id]


def test_the_choice_answers_where_no_row_is_named(
    moved: tuple[Path, advisor.Comparison, list[Example]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, comparison, test = moved
    chosen = advisor.decide(comparison).recommendation
    predictor = advisor.load_predictor(folder)
    (run,) = (run for run in comparison.runs if run.spec == chosen.approach)
    assert predictor.predict([test[0].query])[0].text == answers(run)[test[0].id]
    assert (f"{chosen.approach} is the provisional choice" in capsys.readouterr().err) is not chosen.decided


def test_a_row_that_is_not_there_is_answered_with_those_that_are(
    moved: tuple[Path, advisor.Comparison, list[Example]],
) -> None:
    with pytest.raises(UserError, match="has no row 'few-shto'") as caught:
        advisor.load_predictor(moved[0], "few-shto")
    assert "majority, nearest, head, zero-shot, few-shot:k=2," in str(caught.value.hint)


def test_another_model_is_refused(moved: tuple[Path, advisor.Comparison, list[Example]], mistral: LocalModel) -> None:
    with pytest.raises(UserError, match=r"was measured with .*llama, revision \w+, and the revision of .*mistral is"):
        advisor.load_predictor(moved[0], "zero-shot", mistral)


def test_what_was_damaged_or_never_measured_says_what_to_do(
    moved: tuple[Path, advisor.Comparison, list[Example]], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(moved[0], tmp_path / "copy"))
    for path in folder.rglob("predictor.json"):
        path.write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="not there, or was damaged") as caught:
        advisor.load_predictor(folder, "zero-shot")
    assert "--approach zero-shot --fresh" in str(caught.value.hint)


def test_texts_are_recorded_unless_they_are_to_be_left_out(light_task: Task, model: Any, tmp_path: Path) -> None:
    secret = light_task.test[0].input
    kept = advisor.compare(light_task, model, ["zero-shot", "rag:k=1"], out=tmp_path / "kept")
    assert {key: answer.input for key, answer in kept.answers.items()} == {e.id: e.input for e in light_task.test}
    shown = [p.passages for run in kept.runs if run.spec == "rag:k=1" for p in run.predictions]
    texts = {document.text for document in light_task.documents}
    assert all(len(passages) == 1 and passages[0].text in texts for passages in shown)
    without = advisor.compare(light_task, model, ["zero-shot", "rag:k=1"], out=tmp_path / "without", texts=False)
    for path in (tmp_path / "without").glob("*/*.jsonl"):
        said = path.read_text(encoding="utf-8")
        assert secret not in said
        assert not any(text in said for text in texts), path
    assert [answers(run) for run in without.runs] == [answers(run) for run in kept.runs]
    told = " ".join(advisor.report(advisor.decide(without)).split())
    assert "left out of the records (--no-texts)" in told
    assert "--no-texts" not in advisor.report(advisor.decide(kept))


def test_weights_that_lie_elsewhere_now_are_the_same_model(
    moved: tuple[Path, advisor.Comparison, list[Example]], llama_folder: Path, tmp_path: Path
) -> None:
    elsewhere = Path(shutil.copytree(llama_folder, tmp_path / "weights"))
    model = advisor.load_model(str(elsewhere), embedder="embedded", device="cpu", dtype="float32")
    folder, comparison, test = moved
    (run,) = (run for run in comparison.runs if run.spec == TUNED[1])
    predictor = advisor.load_predictor(folder, TUNED[1], model)
    assert predictor.predict([test[0].query])[0].text == answers(run)[test[0].id]


def test_a_record_does_not_let_code_run(moved: tuple[Path, advisor.Comparison, list[Example]], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(moved[0], tmp_path / "from elsewhere"))
    journal = folder / "comparisons.jsonl"
    said = journal.read_text(encoding="utf-8").replace('"trust_remote_code": false', '"trust_remote_code": true')
    journal.write_text(said, encoding="utf-8")
    with pytest.raises(UserError, match="was loaded with code of its own"):
        advisor.load_predictor(folder, "zero-shot")


ANYWHERE = (["--json", "zero-shot", "the sea"], ["zero-shot", "--json", "the sea"], ["zero-shot", "the sea", "--json"])


@pytest.mark.parametrize("arguments", ANYWHERE)
def test_options_may_stand_anywhere(
    arguments: list[str],
    moved: tuple[Path, advisor.Comparison, list[Example]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["answer", str(moved[0]), *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["text"] in ("red", "green", "blue")


def test_a_lone_spec_that_is_no_row_is_no_question(
    moved: tuple[Path, advisor.Comparison, list[Example]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["answer", str(moved[0]), "rag:k=7"]) == 2
    assert "has no row 'rag:k=7'" in capsys.readouterr().err


def test_what_is_gone_is_measured_anew_where_that_is_asked_for(light_task: Task, model: Any, tmp_path: Path) -> None:
    first = advisor.compare(light_task, model, ["few-shot:k=2"], out=tmp_path)
    shutil.rmtree(next(tmp_path.glob("*/few-shot*.seed0")))
    with fresh():
        again = advisor.compare(light_task, model, ["few-shot:k=2"], out=tmp_path)
    assert [answers(run) for run in again.runs] == [answers(run) for run in first.runs]
    assert list(tmp_path.glob("*/few-shot*.seed0/predictor.json"))


def test_texts_that_were_recorded_are_not_said_to_be_left_out(light_task: Task, model: Any, tmp_path: Path) -> None:
    """What is recorded without texts lies apart from what was recorded with them."""
    kept = advisor.compare(light_task, model, ["rag:k=1"], out=tmp_path)
    without = advisor.compare(light_task, model, ["rag:k=1"], out=tmp_path, texts=False)
    assert kept.key != without.key
    assert not any(p.passages for run in without.runs for p in run.predictions)


def test_the_recorded_model_is_not_loaded_in_another_way(
    moved: tuple[Path, advisor.Comparison, list[Example]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _, _ = moved
    assert main(["answer", str(folder), "zero-shot", "the sea", "--dtype", "bfloat16"]) == 2
    assert "--dtype goes with --model: the recorded model is loaded as it was recorded" in capsys.readouterr().err
