"""One request's way through the server: what it asks, what becomes of it, and that it is told so once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from advisor.approaches import Prediction
from advisor.deploy.serving.bounds import TurnedAway
from advisor.deploy.serving.growing import Finish, GrowingText
from advisor.models import Vectors
from advisor.models.language_model import Conversation

Work = Literal["answer", "converse", "embed"]


@dataclass(frozen=True)
class Inquiry:
    """What a request asks.

    Attributes:
        route: that it came by.
        text: the query; empty where turns or texts are given.
        turns: a conversation that the model goes on with as it is.
        texts: to be embedded.
        max_tokens: of the answer.
        stops: texts that end it.
    """

    route: str
    text: str = ""
    turns: Conversation = ()
    texts: tuple[str, ...] = ()
    max_tokens: int = 1024
    stops: tuple[str, ...] = ()

    @property
    def work(self) -> Work:
        """What is to be done; requests of the same work are done together."""
        return "converse" if self.turns else "embed" if self.texts else "answer"


@dataclass(frozen=True, eq=False)
class ServedAnswer:
    """What a request is answered with.

    Attributes:
        text: as far as it was asked for.
        prediction: where the row answered.
        vectors: where texts were embedded.
    """

    text: str = ""
    finish: Finish = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    prediction: Prediction | None = None
    vectors: Vectors | None = None


Outcome = ServedAnswer | TurnedAway
Event = str | Outcome
"""A piece of an answer, or how it ends."""


@dataclass(eq=False)
class Ticket:
    """A request in the server. Its listener is told of pieces, and of one outcome, whoever decides it first.

    Attributes:
        post: takes events; called from the worker's thread.
        came, begun, first: when it was accepted, when its batch began, when the first of its answer was there, by
            `time.perf_counter`.
    """

    asked: Inquiry
    post: Callable[[Event], None]
    growing: GrowingText = field(init=False)
    came: float = field(default_factory=time.perf_counter)
    begun: float | None = None
    first: float | None = None
    outcome: Outcome | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.growing = GrowingText(self.asked.max_tokens, self.asked.stops)

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits."""
        return self.outcome is None

    def heard(self, text: str, tokens: int) -> bool:
        """Its answer is this so far; whether more of it is wanted."""
        if not self.wanted:
            return False
        piece = self.growing.grown(text, tokens)
        if piece:
            self.first = self.first or time.perf_counter()
            self.post(piece)
        return self.growing.finish is None

    def settle(self, outcome: Outcome) -> bool:
        """This is what becomes of it, unless that is known already; whether it was not."""
        with self._lock:
            if self.outcome is not None:
                return False
            self.outcome = outcome
        self.first = self.first or time.perf_counter()
        self.post(outcome)
        return True
