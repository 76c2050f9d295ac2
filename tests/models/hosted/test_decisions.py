"""Typed questions to a server: a probability for every choice, in one request each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import advisor
from advisor.approaches import parse
from advisor.errors import Interrupted, NotApplicable, UserError
from advisor.models import Context, Prompt, Shot
from advisor.models.clock import clock
from advisor.models.hosted.purse import Purse
from advisor.tasks import Example, Query, Task

Load = Callable[..., Any]
LABELS = ("card", "address", "lost parcel")


def named(asked: str, of: str, choice: str) -> float | None:
    """90 % for a choice that is named, or that no other is named beside; what is empty is refused."""
    if not of:
        return None
    first = next((label for label in LABELS if label.split()[-1] in of), LABELS[0])
    return 0.9 if choice == first else 0.05


def about(*inputs: str, context: Context = Context()) -> list[Prompt]:  # noqa: B008 - frozen
    return [Prompt("Sort the ticket.", text, LABELS, context) for text in inputs]


@pytest.fixture
def decider(server: Any) -> Any:
    server.decides = named
    return server


def of_decisions(server: Any) -> list[dict[str, Any]]:
    return [one.body for one in server.requests if one.path == "/v1/decisions"]


def test_a_question_has_a_probability_for_every_choice(decider: Any, load_served: Load) -> None:
    decider.cached = 3
    model = load_served(decider.name, concurrency=4)
    assert model.decides(LABELS)
    clock.drain()
    found = model.decide(about("my parcel", "", "an address"), LABELS)
    assert [one.probabilities for one in found] == [(0.05, 0.05, 0.9), (), (0.05, 0.9, 0.05)]
    assert [one.failure for one in found] == ["", "refused", ""]
    assert found[0].prompt_tokens > found[0].cached_tokens == 3
    assert found[0].completion_tokens == 0 and found[0].seconds > 0 and not found[0].estimated
    calls = clock.drain().calls
    assert calls["requests"] == 3 and calls["prompt"] == sum(one.prompt_tokens for one in found)
    assert model.answered_by == ("toy",)


def test_the_task_is_what_is_asked_and_shots_and_input_what_it_is_asked_of(decider: Any, load_served: Load) -> None:
    shown = Context((Shot("lost it", "card"),))
    load_served(decider.name).decide(about("my parcel", context=shown), LABELS)
    assert of_decisions(decider)[-1] == {
        "model": "toy",
        "input": [
            {"role": "user", "content": "lost it"},
            {"role": "assistant", "content": "Answer: card"},
            {"role": "user", "content": "my parcel"},
        ],
        "questions": [
            {
                "type": "choice",
                "instructions": "Sort the ticket.\nLabels: card, address, lost parcel",
                "choices": [{"value": label} for label in LABELS],
            }
        ],
    }


def test_a_server_without_the_endpoint_is_asked_once(server: Any, load_served: Load) -> None:
    model = load_served(server.name)
    assert not model.decides(LABELS) and not model.decides(LABELS)
    assert len(of_decisions(server)) == 1
    with pytest.raises(NotApplicable, match="has no endpoint for decisions"):
        model.decide(about("my parcel"), LABELS)


@pytest.mark.parametrize("wrong", [lambda *_: 0.9, lambda *_: -1.0, lambda *_: "much", lambda *_: 1e-9])
def test_what_is_no_probability_is_not_trusted(
    server: Any, load_served: Load, wrong: Callable[[str, str, str], Any]
) -> None:
    server.decides = wrong
    assert not load_served(server.name).decides(LABELS)


def test_more_choices_than_are_taken_are_not_decided(decider: Any, load_served: Load) -> None:
    model = load_served(decider.name)
    assert not model.decides([f"label {number}" for number in range(300)])
    assert model.decides(LABELS)


def test_a_question_is_sent_again_and_one_that_is_too_long_is_cut(decider: Any, load_served: Load) -> None:
    model = load_served(decider.name)
    assert model.decides(LABELS)
    sent, decider.window = len(decider.requests), 60
    decider.fault = lambda number: "503" if number == sent + 2 else None
    (found,) = model.decide(about("parcel " * 100), LABELS)
    assert found.probabilities[2] == 0.9
    assert found.cut > 40
    decider.fault = lambda number: "shape"
    with pytest.raises(Interrupted):
        model.decide(about("my parcel"), LABELS)


def test_what_was_decided_is_not_asked_again(decider: Any, load_served: Load, tmp_path: Path) -> None:
    kept = tmp_path / "kept.jsonl"
    first, second = load_served(decider.name), load_served(decider.name)
    with first.keeping_answers(kept):
        before = first.decide(about("my parcel", "an address"), LABELS)
    sent = len(of_decisions(decider))
    with second.keeping_answers(kept):
        after = second.decide(about("my parcel", "an address"), LABELS)
    assert len(of_decisions(decider)) == sent + 1  # whether it decides at all
    assert [one.probabilities for one in after] == [one.probabilities for one in before]
    assert "my parcel" not in kept.read_text()
    answered = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [0.05, 0.05, 0.9] in [line.get("values") for line in answered]


def test_a_question_is_paid_for(decider: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advisor.models.hosted.address.is_loopback", lambda host: False)
    model = load_served(decider.name)
    assert model.decides(LABELS)
    with Purse(10.0, lambda provider, name, tokens: 0.01 * tokens["prompt"] + tokens["completion"]).open() as purse:
        found = model.decide(about("my parcel", "an address"), LABELS)
    assert purse.spent == pytest.approx(0.01 * sum(one.prompt_tokens for one in found))
    monkeypatch.setattr(decider, "usage", False)
    with Purse(10.0, lambda provider, name, tokens: 0.01 * tokens["prompt"]).open() as purse:
        (counted,) = model.decide(about("my parcel"), LABELS)
    assert counted.estimated and purse.spent == pytest.approx(0.01 * counted.prompt_tokens)


def test_openai_itself_is_tried_too(decider: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{decider.address}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-the-test")
    model = load_served("openai:toy")
    assert model.decide(about("an address"), LABELS)[0].probabilities == (0.05, 0.9, 0.05)
    assert decider.requests[-1].headers["Authorization"] == "Bearer sk-for-the-test"


def test_the_approach_asks_it(decider: Any, load_served: Load, tmp_path: Path) -> None:
    rows = [Example(str(number), f"about my {label}", label) for number, label in enumerate(3 * LABELS)]
    tickets = Task("tickets", "classification", "Sort.", "accuracy", LABELS, tuple(rows[:6]), (), tuple(rows[6:]))
    model = load_served(decider.name)
    predictor = parse("decision").fit(tickets.for_fitting(), model, 0)
    (answer,) = predictor.predict([Query("q", "note my address")])
    assert answer.text == "address" and answer.confidence
    (run,) = advisor.compare(tickets, model, ["decision"], out=tmp_path / "a").runs
    assert (run.status, len(run.predictions)) == ("ok", len(tickets.test))
    decider.decides = None
    (skipped,) = advisor.compare(tickets, load_served(decider.name), ["decision"], out=tmp_path / "b").runs
    assert skipped.status == "skipped"
    assert "has no endpoint for decisions" in str(skipped.error)


def test_an_endpoint_that_is_denied_is_none_and_a_wrong_key_is_told(decider: Any, load_served: Load) -> None:
    refused = "403"
    decider.fault = lambda number: refused if decider.requests[number - 1].path == "/v1/decisions" else None
    assert not load_served(decider.name).decides(LABELS)
    refused = "401"
    with pytest.raises(UserError, match="the server takes no such key: 401 fault 401"):
        load_served(decider.name).decides(LABELS)
