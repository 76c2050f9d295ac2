"""The simulation keeps its promise in small; races are held again from a made-up comparison."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from advisor.measuring.lines import append

ROOT = Path(__file__).parents[2]


@pytest.fixture
def racing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """One of the benchmarks, which are not installed."""
    monkeypatch.syspath_prepend(str(ROOT))

    def find(name: str) -> ModuleType:
        from benchmarks.racing import replay, simulation

        return {"replay": replay, "simulation": simulation}[name]

    return find


def test_ordinary_tests_lose_the_best_where_the_e_process_does_not(racing: Any) -> None:
    simulation = racing("simulation")
    level = next(shape for shape in simulation.SHAPES if shape.name == "right or wrong, no difference")
    lost = {outcome.method: outcome.lost for outcome in simulation.simulate(level, 8)}
    assert lost["e-process"] <= 1
    assert lost["z-tests"] >= 1
    clear = next(shape for shape in simulation.SHAPES if shape.name == "right or wrong, clear (0.15)")
    found = simulation.simulate(clear, 3)
    assert all(outcome.lost == 0 and outcome.decided == 3 for outcome in found)
    assert "| right or wrong, clear (0.15) | 3 |" in simulation.table(found)


def write_run(path: Path, spec: str, right: float, fit: float) -> None:
    random = np.random.default_rng(len(spec))
    head = {"type": "run", "spec": spec, "seed": 0, "control": False, "uses_model": True, "config": {}, "program": "p"}
    rows = [
        {"id": f"q{i}", "text": "yes" if random.uniform() < right else "no", "evidence": [], "confidence": None}
        for i in range(60)
    ]
    fitted = {"type": "fitted", "fit_seconds": fit, "index_seconds": None, "notes": [], "resolved": {}}
    append(path, head, fitted, {"type": "predictions", "seconds": 30.0, "predictions": rows}, {"type": "finished"})


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """The run folder of a comparison whose first approach is far ahead."""
    facts = {"id": "m", "revision": "1", "quantisation": None, "source": "", "dtype": "float32", "device": "cpu"}
    facts |= {"device_name": "", "parameters": 0, "context_window": 100, "embedder": "", "caveats": []}
    task = {"name": "yes", "fingerprint": "f", "kind": "qa", "metric": "exact_match", "labels": [], "train": 100}
    task |= {"dev": 0, "test": 60, "documents": 0, "document_words": 0, "caveats": [], "limits": {}}
    specs = {"few-shot": (0.95, 5.0), "zero-shot": (0.1, 0.0), "lora": (0.05, 400.0)}
    head = {"type": "comparison", "key": "k", "task": task, "model": facts, "runs": dict.fromkeys(specs, 1)}
    head |= {"seeds": 1, "latency_examples": 0, "settings": {}, "versions": {}, "hardware": {}}
    append(tmp_path / "comparisons.jsonl", head)
    append(tmp_path / "k" / "answers.jsonl", *[{"id": f"q{i}", "targets": ["yes"], "evidence": []} for i in range(60)])
    for spec, (right, fit) in specs.items():
        write_run(tmp_path / "k" / f"{spec}.seed0.jsonl", spec, right, fit)
    return tmp_path


def test_a_race_held_again_says_what_it_would_have_chosen_and_taken(
    racing: Any, recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    racing("replay").main([str(recorded), "--races", "1", "--out", str(tmp_path / "out")])
    assert "| yes | 100 | 3 |" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "racing-replay.json").read_text())
    assert {row["chosen"] for row in found["halves"]} == {"few-shot"}
    assert all(row["right"] for row in found["halves"])
    within = [row["share"] for row in found["halves"] if row["way"] == "two fifths"]
    assert within
    assert max(within) <= 0.4
    assert (tmp_path / "out" / "racing-replay.md").exists()
