"""`advisor compare --forgetting`: a tiny model is tuned, and asked again what it knew."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from tests.models.tiny import GROUPED

SPEC = "lora:epochs=2,lr=0.01,rank=2"


@pytest.fixture
def wide(folder_of: Callable[..., Path]) -> list[str]:
    """A tiny model whose window holds every passage."""
    folder = folder_of("wide", AutoConfig.for_model("llama", **(GROUPED | {"max_position_embeddings": 2048})))
    return ["--model", str(folder), "--device", "cpu", "--dtype", "float32"]


def test_a_row_that_trains_is_measured_before_and_after_and_later_on_another_task(
    advisor: Any, tickets: Path, desk: Path, wide: list[str], tmp_path: Path
) -> None:
    command = ("compare", tickets, *wide, "--out", tmp_path, "--approach", SPEC, "--approach", "majority")
    first = advisor(*command, "--forgetting")
    assert first.code == 0, first.err
    assert "Forgetting: tuned against untuned weights" in first.out
    assert "perplexity" in first.out
    assert "the untuned model: ok" in first.err
    more = advisor(*command, "--forgetting-on", desk, "--json")
    rows = {row["spec"]: row for row in json.loads(more.out)["approaches"]}
    known = next(row["forgetting"] for spec, row in rows.items() if spec.startswith("lora"))
    assert known["passages"] == 42
    assert known["ratio"]["low"] < known["ratio"]["value"] < known["ratio"]["high"]
    assert known["ratio"]["value"] != pytest.approx(1.0, abs=1e-4)
    (other,) = known["others"]
    assert (other["name"], other["metric"], other["n"]) == ("desk", "token_f1", 3)
    assert "forgetting" not in rows["majority"]
    assert "fit:" not in more.err.replace("fit zero-shot on desk:", "")
    assert "general text" not in more.err
    report = advisor("report", tmp_path, "--format", "markdown")
    assert "## Forgetting" in report.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--approach", "majority"], "no approach of this comparison trains"),
        (["--budget", "10s"], "--forgetting does not go with --budget"),
        (["--latency-again"], "--forgetting does not go with --latency-again"),
        (["--forgetting-on", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    advisor: Any, tickets: Path, model: list[str], tmp_path: Path, options: list[str], said: str
) -> None:
    found = advisor("compare", tickets, *model, "--out", tmp_path / "run", "--forgetting", *options)
    assert found.code == 2
    assert said in found.err
    assert not (tmp_path / "run").exists()
