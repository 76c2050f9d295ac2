"""Answers that are kept: after a kill nothing that was answered is asked again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import Interrupted
from advisor.models import Decoding, Prompt
from advisor.models.clock import clock

WORDS = Decoding(8, ("\n",))
Load = Callable[..., Any]
ROOT = Path(__file__).parents[3]
SCRIPT = """
import json, pathlib, sys
from advisor.models import Decoding, Prompt
from advisor.models.clock import clock
from advisor.models.hosted.loading import load
from advisor.models.load import Loading

Loading.load_embedder = lambda self: None
model = load(sys.argv[1], Loading(concurrency=4))
model.context_window
with model.keeping_answers(pathlib.Path(sys.argv[2])):
    model.generate([Prompt("Say it again.", f"secret text {number}") for number in range(40)], Decoding(8))
print(json.dumps(clock.drain().calls))
"""


def asked(count: int) -> list[Prompt]:
    return [Prompt("Say it again.", f"secret text {number}") for number in range(count)]


def test_what_was_answered_is_not_asked_again(server: Any, load_served: Load, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.asked.jsonl"
    first = load_served(server.name, concurrency=2)
    with first.keeping_answers(path):
        before = first.generate(asked(10), WORDS)
    sent = len(server.requests)
    clock.drain()
    again = load_served(server.name, concurrency=2)
    with again.keeping_answers(path):
        after = again.generate(asked(10), WORDS)
    calls = clock.drain()
    assert [one.text for one in after] == [one.text for one in before]
    assert [one.completion_tokens for one in after] == [one.completion_tokens for one in before]
    assert len(server.requests) == sent + 1  # what the server says of itself
    assert not calls.calls and calls.reused["answers"] > 0
    assert again.answered_by == ("toy v1",)


def test_seconds_of_answers_that_were_kept_are_those_that_the_call_took(
    server: Any, load_served: Load, tmp_path: Path
) -> None:
    """At four requests a time, not the sum of all."""
    server.seconds = 0.05
    model = load_served(server.name, concurrency=4)
    with model.keeping_answers(tmp_path / "kept.jsonl"):
        model.generate(asked(1), WORDS)
        began = clock.now()
        model.generate(asked(16), WORDS)
        took = clock.now() - began
    with model.keeping_answers(tmp_path / "kept.jsonl"):
        began = clock.now()
        model.generate(asked(16), WORDS)
        assert clock.now() - began == pytest.approx(took, abs=0.15)
    assert took < 0.7


def test_a_kill_in_the_middle_repeats_no_more_than_was_under_way(
    server: Any, load_served: Load, tmp_path: Path
) -> None:
    path = tmp_path / "kept.jsonl"
    model = load_served(server.name, concurrency=2)
    with model.keeping_answers(path):
        model.generate(asked(8), WORDS)
    lines = path.read_bytes().splitlines(keepends=True)
    kinds = [json.loads(line)["type"] for line in lines]
    killed = next(at for at in range(12, len(lines)) if kinds[at] == "answered")
    under_way = kinds[:killed].count("asked") - kinds[:killed].count("answered")
    path.write_bytes(b"".join(lines[:killed]) + lines[killed][:25])  # torn
    sent = len(server.chats)
    clock.drain()
    with model.keeping_answers(path):
        model.generate(asked(8), WORDS)
    calls = clock.drain().calls
    assert len(server.chats) - sent == kinds.count("answered") - kinds[:killed].count("answered")
    assert 1 <= calls["repeated"] == under_way <= 2
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_program_that_is_killed_goes_on_where_it_was(server: Any, tmp_path: Path) -> None:
    server.seconds = 0.05
    kept = tmp_path / "kept.jsonl"
    killed = subprocess.Popen([sys.executable, "-c", SCRIPT, server.name, str(kept)], cwd=ROOT)
    end = time.monotonic() + 60
    while sum("secret" in text for text in server.answered) < 9 and time.monotonic() < end:
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, server.name, str(kept)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    calls = json.loads(done.stdout)
    texts = Counter(text for text in server.answered if "secret" in text)
    repeated = sum(count - 1 for count in texts.values())
    assert len(texts) == 40 and repeated <= calls["repeated"] <= 4
    assert calls["requests"] <= 40 - 9 + 4


def test_the_same_request_twice_has_two_answers(server: Any, load_served: Load, tmp_path: Path) -> None:
    twice = [Prompt("Say it again.", "same")] * 2
    model = load_served(server.name, concurrency=1)
    with model.keeping_answers(tmp_path / "kept.jsonl"):
        model.generate(twice, WORDS)
    sent = len(server.chats)
    with model.keeping_answers(tmp_path / "kept.jsonl"):
        model.generate(twice, WORDS)
        assert len(server.chats) == sent
        model.generate(twice[:1], WORDS)
        assert len(server.chats) == sent + 1


def test_a_run_that_was_interrupted_goes_on(server: Any, load_served: Load, tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    model = load_served(server.name, concurrency=2)
    server.fault = lambda number: "drop" if number > 12 else None
    with model.keeping_answers(path), pytest.raises(Interrupted):
        model.generate(asked(30), WORDS)
    server.fault = lambda number: None
    clock.drain()
    with model.keeping_answers(path):
        assert len(model.generate(asked(30), WORDS)) == 30
    assert clock.drain().calls["repeated"] <= 2
    texts = Counter(text for text in server.answered if "secret" in text)
    assert len(texts) == 30 and set(texts.values()) == {1}


def test_what_was_asked_does_not_stand_there(server: Any, load_served: Load, tmp_path: Path) -> None:
    server.answer = lambda messages: "red"
    model = load_served(server.name)
    with model.keeping_answers(tmp_path / "kept.jsonl"):
        model.generate(asked(3), WORDS)
    text = (tmp_path / "kept.jsonl").read_text()
    assert "secret text" not in text and "Say it" not in text and '"red"' in text


def test_another_model_or_setting_is_another_request(server: Any, load_served: Load, tmp_path: Path) -> None:
    model = load_served(server.name)
    with model.keeping_answers(tmp_path / "kept.jsonl"):
        model.generate(asked(2), WORDS)
        sent = len(server.chats)
        model.generate(asked(2), Decoding(9, ("\n",)))
        assert len(server.chats) == sent + 2
