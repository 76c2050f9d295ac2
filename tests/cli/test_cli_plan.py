"""`advisor compare --plan`: it says what a comparison takes, and sends nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SILENT = '''
from functools import cached_property
from advisor.models import Capabilities, LanguageModel

class Silent(LanguageModel):
    """A hosted model that must not be asked anything."""
    can = Capabilities(remote=True)
    def __init__(self, name, embedder): self.name, self.embedder = name, embedder
    @cached_property
    def context_window(self): raise AssertionError("asked for its context window")
    def generate(self, prompts, decoding, adaptation=None): raise AssertionError("asked")
    def tells_labels_by(self, labels): raise AssertionError("asked how it tells labels")
    def describe(self): return super().describe() | {"place": "network", "provider": "openai"}

def load(name, loading): return Silent(name.partition(":")[2], loading.load_embedder())
'''


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's models, `silent:NAME`, are installed while the test runs."""
    place = tmp_path / "site"
    info = place / "silent-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "silent_models.py").write_text(SILENT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: silent\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[advisor.models]\nsilent = silent_models:load\n")
    monkeypatch.syspath_prepend(place)


def test_a_plan_asks_a_hosted_model_nothing(
    silent: None, advisor: Callable[..., Any], tickets: Path, tmp_path: Path
) -> None:
    command = ("compare", tickets, "--model", "silent:gpt-4o-mini", "--out", tmp_path / "runs", "--plan")
    said = advisor(*command, "--approach", "zero-shot", "--approach", "nearest", "--approach", "lora", "--json")
    assert (said.code, said.err) == (0, "")
    found = json.loads(said.out)
    zero, nearest, lora = found["rows"]
    assert (zero["spec"], zero["model"], zero["test"]["calls"]) == ("zero-shot", "gpt-4o-mini", 9)
    assert 0 < found["paid_usd"] == zero["total"]["usd"] < 0.01
    assert zero["total"]["seconds"] is None
    assert (nearest["model"], nearest["total"]["calls"]) == (None, 0)
    assert nearest["total"]["seconds"] > 0
    assert lora["instead"] == "skipped: the model cannot be trained here"
    assert found["prices"][0].startswith("gpt-4o-mini: 0.15 USD per million prompt tokens")
    assert not (tmp_path / "runs").exists()
    text = advisor(*command, "--approach", "zero-shot").out
    assert "all together" in text
    assert "how long it takes cannot be told before it was asked" in text
    assert "Nothing was sent and nothing was measured." in text


def test_a_plan_of_a_model_here_says_how_long(advisor: Callable[..., Any], tickets: Path, finished: Any) -> None:
    said = advisor(*finished.command, "--approach", "few-shot:k=3", "--plan", "--json")
    assert said.code == 0
    rows = {row["spec"]: row for row in json.loads(said.out)["rows"]}
    assert rows["zero-shot"]["instead"] == "measured already"
    new = rows["few-shot:k=3"]
    assert new["test"]["calls"] == 9
    assert new["total"]["seconds"] > 0
    assert new["total"]["usd"] > 0


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--max-spend", "0"), "--max-spend is 0"),
        (("--max-spend", "nan"), "--max-spend is nan"),
        (("--plan", "--budget", "10m"), "--plan does not go with --budget"),
        (("--plan", "--latency-again"), "--plan does not go with --latency-again"),
    ],
)
def test_wrong_options_are_told_before_the_model_is_loaded(
    advisor: Callable[..., Any], tickets: Path, options: tuple[str, ...], what: str
) -> None:
    said = advisor("compare", tickets, "--model", "no/such-model", *options)
    assert said.code == 2
    assert what in said.err
