"""Run folders that an earlier version wrote are still read: every figure and key is what it was (schema 1)."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import advisor
from advisor.cli import main
from advisor.errors import UserError

KEPT = Path(__file__).parent / "kept"
IN_WORDS = ("reasons", "caveats", "flips_when", "notes", "meaning", "sentences", "why", "fix", "against", "settle")
"""Sentences, which may be put otherwise."""


def differences(then: Any, now: Any, place: str = "") -> Iterator[str]:
    """What was there then and is not now, or is otherwise; keys that were added are no difference."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key, value in then.items():
            if key not in now:
                yield f"{place}.{key} is missing"
            elif key not in (*IN_WORDS, "folder"):
                yield from differences(value, now[key], f"{place}.{key}")
    elif isinstance(then, list) and isinstance(now, list):
        if len(then) != len(now):
            yield f"{place}: {len(then)} then, {len(now)} now"
        for number, (one, other) in enumerate(zip(then, now, strict=False)):
            yield from differences(one, other, f"{place}[{number}]")
    elif (
        place.endswith((".low", ".high"))
        and isinstance(then, float)
        and abs(then) > 1
        and now == math.copysign(1, then)
    ):
        pass  # differences that there cannot be are no longer told
    elif then != now and not (isinstance(then, float) and now == pytest.approx(then, rel=1e-9)):
        yield f"{place}: {then!r} then, {now!r} now"


@pytest.mark.parametrize("name", ["tickets", "handbook", "race"])
def test_a_comparison_of_an_earlier_version_says_what_it_said(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    then = json.loads((KEPT / name / "results.json").read_text(encoding="utf-8"))
    assert main(["report", str(KEPT / name), "--format", "json"]) == 0
    now = json.loads(capsys.readouterr().out)
    assert now["schema"] == then["schema"] == 1
    assert list(differences(then, now)) == []
    assert main(["report", str(KEPT / name)]) == 0
    shown = capsys.readouterr().out
    assert all(row["spec"] in shown for row in then["approaches"])


def test_curves_of_an_earlier_version_say_what_they_said(capsys: pytest.CaptureFixture[str]) -> None:
    then = json.loads((KEPT / "curve" / "curve.json").read_text(encoding="utf-8"))
    assert main(["report", str(KEPT / "curve"), "--format", "json"]) == 0
    assert list(differences(then, json.loads(capsys.readouterr().out))) == []


def test_what_an_earlier_version_did_not_record_is_missing_and_said(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(KEPT / "tickets", tmp_path / "run"))
    comparison = advisor.read_comparison(folder)
    assert {answer.input for answer in comparison.answers.values()} == {""}
    assert {passage for run in comparison.runs for p in run.predictions for passage in p.passages} == set()
    with pytest.raises(UserError, match="does not say how its model"):
        advisor.load_predictor(folder, "zero-shot")
