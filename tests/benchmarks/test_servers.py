"""The benchmarks of served models work, on a server that answers at once."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("openai", reason="needs the extra api")

from benchmarks.servers import __main__ as command
from benchmarks.servers import overhead as benchmark
from benchmarks.servers.table import table


def test_overhead_is_measured_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "PAIRS", 1)
    monkeypatch.setattr(benchmark, "REQUESTS", 24)
    found = benchmark.overhead(0.005)
    assert found["client"] > 0.015  # three rounds of eight at once
    assert found["advisor"] > 0.015
    assert found["ratio"] == pytest.approx(found["advisor"] / found["client"])


def test_the_page_says_what_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("benchmarks.servers.table.PAGE", tmp_path / "servers.md")  # type: ignore[operator]
    side = {"status": "ok", "labels_by": "likelihood", "quality": {"value": 0.5, "low": 0.4, "high": 0.6}}
    side |= {"qps": 2.0, "p50": 310.0, "ttft": 310.0, "requests": 100}
    rows = [{"task": "t", "spec": "zero-shot", "n": 40, "equal": 39, "as_far": 40, "here": side, "there": side}]
    plan = {"task": "t", "side": "there", "rows": 1, "tokens": {"foreseen": 100.0, "took": 150.0, "factor": 1.5}}
    text = table({"parity": {"vLLM, t": rows}, "planning": {"t": [plan]}})
    assert re.search(r"\| vLLM, t \| `zero-shot` \| likelihood \| 39/40 \(40\) \| 0.500 \[0.40, 0.60\]", text)
    assert "100 / 150 (1.50)" in text


def test_every_entry_keeps_what_the_machine_did_beside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.servers.table.PAGE", tmp_path / "servers.md")
    monkeypatch.setattr(command, "RESULTS", tmp_path / "servers.json")
    side = {"status": "ok", "labels_by": "", "quality": None, "qps": 2.0, "p50": 310.0}
    rows = [{"task": "t", "spec": "zero-shot", "n": 40, "equal": 39, "here": side, "there": side}]
    for name, more in (("one", []), ("other", ["--shared"])):
        monkeypatch.setitem(command.BENCHMARKS, "parity", lambda options, name=name: iter([(name, rows)]))
        monkeypatch.setattr("sys.argv", ["servers", "parity", *more])
        command.main()
    others = json.loads((tmp_path / "servers.json").read_text())["others"]["parity"]
    assert [others[name]["shared"] for name in ("one", "other")] == [False, True]
    text = (tmp_path / "servers.md").read_text()
    assert "| one | `zero-shot` |  | 39/40 | ok | ok | 2 | 2 | 310 | 310 |" in text
    assert "| other | `zero-shot` |  | 39/40 | ok | ok |  |  |  |  |" in text


def test_of_a_shared_machine_no_times_are_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.servers.table.PAGE", tmp_path / "servers.md")
    pair = {"foreseen": 100.0, "took": 150.0, "factor": 1.5}
    plan = {"task": "t", "side": "there", "rows": 1, "tokens": pair, "seconds": pair}
    found = {
        "overhead": {"0.02": {"seconds": 0.02, "client": 1.25, "advisor": 1.5, "ratio": 1.2}},
        "planning": {"t": [plan]},
    }
    others = {"overhead": {"0.02": {"shared": True}}, "planning": {"t": {"shared": True}}}
    alone, shared = table(found), table(found | {"others": others})
    assert "| 20 ms | 1.25 | 1.50 | 1.20 |" in alone
    assert "| 20 ms |  |  |  |" in shared
    assert "| t | there | 1 |  | 100 / 150 (1.50) |  | 100 / 150 (1.50) |" in alone
    assert "| t | there | 1 |  | 100 / 150 (1.50) |  |  |" in shared
