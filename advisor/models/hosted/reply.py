"""One request to a model elsewhere and its answer, whatever library carries them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal, Protocol

from advisor.models.language_model import BYTES_A_TOKEN

Messages = tuple[tuple[str, str], ...]  # role, content
Constraint = Literal["choice", "grammar", "schema"]
A_TURN = 4  # tokens that a chat template puts around a message


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked: all that decides the answer, and no more.

    Attributes:
        messages: the conversation.
        most: tokens of the answer at most, thought included.
        started: how the answer begins; it is to be gone on with.
        stop: texts that end the answer.
        choices: where not empty, the answer is one of these, held to it by `by`.
        tokens: where not empty, the log-probability of each of these is wanted, as the answer's first token.
        whole: whether `tokens` are whole texts, of which a token that begins one stands for it; else tokens.
        listed: whether the alternatives for the answer's first token are wanted as texts.
        told: the log-probabilities of so many of the prompt's last tokens are wanted, of all of them where 0.
        texts: to be embedded; there are no messages then.
        decides: whether it is a typed question that is answered with a probability for each of `choices`. Its first
            message is what is asked, the others what it is asked of.
    """

    messages: Messages = ()
    most: int = 1
    started: str = ""
    stop: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    by: Constraint | None = None
    tokens: tuple[str, ...] = ()
    whole: bool = False
    listed: bool = False
    told: int | None = None
    texts: tuple[str, ...] = ()
    decides: bool = False

    def digest(self, who: str) -> str:
        """A name for the request to a server, by which its answer is found again."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        return hashlib.sha256(json.dumps([who, said], sort_keys=True).encode()).hexdigest()[:32]

    def most_tokens(self) -> dict[str, int]:
        """What it takes at most, estimated on the high side."""
        texts = [content for _, content in self.messages] + [self.started, *self.texts]
        texts += self.choices if self.decides else ()
        read = sum(2 * estimated_tokens(text) + A_TURN for text in texts)
        return {"prompt": read, "completion": self.most}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        text: of the answer, without thought, and without how it was begun.
        prompt, completion, cached, reasoning, estimated: tokens, as in `advisor.models.Generation`.
        ttft_seconds, seconds: since the request was first sent until the answer's first and last token.
        wall_seconds: by which the call of the model that it is a part of became longer.
        finish: why it ended: `stop`, `length` or `filter`.
        thought: whether it reasoned before it answered.
        values: log-probabilities that were asked for; probabilities of the choices of a typed question; for texts to be
            embedded, their vectors one behind the other.
        lacking: whether some of `values` are no more than a bound, since the server did not say them.
        listed: alternatives for the answer's first token, where they were asked for.
        version: which weights answered, where the server says so.
    """

    text: str
    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False
    ttft_seconds: float = 0.0
    seconds: float = 0.0
    wall_seconds: float = 0.0
    finish: str = "stop"
    thought: bool = False
    values: tuple[float, ...] = ()
    lacking: bool = False
    listed: tuple[str, ...] = ()
    version: str = ""

    @property
    def tokens(self) -> Mapping[str, int]:
        """By their names in the clock's ledger."""
        return {
            "prompt": self.prompt,
            "cached": self.cached,
            "completion": self.completion,
            "reasoning": self.reasoning,
            "estimated": (self.prompt + self.completion + self.reasoning) * self.estimated,
        }


def without_keys(reply: Reply, scrub: Callable[[str], str]) -> Reply:
    """A reply in whose texts no key stands, should a server say it."""
    return replace(reply, text=scrub(reply.text), version=scrub(reply.version))


class Wire(Protocol):
    """Makes one request with a client library."""

    def answer(self, call: Call, streamed: bool) -> Reply:
        """The answer, with its own seconds.

        Args:
            streamed: token by token, so that the first one's time is known.

        Raises:
            Trouble: there is none.
        """
        ...

    def close(self) -> None:
        """Give back the connections."""
        ...


def estimated_tokens(text: str) -> int:
    """Tokens of a text, by its bytes."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN)
