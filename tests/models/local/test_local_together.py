"""Rows of several calls are decoded together, and each says what it says alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from advisor.deploy.serving.turns import TakingTurns
from advisor.models import Context, Decoding, Prompt, Shot
from advisor.models.crew import Crew, decoding_together
from advisor.models.hearing import answering, listening
from advisor.models.local.engine import LocalModel
from advisor.models.local.greedy import DecodedTogether

DECODING = Decoding(24)
INSTRUCTION = "Say which colour the thing has. Answer in one word."
TEXTS = ("the sea", "a rather long description of the clear sky above", "grass", "x", "the tomato", "a rose", "leaf")


def prompt(text: str, shots: int = 0) -> Prompt:
    worked = (Shot("the ripe tomato", "red"), Shot("the fresh grass", "green"))[:shots]
    return Prompt(INSTRUCTION, text, context=Context(worked))


class Pacing:
    """Hears answers, and has others wait until some have grown."""

    def __init__(self) -> None:
        self.heard: dict[str, list[str]] = {}
        self.unwanted: set[str] = set()

    def wrote(self, asked: object, text: str, tokens: int) -> bool:
        assert isinstance(asked, Prompt)
        self.heard.setdefault(asked.input, []).append(text)
        return asked.input not in self.unwanted


@contextmanager
def calls(model: LocalModel, pacing: Pacing) -> Iterator[Callable[[Prompt], threading.Thread]]:
    """Starts calls in threads of their own; what they came to is in `found`."""
    turns, threads = TakingTurns(), list[threading.Thread]()
    crew = Crew(turns)
    found: dict[str, str] = {}

    def ask(asked: Prompt) -> None:
        with decoding_together(crew), turns.answering(), listening(pacing), answering():
            try:
                found[asked.input] = model.generate([asked], DECODING)[0].text
            except RuntimeError as error:
                found[asked.input] = f"failed: {error}"

    def start(asked: Prompt) -> threading.Thread:
        threads.append(threading.Thread(target=ask, args=(asked,), daemon=True))
        threads[-1].start()
        return threads[-1]

    start.found = found  # type: ignore[attr-defined]
    yield start
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def wait_until(true: Callable[[], object]) -> None:
    over = time.monotonic() + 20
    while not true():
        assert time.monotonic() < over
        time.sleep(0.0005)


@pytest.mark.parametrize("name", ["llama", "base_llama", "gpt2", "mistral", "gemma2"])
def test_what_joins_says_what_it_says_alone(name: str, request: pytest.FixtureRequest) -> None:
    model: LocalModel = request.getfixturevalue(name)
    alone = {text: model.generate([prompt(text)], DECODING)[0].text for text in TEXTS}
    pacing = Pacing()
    with calls(model, pacing) as start:
        start(prompt(TEXTS[0]))
        wait_until(lambda: len(pacing.heard.get(TEXTS[0], ())) >= 2)
        for text in TEXTS[1:]:
            start(prompt(text))
    assert start.found == alone  # type: ignore[attr-defined]
    assert {text: heard[-1] for text, heard in pacing.heard.items()} == alone


def test_rows_do_join(llama: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    joined: list[int] = []
    join = DecodedTogether.join

    def seen(self: DecodedTogether, other: DecodedTogether) -> None:
        join(self, other)
        joined.append(len(self.standing))

    monkeypatch.setattr(DecodedTogether, "join", seen)
    pacing = Pacing()
    with calls(llama, pacing) as start:
        start(prompt(TEXTS[0]))
        wait_until(lambda: pacing.heard.get(TEXTS[0]))
        for text in TEXTS[1:]:
            start(prompt(text))
    assert joined and max(joined) > 1


class Counted:
    """Rows that end after so many steps, or fail."""

    def __init__(self, steps: int, fails: bool = False) -> None:
        self.left, self.fails, self.others = steps, fails, list["Counted"]()

    @property
    def empty(self) -> bool:
        return self.left <= 0 and all(one.left <= 0 for one in self.others)

    def takes(self, other: Counted) -> bool:
        return True

    def join(self, other: Counted) -> None:
        self.others.append(other)

    def step(self) -> None:
        time.sleep(0.005)
        if self.fails and self.others:
            raise ValueError("no memory")
        for one in (self, *self.others):
            one.left -= 1


@pytest.mark.parametrize("fails", [False, True])
def test_who_is_done_goes_and_another_leads_and_all_learn_of_a_failure(fails: bool) -> None:
    turns = TakingTurns()
    crew, told = Crew(turns), dict[str, str]()
    short, long = Counted(4, fails), Counted(12)

    def decode(name: str, own: Counted) -> None:
        with turns.answering():
            try:
                crew.decode(own, lambda: own.left <= 0, lambda: None)
                told[name] = "done"
            except ValueError as error:
                told[name] = str(error)

    threads = [threading.Thread(target=decode, args=one) for one in (("short", short), ("long", long))]
    threads[0].start()
    wait_until(lambda: short.left < 4)
    threads[1].start()
    for thread in threads:
        thread.join(20)
    assert told == dict.fromkeys(("short", "long"), "no memory" if fails else "done")
    again = Counted(1)
    with turns.answering():
        crew.decode(again, lambda: again.left <= 0, lambda: None)
    assert short.others == [long] and not again.others


def test_rows_behind_another_beginning_wait_until_those_before_them_are_done(llama: LocalModel) -> None:
    few, none = prompt("the sea", shots=2), prompt("a rose")
    alone = {one.input: llama.generate([one], DECODING)[0].text for one in (few, none)}
    pacing = Pacing()
    with calls(llama, pacing) as start:
        start(few)
        wait_until(lambda: pacing.heard.get("the sea"))
        start(none)
        start(prompt("x"))
    found = start.found  # type: ignore[attr-defined]
    assert {text: found[text] for text in alone} == alone


def test_what_nobody_wants_any_more_leaves_and_the_others_go_on(llama: LocalModel) -> None:
    alone = {text: llama.generate([prompt(text)], DECODING)[0].text for text in TEXTS}
    pacing = Pacing()
    with calls(llama, pacing) as start:
        first = start(prompt(TEXTS[0]))
        wait_until(lambda: pacing.heard.get(TEXTS[0]))
        for text in TEXTS[1:]:
            start(prompt(text))
        pacing.unwanted.add(TEXTS[0])
        first.join(20)
    found = start.found  # type: ignore[attr-defined]
    assert alone[TEXTS[0]].startswith(found.pop(TEXTS[0]))
    assert found == {text: alone[text] for text in TEXTS[1:]}
