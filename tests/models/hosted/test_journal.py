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

import advisor
from advisor.errors import Interrupted
from advisor.models import Decoding, Prompt
from advisor.models.clock import clock
from advisor.models.hosted.purse import Purse
from advisor.models.hosted.reply import Call
from advisor.tasks import Example, Task

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


def left_open(path: Path) -> int:
    """How many requests were asked without a word on their answer."""
    kinds = Counter(json.loads(line)["type"] for line in path.read_bytes().splitlines() if line.endswith(b"}"))
    return kinds["asked"] - kinds["answered"] - kinds["nothing"]


def test_what_was_answered_is_not_asked_again(server: Any, load_served: Load, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.asked.jsonl"
    first = load_served(server.name, concurrency=2)
    with first.keeping_answers(path):
        first.generate(asked(1), WORDS)
        clock.drain()
        before = first.generate(asked(11)[1:], WORDS)
    sent, counted = len(server.chats), clock.drain().calls
    again = load_served(server.name, concurrency=2)
    with again.keeping_answers(path):
        assert again.answered_by == ("toy v1",)
        again.generate(asked(1), WORDS)
        tried = len(server.chats) - sent
        clock.drain()
        after = again.generate(asked(11)[1:], WORDS)
    calls = clock.drain()
    assert [one.text for one in after] == [one.text for one in before]
    assert [one.completion_tokens for one in after] == [one.completion_tokens for one in before]
    assert (tried, len(server.chats) - sent) == (6, 6)  # whether an answer can be begun
    assert calls.calls == counted and calls.calls["requests"] == 10
    assert calls.reused["answers"] > 0
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
    assert calls["repeated"] == under_way
    assert calls["requests"] == 8
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
    lost = left_open(kept)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, server.name, str(kept)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    calls = json.loads(done.stdout)
    texts = Counter(text for text in server.answered if "secret" in text)
    repeated = sum(count - 1 for count in texts.values())
    assert len(texts) == 40 and repeated <= calls["repeated"] == lost <= 4
    assert calls["requests"] == 40  # and whether an answer can be begun


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
    lost = left_open(path)
    with model.keeping_answers(path):
        assert len(model.generate(asked(30), WORDS)) == 30
    assert clock.drain().calls["repeated"] == lost > 0
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


@pytest.mark.parametrize("fault", ["429", "402", "500"])
def test_what_the_server_did_no_work_for_was_not_made_twice(
    server: Any, load_served: Load, tmp_path: Path, fault: str
) -> None:
    model, path = load_served(server.name, concurrency=2), tmp_path / "kept.jsonl"
    server.fault = lambda number: fault if number > 12 else None
    with model.keeping_answers(path), pytest.raises(Interrupted):
        model.generate(asked(30), WORDS)
    assert left_open(path) == 0
    server.fault = lambda number: None
    clock.drain()
    with model.keeping_answers(path):
        model.generate(asked(30), WORDS)
    calls = clock.drain().calls
    assert (calls["requests"], calls.get("repeated", 0)) == (30, 0)


def test_what_reached_no_server_was_not_made_twice(load_served: Load, tmp_path: Path) -> None:
    model, path = load_served("http://127.0.0.1:9/v1#toy"), tmp_path / "kept.jsonl"
    with model.keeping_answers(path), pytest.raises(Interrupted):
        model.calls.each([Call((("user", "a"),))], lambda call, now: now.send(call))
    assert [json.loads(line)["type"] for line in path.read_text().splitlines()] == 3 * ["asked", "nothing"]


def test_a_request_that_was_lost_is_made_again_once(server: Any, load_served: Load, tmp_path: Path) -> None:
    """It is none of those that are asked the same later."""
    model, path = load_served(server.name, concurrency=1), tmp_path / "kept.jsonl"
    model.generate(asked(1), WORDS)
    with model.keeping_answers(path):
        model.generate(asked(2), WORDS)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))  # killed at the second
    repeated = []
    for prompts in (asked(2), [*asked(2), *asked(2)[1:]], asked(2)):
        clock.drain()
        with model.keeping_answers(path):
            model.generate(prompts, WORDS)
        repeated.append(clock.drain().calls.get("repeated", 0))
    assert repeated == [1, 0, 0]


def test_what_is_only_tried_is_not_kept(server: Any, load_served: Load, tmp_path: Path) -> None:
    """What it was tried with decides its answer too: here, how the server is told to go on with what was begun."""
    server.goes_on = "told"
    path = tmp_path / "kept.jsonl"
    for tried in range(1, 6):
        first = len(server.requests)
        server.fault = lambda number, last=first + 1 + tried: "429" if number > last else None
        with (model := load_served(server.name)).keeping_answers(path), pytest.raises(Interrupted):
            model.generate(asked(2), WORDS)
        assert path.read_bytes() == b""
    server.fault = lambda number: None
    with load_served(server.name).keeping_answers(path):
        load_served(server.name).generate(asked(1), WORDS)
    assert server.chats[-1]["messages"][-1]["content"] == "Answer:" and "continue_final_message" in server.chats[-1]


def things(train: int, test: int) -> Task:
    rows = tuple(Example(str(number), f"thing {number}", "red") for number in range(train + test))
    return Task("things", "qa", "Name the colour.", "exact_match", train=rows[:train], test=rows[train:])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_fit_that_was_interrupted_took_as_much_as_one_that_was_not(
    server: Any, load_served: Load, tmp_path: Path, share: float
) -> None:
    server.answer = lambda messages: f"red {len(messages[-1]['content'])}"
    (whole,) = advisor.compare(things(20, 5), load_served(server.name), ["prompt-search:n=4"], out=tmp_path / "a").runs
    fit, sent = whole.calls["fit"], len(server.requests)
    server.fault = lambda number: (
        "500" if number == sent + 3 else "402" if number > sent + share * fit["requests"] else None
    )
    model = load_served(server.name)
    (broken,) = advisor.compare(things(20, 5), model, ["prompt-search:n=4"], out=tmp_path / "b").runs
    assert (broken.status, broken.fit_seconds) == ("interrupted", None)
    server.fault = lambda number: None
    again = load_served(server.name)
    (resumed,) = advisor.compare(things(20, 5), again, ["prompt-search:n=4"], out=tmp_path / "b").runs
    assert resumed.status == "ok" and fit["requests"] > 30
    assert resumed.calls == {**whole.calls, "fit": {**fit, "retried": 1}}
    assert resumed.predictions == whole.predictions


def test_predictions_that_were_interrupted_are_counted_once(server: Any, load_served: Load, tmp_path: Path) -> None:
    """Answers that were kept, those that were not, and faults of both attempts."""
    server.answer = lambda messages: "red"
    task, model = things(3, 40), load_served(server.name, concurrency=1)
    (whole,) = advisor.compare(task, model, ["zero-shot"], out=tmp_path / "a").runs
    assert whole.calls["predict"]["requests"] == 40
    sent = len(server.requests)
    server.fault = lambda number: "500" if number in (sent + 3, sent + 35) else "402" if number > sent + 38 else None
    (broken,) = advisor.compare(task, model, ["zero-shot"], out=tmp_path / "b").runs
    assert (broken.status, len(broken.predictions)) == ("interrupted", 0)  # all forty are one batch
    server.fault = lambda number: None
    (resumed,) = advisor.compare(task, model, ["zero-shot"], out=tmp_path / "b").runs
    assert resumed.calls["predict"]["requests"] == 40
    assert resumed.calls["predict"]["completion"] == sum(one.completion_tokens for one in resumed.predictions)
    assert resumed.calls["predict"]["prompt"] == sum(one.prompt_tokens for one in resumed.predictions)
    assert resumed.calls["predict"]["retried"] == 2
    assert len(server.answered) == sent - 1 + 40 + resumed.calls["latency"]["requests"]


def test_versions_are_those_of_one_run_and_of_all_of_it(server: Any, load_served: Load, tmp_path: Path) -> None:
    server.version = "v1"
    model, path = load_served(server.name), tmp_path / "kept.jsonl"
    with model.keeping_answers(path):
        model.generate(asked(2), WORDS)
    server.version = "v2"
    again = load_served(server.name)
    with again.keeping_answers(path):
        again.generate(asked(3)[2:], WORDS)  # those that were recorded are not asked for
        assert again.answered_by == ("toy v1", "toy v2")
    with again.keeping_answers(tmp_path / "other.jsonl"):
        again.generate(asked(2), WORDS)
    assert again.answered_by == ("toy v2",)


def test_answers_that_were_kept_are_not_paid_again(
    server: Any, load_served: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advisor.models.hosted.address.is_loopback", lambda host: False)
    model = load_served(server.name)
    model.generate(asked(1), WORDS)
    for spent in (True, False):
        with model.keeping_answers(tmp_path / "kept.jsonl"), Purse(None, lambda *_: 0.01).open() as purse:
            model.generate(asked(3), WORDS)
        assert (purse.spent > 0) is spent
