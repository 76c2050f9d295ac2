"""A server that misbehaves: each fault is handled, and named where it cannot be."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from advisor.errors import Interrupted, UserError
from advisor.models import Decoding, Prompt
from advisor.models.clock import clock
from advisor.models.hosted.patience import Patience
from advisor.models.hosted.trouble import trouble_of

WORDS = Decoding(8, ("\n",))
Load = Callable[..., Any]


def asked(*inputs: str) -> list[Prompt]:
    return [Prompt("Say it again.", text) for text in inputs]


@pytest.mark.parametrize("fault", ["500", "503", "408", "429", "drop", "garbage", "shape"])
def test_what_may_pass_is_asked_again(server: Any, load_served: Load, fault: str) -> None:
    model = load_served(server.name, concurrency=2)
    model.generate(asked("warm"), WORDS)
    clock.drain()
    first = len(server.requests)
    server.fault = lambda number: fault if number == first + 1 else None
    assert [one.text for one in model.generate(asked("a", "b"), WORDS)] == ["said a", "said b"]
    assert clock.drain().calls["retried"] == 1


def test_a_server_that_said_what_it_serves_is_there(server: Any, load_served: Load) -> None:
    """What failed before that counts no more when it is to be told whether the server is gone."""
    server.fault = lambda number: "503" if number in (1, 2, 4, 5) else None
    model = load_served(server.name)  # gone after three failures, one after the other
    assert model.context_window == 32_768 and len(server.requests) == 3
    assert model.generate(asked("a"), WORDS)[0].text == "said a"


def test_a_stream_that_breaks_off_is_asked_again(server: Any, load_served: Load) -> None:
    model = load_served(server.name)
    model.generate(asked("warm"), WORDS)
    first = len(server.requests)
    server.fault = lambda number: "cut" if number <= first + 2 else None
    assert model.generate(asked("a"), WORDS)[0].text == "said a"


def test_a_server_says_how_long_to_wait(server: Any, load_served: Load) -> None:
    model = load_served(server.name)
    model.generate(asked("warm"), WORDS)
    first = len(server.requests)
    server.fault = lambda number: "429 0.15" if number == first + 1 else None
    began = time.perf_counter()
    model.generate(asked("a"), WORDS)
    assert 0.14 < time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("said", "least"),
    [
        ("You exceeded your current quota, please check your plan and billing. Please retry in 0.15s.", 0.15),
        ('You exceeded your current quota {"@type": "RetryInfo", "retryDelay": "0.15s"}', 0.15),
        ("Rate limit reached. Please try again in 150ms. Visit the pages on limits.", 0.15),
        ("retry_delay { seconds: 0.15 }", 0.15),
        ("Rate limit reached. Try again in 1h2m0.5s.", 0.2),  # no longer than patience allows
        ("Exceeded your current quota.", 0.0),
    ],
)
def test_a_server_says_in_words_how_long_to_wait(server: Any, load_served: Load, said: str, least: float) -> None:
    waits: list[float] = []

    class Noted(Patience):
        """Notes how long is waited."""

        def wait(self, tries: int, asked: float | None) -> float:
            waits.append(super().wait(tries, asked))
            return waits[-1]

    model = load_served(server.name, patience=Noted(first_wait=0.001, longest_wait=0.2))
    model.generate(asked("warm"), WORDS)
    first = len(server.requests)
    server.fault = lambda number: f"429: {said}" if number == first + 1 else None
    began = time.perf_counter()
    assert model.generate(asked("a"), WORDS)[0].text == "said a"
    assert time.perf_counter() - began >= least
    assert waits == [pytest.approx(least, abs=0.002)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 1m12.5s.", 72.5),
        ("try again in 20ms", 0.02),
        ("Please retry in 34.074824224s.", 34.074824224),
        ("'retryDelay': '34s'", 34.0),
        ("retry after 2 minutes", 120.0),
        ("Retry after 10 seconds", 10.0),
        ("try again in 1h2m", 3720.0),
        ("try again in a minute", None),
        ("try again", None),
    ],
)
def test_a_time_to_wait_is_read_off_a_text(text: str, seconds: float | None) -> None:
    error = RuntimeError(text)
    error.status_code = 429  # type: ignore[attr-defined]
    trouble = trouble_of(error, str)
    assert (trouble.kind, trouble.wait) == ("busy", None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "fault",
    [
        "402",
        "429: {'code': 'insufficient_quota'}",
        "429: Your credit balance is used up",
        "400: Your credit balance is too low to access the API",
    ],
)
def test_an_account_without_money_interrupts_at_once(server: Any, load_served: Load, fault: str) -> None:
    server.fault = lambda number: fault if server.requests[number - 1].path.endswith("completions") else None
    with pytest.raises(Interrupted, match="what its account may spend is spent"):
        load_served(server.name).generate(asked("x"), WORDS)
    assert len(server.chats) == 1


def test_what_a_key_may_not_do_is_told(server: Any, load_served: Load) -> None:
    """But a server that does not say to it what it serves may answer all the same."""
    denied = "models"
    server.fault = lambda number: "403" if server.requests[number - 1].path.endswith(denied) else None
    model = load_served(server.name)
    assert model.generate(asked("x"), WORDS)[0].text == "said x"
    assert model.context_window == 32_768
    denied = "completions"
    with pytest.raises(UserError, match="the key may not do this: 403 fault 403") as caught:
        model.generate(asked("x"), WORDS)
    assert "ADVISOR_API_KEY_TOY" in caught.value.hint


def test_an_effort_that_several_requests_are_refused_for_is_given_up_once(
    server: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.address}/v1")
    server.takes = {"reasoning_effort": {"minimal", "low"}}
    together = threading.Barrier(8)
    server.fault = lambda number: (together.wait(5), None)[1] if number <= 8 else None
    model = load_served("openai:toy", concurrency=8)
    model.generate(asked(*map(str, range(20))), WORDS)
    assert Counter(body.get("reasoning_effort") for body in server.chats) == {"none": 8, "minimal": 20}
    assert not [note for note in model.notes if "reason" in note]
    server.takes = {"reasoning_effort": set()}
    model.generate(asked("x", "y"), WORDS)
    assert "reasoning_effort" not in server.chats[-1]
    assert "It takes no word on how long to reason before it answers." in model.notes


def test_a_slow_answer_is_given_up_and_asked_again(server: Any, load_served: Load) -> None:
    model = load_served(server.name, patience=Patience(request_seconds=0.3, first_wait=0.001))
    model.generate(asked("warm"), WORDS)
    first = len(server.requests)
    server.fault = lambda number: "slow" if number == first + 1 else None
    began = time.perf_counter()
    assert model.generate(asked("a", "b"), WORDS)[0].text == "said a"
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize("fault", ["500", "garbage", "429", "drop"])
def test_what_does_not_pass_interrupts_and_names_it(server: Any, load_served: Load, fault: str) -> None:
    server.fault = lambda number: fault if number > 3 else None
    model = load_served(server.name, concurrency=2)
    with pytest.raises(Interrupted, match="the same command goes on from there"):
        model.generate(asked(*map(str, range(30))), WORDS)
    assert len(server.requests) < 30


@pytest.mark.parametrize(
    ("set_up", "said", "hint"),
    [
        ({"key": "right"}, "takes no such key: 401 Incorrect API key", "ADVISOR_API_KEY_TOY or ADVISOR_API_KEY"),
        ({"elsewhere": "http://127.0.0.1:1"}, r"sends elsewhere, to http://127.0.0.1:1/v1", "if you trust it"),
        ({"refuses": {"model"}}, "refuses the request: 400 Unsupported parameter", "check"),
    ],
)
def test_what_will_not_change_is_told_at_once(
    server: Any, load_served: Load, set_up: dict[str, Any], said: str, hint: str
) -> None:
    for name, value in set_up.items():
        setattr(server, name, value)
    with pytest.raises(UserError, match=said) as caught:
        load_served(server.name).generate(asked("x"), WORDS)
    assert hint in caught.value.hint
    assert len(server.requests) <= 5


def test_a_model_that_is_not_served_is_told_at_once(server: Any, load_served: Load) -> None:
    with pytest.raises(UserError, match=r"does not know the model: 404 The model other does not exist"):
        load_served(f"{server.address}/v1#other").generate(asked("x", "y"), WORDS)


def test_a_failure_stops_the_others(server: Any, load_served: Load) -> None:
    model = load_served(server.name, concurrency=2)
    model.generate(asked("warm"), WORDS)
    server.refuses = {"messages"}
    with pytest.raises(UserError):
        model.generate(asked(*map(str, range(200))), WORDS)
    assert len(server.requests) < 20


def test_five_thousand_calls_with_faults_each_answered_once_in_order(server: Any, load_served: Load) -> None:
    chance = random.Random(7)
    faults = ("500", "429", "drop", "garbage", "shape")
    server.answer = lambda messages: messages[-1]["content"].split("\n")[0]
    model = load_served(server.name, patience=Patience(first_wait=0.001, longest_wait=0.1), concurrency=8)
    model.generate(asked("warm"), WORDS)
    server.answered.clear()
    server.fault = lambda number: chance.choice(faults) if chance.random() < 0.1 else None
    clock.drain()
    texts = [f"n{number}" for number in range(5000)]
    began = time.perf_counter()
    assert [one.text for one in model.generate(asked(*texts), WORDS)] == texts
    assert time.perf_counter() - began < 120
    calls = clock.drain().calls
    assert calls["requests"] == 5000 and 350 < calls["retried"] < 750
    assert sorted(server.answered) == sorted(f"{text}\nAnswer:" for text in texts)
