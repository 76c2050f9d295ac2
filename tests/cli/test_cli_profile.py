"""`advisor profile`: a page or JSON, from a folder or a table, without torch unless a model is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Advisor = Callable[..., Any]
ROOT = Path(__file__).parents[2]


def test_a_folder_is_described_on_a_page(advisor: Advisor) -> None:
    said = advisor("profile", ROOT / "examples" / "handbook-qa")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Advisor: profile of handbook-qa\n")
    assert "100 % stand in the documents word for word" in said.out
    assert max(map(len, said.out.splitlines())) <= 100


def test_json_is_one_document(advisor: Advisor, tickets: Path) -> None:
    said = advisor("profile", tickets, "--json")
    found = json.loads(said.out)
    assert found["task"]["name"] == "tickets"
    assert found["description"]["train"] == 12
    assert {check["what"].split(" in ")[0] for check in found["unchecked"]} >= {"lengths", "likely label errors"}


def test_a_table_is_profiled_by_its_own_lines(advisor: Advisor, tmp_path: Path) -> None:
    rows = [*(f"question number {n},answer" for n in range(20)), "question number 3,answer"]
    table = tmp_path / "data.csv"
    table.write_text("q,a\n" + "\n".join(rows) + "\n", encoding="utf-8")
    columns = ("--input", "q", "--target", "a", "--kind", "qa", "--instruction", "Answer.")
    found = json.loads(advisor("profile", "--train", table, "--split", "0.3", *columns, "--json").out)
    places = {(p["file"], p["line"]) for f in found["findings"] for sight in f["sights"] for p in sight["places"]}
    assert {("data.csv", 5), ("data.csv", 22)} <= places


def test_a_model_counts_its_tokens(advisor: Advisor, tickets: Path, llama_folder: Path) -> None:
    found = json.loads(advisor("profile", tickets, "--model", llama_folder, "--device", "cpu", "--json").out)
    assert found["tokens"]["context_window"] > 0
    assert found["tokens"]["inputs"]["largest"] >= found["description"]["input_words"]["largest"]


def test_an_embedder_judges_labels(advisor: Advisor, tickets: Path) -> None:
    found = json.loads(advisor("profile", tickets, "--embedder", "embedded", "--device", "cpu", "--json").out)
    assert found["label_check"]["judged"] == 21
    assert found["tokens"] is None


def test_no_torch_without_a_model(bringing: Callable[..., Any], tickets: Path) -> None:
    said = bringing(("torch", "transformers", "sklearn", "faiss", "scipy"), "profile", tickets)
    assert (said.code, said.err) == (0, "[]\n")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["{tmp}/nowhere"], "no such folder"),
        ([], "no task was given"),
        (["{task}", "--kind", "qa"], "--kind goes with --train"),
        (["{task}", "--embedder", "./nowhere"], "no such model folder"),
        (["{task}", "--model", "{tmp}/model.gguf"], "no such model file"),
    ],
)
def test_a_mistake_is_told_in_two_lines(
    advisor: Advisor, tickets: Path, tmp_path: Path, arguments: list[str], what: str
) -> None:
    said = advisor("profile", *(word.format(tmp=tmp_path, task=tickets) for word in arguments))
    assert (said.code, said.out) == (2, "")
    assert what in said.err and len(said.err.splitlines()) == 2
