"""What may be spent is asked for on a terminal, before anything is sent."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from advisor.commands.spending import asked_cap
from advisor.forecast.plan import Scope
from advisor.measuring.lineup import asked, lineup
from advisor.models.load import Loading, ModelSource
from advisor.tasks import Task
from advisor.verdict.prices import load_prices

ROOT = Path(__file__).parents[2]
PRICES = """
date = "2026-11-30"
[[hosted]]
model = "dear"
usd_per_million_prompt_tokens = 1000.0
usd_per_million_completion_tokens = 1000.0
source = "a test"
"""
NOBODY = "http://127.0.0.1:9/v1#dear"  # nothing listens there: what is sent would fail


def test_a_cap_is_asked_for_where_much_is_foreseen(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(PRICES)
    task = str(ROOT / "examples" / "ticket-routing")
    command = [sys.executable, "-m", "advisor.cli", "compare", task, "--model", NOBODY, "--approach", "zero-shot"]
    command += ["--prices", str(tmp_path / "prices.toml"), "--out", str(tmp_path / "run")]
    ours, theirs = os.openpty()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ADVISOR_CACHE": "off", "COLUMNS": "300"}
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs, env=environment)
    os.close(theirs)
    heard = _until(ours, "dollars at most?", 90)
    assert "is foreseen (--plan says for what)" in heard
    os.write(ours, b"not much\n")
    assert "no amount was given, so that nothing was sent" in _until(ours, "nothing was sent", 60)
    assert process.wait(30) == 2
    os.close(ours)


def test_no_cap_is_asked_for_what_vllm_runs_here(
    tmp_path: Path, light_task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    models = [ModelSource("vllm:./none", Loading(alias="own"))]  # to plan it would be to load it
    rows = lineup(asked(["zero-shot"], light_task), models)
    assert asked_cap(light_task, models, rows, load_prices(None), Scope(tmp_path / "runs")) is None


def _until(terminal: int, said: str, seconds: float) -> str:
    """What is written to a terminal until something is said, or it ends."""
    heard, end = "", time.monotonic() + seconds
    while said not in heard and time.monotonic() < end:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # nobody has it open any more
            break
        heard += piece.decode(errors="replace")
    return heard


def test_an_amount_that_is_none_is_a_mistake(tmp_path: Path) -> None:
    task = str(ROOT / "examples" / "ticket-routing")
    command = [sys.executable, "-m", "advisor.cli", "compare", task, "--max-spend", "nan", "--out", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 2
    assert "--max-spend is nan" in found.stderr
