"""The engine: what waits is answered in batches, each request what it asked, and no more wait than may."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import Prediction, Predictor
from advisor.deploy.serving.bounds import ServingBounds, TurnedAway
from advisor.deploy.serving.growing import GrowingText, shortened
from advisor.deploy.serving.tickets import Event, Inquiry, ServedAnswer
from advisor.errors import UserError
from advisor.tasks import Document, Query


class Gated(Predictor):
    """Says a query again, once the gate is open; `poison` it cannot answer."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.batches: list[list[str]] = []

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        if queries[0].input != "warm-up":
            self.batches.append([query.input for query in queries])
            assert self.gate.wait(20)
        if any("poison" in query.input for query in queries):
            raise ValueError("poison it was")
        return [Prediction(query.id, f"said {query.input}") for query in queries]

    def save(self, folder: Path) -> None: ...


def asked(server: Any, texts: Sequence[str]) -> list[list[Event]]:
    heard: list[list[Event]] = [[] for _ in texts]
    for text, events in zip(texts, heard, strict=True):
        server.engine.submit(Inquiry("/answer", text), events.append)
    return heard


def outcomes(heard: list[list[Event]]) -> list[Any]:
    """One outcome each, behind pieces."""
    ends = [[event for event in events if not isinstance(event, str)] for events in heard]
    assert all(len(end) == 1 for end in ends)
    return [end[0] for end in ends]


def test_what_waits_becomes_one_batch_and_each_gets_its_own(served: Any, eventually: Callable[..., None]) -> None:
    gated = Gated()
    server = served("zero-shot", predictor=gated).ready()
    first = asked(server, ["a"])
    eventually(lambda: gated.batches == [["a"]])
    rest = asked(server, ["b", "c", "d"])
    gated.gate.set()
    eventually(lambda: server.engine.idle)
    assert gated.batches == [["a"], ["b", "c", "d"]]
    assert [end.text for end in outcomes(first + rest)] == ["said a", "said b", "said c", "said d"]
    assert (3, 1) in server.seen.of("waiting")
    assert server.seen.of("waiting")[-1] == (0, 0)
    assert [one.spec for one in server.seen.of("answered")] == ["zero-shot"] * 4


def test_one_that_cannot_be_answered_harms_no_other(served: Any, eventually: Callable[..., None]) -> None:
    gated = Gated()
    server = served("zero-shot", predictor=gated).ready()
    heard = asked(server, ["first", "a", "poison secret", "b"])
    gated.gate.set()
    eventually(lambda: server.engine.idle)
    ends = outcomes(heard)
    assert [end.text for end in ends if isinstance(end, ServedAnswer)] == ["said first", "said a", "said b"]
    assert isinstance(ends[2], TurnedAway)
    assert (ends[2].status, "secret" in ends[2].said) == (503, False)
    assert server.seen.of("failed") == ["error"]
    assert "secret" not in server.lines.getvalue()
    assert '"event": "error"' in server.lines.getvalue()


def test_a_full_queue_says_when_to_come_again(served: Any, eventually: Callable[..., None]) -> None:
    gated = Gated()
    server = served("zero-shot", predictor=gated, queue=2).ready()
    heard = asked(server, ["a"])
    eventually(lambda: gated.batches == [["a"]])
    heard += asked(server, ["b", "c"])
    with pytest.raises(TurnedAway) as caught:
        asked(server, ["d"])
    assert (caught.value.status, caught.value.reason) == (429, "queue_full")
    assert caught.value.after is not None and caught.value.after >= 1
    gated.gate.set()
    eventually(lambda: server.engine.idle)
    assert len(outcomes(heard)) == 3


def test_what_was_given_up_is_not_answered_and_its_place_is_free(served: Any, eventually: Callable[..., None]) -> None:
    gated = Gated()
    server = served("zero-shot", predictor=gated, queue=1).ready()
    asked(server, ["a"])
    eventually(lambda: gated.batches == [["a"]])
    gone: list[Event] = []
    ticket = server.engine.submit(Inquiry("/answer", "b"), gone.append)
    server.engine.give_up(ticket, "cancelled")
    server.engine.give_up(ticket, "timeout")
    kept = asked(server, ["c"])
    gated.gate.set()
    eventually(lambda: server.engine.idle)
    assert gated.batches == [["a"], ["c"]]
    assert outcomes([gone])[0].code == "cancelled"
    assert outcomes(kept)[0].text == "said c"
    assert server.seen.of("failed") == ["cancelled"]


def test_an_engine_that_ends_answers_what_it_took(served: Any, eventually: Callable[..., None]) -> None:
    gated = Gated()
    server = served("zero-shot", predictor=gated)
    with pytest.raises(TurnedAway, match="warmed up"):
        asked(server, ["too early"])
    server.ready()
    heard = asked(server, ["a"])
    eventually(lambda: gated.batches == [["a"]])
    heard += asked(server, ["b"])
    server.engine.drain()
    with pytest.raises(TurnedAway, match="ending") as caught:
        asked(server, ["c"])
    assert (caught.value.status, caught.value.reason) == (503, "draining")
    gated.gate.set()
    server.engine.close()
    assert [end.text for end in outcomes(heard)] == ["said a", "said b"]


def test_documents_change_between_two_answers_and_not_in_one(served: Any, eventually: Callable[..., None]) -> None:
    server = served("rag:k=1").ready()
    before = asked(server, ["what of parking"])
    eventually(lambda: server.engine.idle)
    kept: list[int] = []
    told = server.engine.change(
        [Document("parking", "Parking", "For parking it is level nine.")], lambda: kept.append(1)
    )
    assert told[0] == 1 and kept == [1]
    after = asked(server, ["what of parking"])
    eventually(lambda: server.engine.idle)
    assert "level two" in outcomes(before)[0].text
    assert "level nine" in outcomes(after)[0].text
    assert server.seen.of("documents_changed") == [(1, 1)]


def test_documents_that_cannot_be_kept_change_nothing(served: Any, eventually: Callable[..., None]) -> None:
    server = served("rag:k=1").ready()

    def fail() -> None:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        server.engine.change([Document("parking", "Parking", "For parking it is level nine.")], fail)
    heard = asked(server, ["what of parking"])
    eventually(lambda: server.engine.idle)
    assert "level two" in outcomes(heard)[0].text


def test_a_text_that_grows_holds_back_what_may_end_it() -> None:
    growing = GrowingText(100, ["END", "\n\n"])
    pieces = [
        growing.grown(text, n)
        for n, text in enumerate(["a ", "a b\ufffd", "a b\u00e9E", "a b\u00e9EN", "a b\u00e9Eng", "a b\u00e9Eng END x"])
    ]
    assert pieces == ["a", " b", "\u00e9", "", "Eng", ""]
    assert growing.finish == "stop"
    assert growing.ended("a b\u00e9Eng END x y") == ("a b\u00e9Eng", "")


def test_a_text_ends_after_as_many_tokens_as_were_asked_for() -> None:
    growing = GrowingText(2)
    assert [growing.grown(text, n) for n, text in enumerate(["one", "one two", "one two three"], start=1)] == [
        "one",
        " two",
        "",
    ]
    assert (growing.finish, growing.ended("one two three")) == ("length", ("one two", ""))
    assert shortened("one two three", 2, lambda text: len(text.split())) == "one two"
    assert shortened("one", 2, lambda text: len(text.split())) == "one"


@pytest.mark.parametrize("bound", ["queue", "timeout", "max_tokens", "max_body"])
def test_bounds_are_above_nought(bound: str) -> None:
    with pytest.raises(UserError, match=f"--{bound.replace('_', '-')} is 0"):
        ServingBounds(**{bound: 0})


def test_a_model_that_cannot_be_warmed_up_is_said_and_never_ready(served: Any, eventually: Callable[..., None]) -> None:
    class Broken(Gated):
        def predict(self, queries: Sequence[Query]) -> list[Prediction]:
            raise ValueError("no weights")

    server = served("zero-shot", predictor=Broken())
    told: list[str] = []
    server.engine.on_failure = lambda: told.append("failed")
    server.engine.start()
    eventually(lambda: told == ["failed"])
    assert server.http.get("/ready").json() == {"status": "failed"}
    with pytest.raises(TurnedAway, match="could not be warmed up"):
        asked(server, ["x"])
