"""The table of whole comparisons is made of runs, and keeps the tasks that were measured before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.comparisons import write


def _approach(spec: str, value: float | None, **figures: Any) -> dict[str, Any]:
    quality = None if value is None else {"value": value, "low": value, "high": value, "n": 40}
    latency = None if value is None else {"p50": 500.0, "p95": 900.0, "n": 4}
    nothing = {"fit_seconds": 0.0, "index_seconds": None, "throughput_qps": 4.0}
    status = "failed" if value is None else "ok"
    return {"spec": spec, "status": status, "quality": quality, "latency_ms": latency, **nothing, **figures}


def _result(name: str, approaches: list[dict[str, Any]], decided: bool = True) -> dict[str, Any]:
    return {
        "task": {"name": name, "fingerprint": "f", "kind": "qa", "metric": "token_f1", "documents": 0}
        | {"train": 200, "test": 40, "path": "/somewhere"},
        "model": {"id": "m", "dtype": "bfloat16", "caveats": ["of this machine"]},
        "hardware": {"cores": 2},
        "versions": {},
        "approaches": approaches,
        "recommendation": {"approach": approaches[0]["spec"], "decided": decided, "alternatives": [], "reasons": []},
    }


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """Two tasks; of one, an approach failed."""
    runs = {
        "cities": _result("cities", [_approach("lora", 0.5, fit_seconds=100.0), _approach("few-shot", None)]),
        "towns": _result("towns", [_approach("rag", 0.25, index_seconds=6.0)], decided=False),
    }
    for name, result in runs.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "results.json").write_text(json.dumps(result))
    return tmp_path


def _rows(table: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    return {line[0].strip("*"): line[1:] for line in lines}


def test_each_cell_says_quality_and_what_it_took(measured: Path) -> None:
    write(measured / "runs", measured / "results")
    rows = _rows((measured / "results" / "comparisons.md").read_text())
    assert rows["approach"] == ["cities", "towns"]
    assert rows["lora"] == ["0.500 (100)", ""]
    assert rows["few-shot"] == ["failed", ""]
    assert rows["rag"] == ["", "0.250 (6)"]
    assert rows["advice"] == ["lora", "rag (undecided)"]
    assert rows["number format"] == ["bfloat16", "bfloat16"]
    assert rows["minutes"] == ["1.9", "0.3"]  # 100 s to fit, 10 for 40 answers at once, 2 for 4 answers alone


def test_tasks_measured_before_stay_and_those_measured_again_are_replaced(measured: Path) -> None:
    write(measured / "runs", measured / "results")
    later = _result("towns", [_approach("rag", 0.75)])
    (measured / "later" / "towns").mkdir(parents=True)
    (measured / "later" / "towns" / "results.json").write_text(json.dumps(later))
    write(measured / "later", measured / "results")
    rows = _rows((measured / "results" / "comparisons.md").read_text())
    assert rows["lora"] == ["0.500 (100)", ""]
    assert rows["rag"] == ["", "0.750"]
    assert rows["advice"] == ["lora", "rag"]


def test_nothing_of_the_machine_is_kept(measured: Path) -> None:
    write(measured / "runs", measured / "results")
    kept = (measured / "results" / "comparisons.json").read_text()
    assert "/somewhere" not in kept
    assert "of this machine" not in kept
