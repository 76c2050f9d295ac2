"""What a server takes at most, and how it turns away what is more."""

from __future__ import annotations

import math
from dataclasses import dataclass

from advisor.deploy.serving.observer import Refusal
from advisor.errors import UserError

DOCUMENTS_BYTES = 64_000_000
"""Of a body that changes the documents; other bodies are as large as `ServingBounds.max_body` says."""
MOST_DOCUMENTS = 100_000
MOST_TEXTS = 256  # of one request for embeddings
MOST_STOPS = 4  # as OpenAI has it
LONGEST_STOP = 256  # characters
BYTES_PER_TOKEN = 16  # an input of more bytes than this for each token of the window is not even counted


@dataclass(frozen=True)
class ServingBounds:
    """The limits of a server.

    Attributes:
        queue: requests that may wait; one more is told to come again.
        timeout: seconds from a request's acceptance to the end of its answer.
        max_tokens: that an answer may have, and that a request may ask for.
        max_body: bytes of a request.
    """

    queue: int = 64
    timeout: float = 60.0
    max_tokens: int = 1024
    max_body: int = 1_000_000

    def __post_init__(self) -> None:
        for name in ("queue", "timeout", "max_tokens", "max_body"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise UserError(f"--{name.replace('_', '-')} is {value:g}", "a number above 0")


class TurnedAway(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        reason: as an observer has it; empty where the request had been accepted.
        code: as OpenAI's clients read it.
        said: what is wrong, and what fixes it; quotes nothing of anybody's.
        param: what of the request is wrong; empty where that cannot be said.
        after: seconds after which to come again; None where that is no use.
    """

    def __init__(
        self, status: int, reason: Refusal | None, code: str, said: str, param: str = "", after: int | None = None
    ) -> None:
        super().__init__(said)
        self.status, self.reason, self.code = status, reason, code
        self.said, self.param, self.after = said, param, after


def invalid(said: str, param: str = "", code: str = "invalid_value") -> TurnedAway:
    """What is wrong with what was sent."""
    return TurnedAway(400, "invalid", code, said, param)


def too_long(said: str, param: str = "messages") -> TurnedAway:
    """An input that does not fit."""
    return TurnedAway(400, "too_long", "context_length_exceeded", said, param)
