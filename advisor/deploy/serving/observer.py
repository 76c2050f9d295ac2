"""What a server tells whoever watches it: of what callers wrote, nothing besides a label that was answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Refusal = Literal["queue_full", "draining", "unready", "unauthorised", "too_large", "too_long", "invalid"]
"""Why a request was turned away: the queue was full; the server is ending; the model has not answered its first
question yet; no key or a wrong one; a body of too many bytes; an input of too many tokens; anything else that is wrong
with what was sent."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer, in figures.

    Attributes:
        route: that was asked, such as `/answer`.
        spec: of the row that answers.
        seconds: from the request's acceptance to the end of its answer, the wait in the queue among them.
        queue_seconds: until its batch began.
        ttft_seconds: from acceptance to the first token that could be sent; None where there was no answer.
        prompt_tokens, completion_tokens, cached_tokens: as in `advisor.approaches.Usage`.
        label: the answer, where the task is a classification and it is one of its labels; else empty.
        confidence: of the answer among the labels; None where there is none.
        retrieval_scores: of the passages that were found, best first, those that have one.
        passages: so many were found.
        abstained: whether the answer says that the documents do not tell.
        input_words, output_words: of the query and of the answer.
        failure: why there is no answer, in a few words; empty where there is one.
        dollars: what it cost, where its tokens are paid and their price is known.
    """

    route: str
    spec: str
    seconds: float
    queue_seconds: float
    ttft_seconds: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    label: str = ""
    confidence: float | None = None
    retrieval_scores: tuple[float, ...] = ()
    passages: int = 0
    abstained: bool = False
    input_words: int = 0
    output_words: int = 0
    failure: str = ""
    dollars: float | None = None


class Observer(Protocol):
    """Is told of every request. Called from several threads, and never slow: nothing waits for it but the server."""

    def received(self, route: str) -> None:
        """A request was accepted into the queue."""

    def refused(self, reason: Refusal) -> None:
        """A request was turned away before it was in the queue."""

    def waiting(self, requests: int, running: int) -> None:
        """So many requests wait now, and so many are being answered."""

    def first_token(self, seconds: float) -> None:
        """The first token of an answer is there, so long after its request was accepted."""

    def answered(self, answer: Answered) -> None:
        """One answer is there, or it is known that there is none (`Answered.failure`)."""

    def failed(self, kind: str) -> None:
        """A request that was accepted ends without an answer: `timeout`, `cancelled` (its caller left) or `error`."""

    def documents_changed(self, documents: int, chunks: int, seconds: float) -> None:
        """The documents are others now: so many in so many pieces, after so long."""

    def exposed(self) -> tuple[str, bytes]:
        """Content type and body of `GET /metrics`."""


class Silent:
    """Nobody watches."""

    def received(self, route: str) -> None:
        """Not told."""

    def refused(self, reason: Refusal) -> None:
        """Not told."""

    def waiting(self, requests: int, running: int) -> None:
        """Not told."""

    def first_token(self, seconds: float) -> None:
        """Not told."""

    def answered(self, answer: Answered) -> None:
        """Not told."""

    def failed(self, kind: str) -> None:
        """Not told."""

    def documents_changed(self, documents: int, chunks: int, seconds: float) -> None:
        """Not told."""

    def exposed(self) -> tuple[str, bytes]:
        """Nothing."""
        return "text/plain; charset=utf-8", b""
