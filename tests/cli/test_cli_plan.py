"""`advisor compare --plan`: it says what a comparison takes, and sends nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import parse
from advisor.commands.planning import planned_comparison
from advisor.forecast.plan import Scope
from advisor.measuring.comparing import compare
from advisor.measuring.lineup import asked, lineup
from advisor.measuring.progress import Silence
from advisor.models import Capabilities
from advisor.tasks import Example, Task
from advisor.verdict.prices import load_prices

SILENT = '''
from functools import cached_property
from advisor.models import Capabilities, LanguageModel

class Silent(LanguageModel):
    """A hosted model that must not be asked anything."""
    can = Capabilities(remote=True)
    def __init__(self, name, embedder): self.name, self.embedder = name, embedder
    @cached_property
    def context_window(self): raise AssertionError("asked for its context window")
    def assume_window(self, tokens): self.context_window = tokens
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
    assert said.code == 0
    assert not said.err or re.fullmatch(r"load silent:gpt-4o-mini: .* s\n", said.err)  # on a busy machine
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


SPECS = ["zero-shot", "few-shot:k=2", "nearest"]


@pytest.fixture
def colours() -> Task:
    train = tuple(Example(f"t{i}", f"colour of thing {i}", ("red", "blue")[i % 2]) for i in range(6))
    test = tuple(Example(f"q{i}", f"and the colour of {i}", ("red", "blue")[i % 2]) for i in range(5))
    return Task("colours", "qa", "Answer.", "exact_match", train=train, test=test)


@pytest.fixture
def served(make_model: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a model that is not in this process, of which seconds are not probed; keywords as its facts."""
    return lambda **facts: make_model(can=Capabilities(score=True, remote=True), facts=facts)


@pytest.fixture
def instead(colours: Task, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """What a plan says instead of foreseeing, of each approach; keywords as of the scope."""

    def plan(model: Any, **scope: Any) -> dict[str, str]:
        rows = lineup(asked(SPECS, colours), [model])
        found = planned_comparison(colours, [model], rows, load_prices(None), Scope(tmp_path, **scope), Silence())
        assert not model.prompts
        return {row.spec: row.instead for row in found.rows}

    return plan


DONE, NOTHING = dict.fromkeys(SPECS, "measured already"), dict.fromkeys(SPECS, "")


def test_what_is_recorded_is_planned_no_more(
    colours: Task, served: Callable[..., Any], instead: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    assert instead(served()) == NOTHING
    compare(colours, served(), SPECS, out=tmp_path)
    assert instead(served()) == DONE
    assert instead(served(), texts=False) == instead(served(labels_by="text")) == NOTHING
    seeds = instead(served(), seeds=2)
    assert seeds == {**DONE, **{spec: "" for spec in SPECS if parse(spec).seeded}}
    # what was compared last does not matter: each of these has records of its own, which would be gone on with
    compare(colours, served(), ["majority"], out=tmp_path)
    compare(replace(colours, test=colours.test[:3]), served(), SPECS, out=tmp_path)
    compare(colours, served(labels_by="text"), SPECS[:1], out=tmp_path)
    assert instead(served()) == DONE


@pytest.mark.parametrize("change", ["another program", "unfinished", "damaged"])
def test_what_would_be_measured_anew_is_planned(
    change: str, colours: Task, served: Callable[..., Any], instead: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    compare(colours, served(), SPECS, out=tmp_path)
    (path,) = tmp_path.glob("*/zero-shot.seed0.jsonl")
    kept = path.read_text()
    if change == "another program":
        path.write_text(re.sub(r'"program": "\w+"', '"program": "0123456789abcdef"', kept))
    elif change == "unfinished":
        path.write_text("".join(line for line in kept.splitlines(True) if '"finished"' not in line))
    else:
        path.write_text(kept.replace('"type"', "type", 3))
    assert kept != path.read_text()
    assert instead(served()) == {**DONE, "zero-shot": ""}
    compare(colours, served(), SPECS, out=tmp_path)
    assert instead(served()) == DONE


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
