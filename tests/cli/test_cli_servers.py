"""Commands whose model's server is gone."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.models.hosted.patience import Patience

Advisor = Callable[..., Any]


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a model where nobody listens; nobody waits for it to come back."""
    pytest.importorskip("openai", reason="pip install 'adaptation-advisor[api]'")
    hasty = Patience(tries=1, first_wait=0.01, longest_wait=0.01, in_a_row=1, gone_seconds=0.0)
    monkeypatch.setattr("advisor.models.hosted.loading.load.__defaults__", (hasty,))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1#small"


def test_a_server_that_is_gone_is_told_in_two_lines(advisor: Advisor, tickets: Path, gone: str, tmp_path: Path) -> None:
    said = advisor("compare", tickets, "--model", gone, "--out", tmp_path, "--approach", "zero-shot")
    assert (said.code, said.out) == (1, "")
    first, second = said.err.strip().splitlines()
    assert first.startswith(f"interrupted: {gone}: the server is gone (")
    assert second == "  the same command goes on from there once it is back"


def test_the_other_models_are_reported_all_the_same(
    advisor: Advisor, tickets: Path, model: list[str], gone: str, tmp_path: Path
) -> None:
    models = ("--model", f"there={gone}", "--model", f"here={model[1]}", *model[2:])
    said = advisor("compare", tickets, *models, "--out", tmp_path, "--approach", "zero-shot", "--json")
    assert said.code == 1
    rows = {row["row"]: (row["status"], row["error"] or "") for row in json.loads(said.out)["approaches"]}
    assert rows["zero-shot@here"][0] == "ok"
    assert rows["zero-shot@there"][0] == "interrupted" and "the server is gone" in rows["zero-shot@there"][1]
    assert "there: interrupted: " in said.err
    assert "Traceback" not in said.err
