"""What may be spent: a cap that no request passes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from advisor.errors import Interrupted, UserError
from advisor.models import Decoding, Prompt
from advisor.models.hosted.purse import Purse, open_purse

WORDS = Decoding(8, ("\n",))
Load = Callable[..., Any]


def a_cent_a_token(provider: str, model: str, tokens: Mapping[str, int]) -> float | None:
    return 0.01 * (tokens["prompt"] + tokens["completion"] + tokens.get("reasoning", 0))


@pytest.fixture
def far(server: Any, load_served: Load, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model on another machine, as far as it knows."""
    monkeypatch.setattr("advisor.models.hosted.address.is_loopback", lambda host: False)
    model = load_served(server.name, concurrency=4)
    model.generate(asked(1), WORDS)
    return model


def asked(count: int) -> list[Prompt]:
    return [Prompt("Say it again.", f"text {number}") for number in range(count)]


def test_without_a_cap_it_only_adds_up(far: Any) -> None:
    with Purse(None, a_cent_a_token).open() as purse:
        answers = far.generate(asked(5), WORDS)
    assert purse.spent == pytest.approx(0.01 * sum(one.prompt_tokens + one.completion_tokens for one in answers))
    assert open_purse() is None


def test_nothing_is_sent_that_may_pass_the_cap(server: Any, far: Any) -> None:
    sent = len(server.chats)
    with Purse(2.0, a_cent_a_token).open() as purse, pytest.raises(Interrupted, match="--max-spend") as caught:
        far.generate(asked(50), WORDS)
    assert 0.5 < purse.spent <= 2.0
    answered = len(server.chats) - sent
    assert 3 < answered < 50
    assert "goes on from there" in str(caught.value)


def test_a_price_that_is_not_known_stops_before_anything_is_sent(server: Any, far: Any) -> None:
    sent = len(server.chats)
    purse = Purse(2.0, lambda provider, model, tokens: None)
    with purse.open(), pytest.raises(UserError, match=r"the price of .*toy at .* is not known") as caught:
        far.generate(asked(5), WORDS)
    assert "[[hosted]]" in caught.value.hint
    assert len(server.chats) == sent
    with Purse(None, lambda provider, model, tokens: None).open() as free:
        far.generate(asked(2), WORDS)
    assert free.spent == 0.0


def test_this_machine_costs_nothing(server: Any, load_served: Load) -> None:
    with Purse(0.0, lambda provider, model, tokens: None).open() as purse:
        load_served(server.name).generate(asked(3), WORDS)
    assert purse.spent == 0.0


def test_an_answer_that_broke_off_may_have_to_be_paid(server: Any, far: Any) -> None:
    first = len(server.requests)
    server.fault = lambda number: "garbage" if number == first + 1 else None
    with Purse(None, a_cent_a_token).open() as purse:
        one = far.generate(asked(2), WORDS)
    paid = 0.01 * sum(each.prompt_tokens + each.completion_tokens for each in one)
    assert purse.spent > paid + 0.08


def test_threads_never_pass_the_cap_together() -> None:
    purse = Purse(1.0, a_cent_a_token)
    most, true = {"prompt": 20, "completion": 10}, {"prompt": 10, "completion": 3}
    peak, refused = [0.0], []

    def spend() -> None:
        while True:
            try:
                reserved = purse.reserve("p", "m", most)
            except Interrupted:
                refused.append(1)
                return
            peak[0] = max(peak[0], purse.spent)
            purse.book(reserved, "p", "m", true)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(refused) == 8
    assert 0.7 < purse.spent <= 1.0 >= peak[0]
