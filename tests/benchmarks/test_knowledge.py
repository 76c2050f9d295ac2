"""Whether facts were trained in, as the benchmark writes it: from what was measured, and from what was published."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from advisor.measuring.comparing import Plan, carry_out
from advisor.models.local.engine import LocalModel
from advisor.tasks import Document, Example, Task
from advisor.verdict import decide
from benchmarks.knowledge import published_figures, section

DOCUMENTS = (Document("1", "Plants", "Grass is green. " * 9), Document("2", "Water", "The sea is blue."))
TRAIN = tuple(Example(f"t{i}", thing, "green") for i, thing in enumerate(("grass", "moss", "a leaf", "a frog")))
TEST = tuple(Example(f"q{i}", thing, "blue") for i, thing in enumerate(("the sea", "the sky", "ice", "rain", "a lake")))
TASK = Task("things", "qa", "Say which colour.", "token_f1", (), TRAIN, (), TEST, DOCUMENTS)


def test_rows_have_perplexities_and_say_whether_facts_were_trained_in(llama: LocalModel, tmp_path: Path) -> None:
    found = carry_out(Plan(tmp_path, latency_examples=0), TASK, llama, ["zero-shot", "cpt:lr=0.01,epochs=4,block=32"])
    lines = list(section(found))
    row = next(line for line in lines if line.startswith("| `cpt:"))
    before, after = (float(cell) for cell in row.split("|")[4:6])
    assert after < before
    assert any(line.startswith("- trained in by cpt:") and "The facts were not shown" in line for line in lines)
    read = next(row for row in decide(found).rows if row.spec.startswith("cpt"))
    assert read.pretrained == "documents" and read.perplexity is not None
    assert (round(read.perplexity[0], 1), round(read.perplexity[1], 1)) == (before, after)
    notes = [note for note in read.notes if note.startswith("The perplexity of a sample of the documents fell from")]
    assert len(notes) == 1
    recorded = [json.loads(line) for path in tmp_path.rglob("cpt*.jsonl") for line in path.read_text().splitlines()]
    assert next(line for line in recorded if line["type"] == "fitted")["perplexity"] == list(read.perplexity)


def test_published_figures_stand_by_study_task_and_model(tmp_path: Path) -> None:
    names = ("study", "task", "model", "approach", "shots_k", "value", "source_id")
    rows = [
        ("a", "news", "m", "zero-shot", "0", "0.4", "one"),
        ("a", "news", "m", "cpt", "0", "0.5", "one"),
        ("a", "news", "m", "cpt", "0", "0.7", "one"),
        ("a", "news", "m", "rag", "0", "0.9", "one"),
        ("a", "news", "m", "rag", "5", "0.1", "one"),
        ("b", "news", "m", "rag", "0", "0.2", "two"),
    ]
    with (tmp_path / "comparisons.csv").open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    (tmp_path / "sources.csv").write_text("source_id,title,reference\none,On news,arXiv 1\ntwo,Other,arXiv 2\n")
    text = "\n".join(published_figures(tmp_path))
    assert "| a | news | m | 0.400 | 0.500 / 0.700 | 0.900 |  | +0.200 | +0.500 |" in text
    assert "On news (arXiv 1)." in text and "Other" not in text
