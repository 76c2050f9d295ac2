"""What is sent and answered, in the shapes of OpenAI's API and in our own; what is not supported is refused by name."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from advisor.deploy.answers import answer_line, cited
from advisor.deploy.serving.bounds import LONGEST_STOP, MOST_DOCUMENTS, MOST_STOPS, MOST_TEXTS, TurnedAway, invalid
from advisor.deploy.serving.tickets import ServedAnswer
from advisor.models.language_model import CUT_OFF, Conversation

NEUTRAL: Mapping[str, object] = {
    "n": 1,
    "temperature": 0,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logprobs": False,
    "store": False,
    "response_format": {"type": "text"},
}
"""Parameters that are taken at the value at which they change nothing; answers are greedy."""
IGNORED = ("user", "seed", "metadata", "safety_identifier", "prompt_cache_key")
"""Parameters that change no greedy answer."""
SYSTEM = ("system", "developer")
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error", 503: "service_unavailable"}


class MessagePart(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(strict=True)

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """A turn of a conversation."""

    model_config = ConfigDict(strict=True)

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[MessagePart]

    @property
    def text(self) -> str:
        """What is said."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(BaseModel):
    """What a stream tells besides the answer."""

    model_config = ConfigDict(strict=True)

    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """A body of `/v1/chat/completions`."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: str = Field(max_length=1000)
    messages: list[Message] = Field(min_length=1, max_length=1000)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end the answer.

        Raises:
            TurnedAway: they are too many, too long or empty.
        """
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        if len(given) > MOST_STOPS or any(not 0 < len(stop) <= LONGEST_STOP for stop in given):
            raise invalid(f"stop takes up to {MOST_STOPS} texts of 1 to {LONGEST_STOP} characters", "stop")
        return tuple(given)

    def check_supported(self) -> None:
        """Raises:
        TurnedAway: something is asked for that is not done here.
        """
        check_supported(self.model_extra or {})

    def query(self) -> str:
        """The last message of the user, which is the task's query.

        Raises:
            TurnedAway: there is none, or a system message would take the place of the row's own instruction.
        """
        if any(message.role in SYSTEM for message in self.messages):
            said = "a system message is refused: the row has an instruction of its own (advisor serve --raw lets it by)"
            raise invalid(said, "messages", "unsupported_value")
        asked = next((message.text for message in reversed(self.messages) if message.role == "user"), "")
        if not asked.strip():
            raise invalid("there is no message of the user, or it is empty", "messages")
        return asked

    def turns(self) -> Conversation:
        """The conversation as it is."""
        return tuple(("system" if m.role in SYSTEM else m.role, m.text) for m in self.messages)


class EmbeddingsRequest(BaseModel):
    """A body of `/v1/embeddings`."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: str = Field(max_length=1000)
    input: str | list[str]
    encoding_format: Literal["float", "base64"] = "float"

    @property
    def texts(self) -> tuple[str, ...]:
        """What is embedded.

        Raises:
            TurnedAway: nothing, an empty text, or too much.
        """
        check_supported(self.model_extra or {})
        given = [self.input] if isinstance(self.input, str) else self.input
        if not 0 < len(given) <= MOST_TEXTS or not all(text.strip() for text in given):
            raise invalid(f"input takes 1 to {MOST_TEXTS} texts, none of them empty", "input")
        return tuple(given)


class AnswerRequest(BaseModel):
    """A body of `/answer`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    query: str = Field(min_length=1)


class DocumentBody(BaseModel):
    """A document."""

    model_config = ConfigDict(strict=True, extra="forbid")

    id: str = Field(min_length=1, max_length=1000)
    title: str = ""
    text: str = Field(min_length=1)


class DocumentsRequest(BaseModel):
    """A body of `/documents`: all documents, or what is put in and taken out."""

    model_config = ConfigDict(strict=True, extra="forbid")

    documents: list[DocumentBody] | None = Field(None, min_length=1, max_length=MOST_DOCUMENTS)
    upsert: list[DocumentBody] = Field(default=[], max_length=MOST_DOCUMENTS)
    delete: list[str] = Field(default=[], max_length=MOST_DOCUMENTS)


def check_supported(given: Mapping[str, object]) -> None:
    """Raises:
    TurnedAway: a parameter is unknown, or asks for what is not done here.
    """
    for name, value in given.items():
        if value is None or name in IGNORED or (name in NEUTRAL and NEUTRAL[name] == value):
            continue
        known = NEUTRAL.get(name)
        said = f"only {known!r} is: answers are greedy, one a request" if name in NEUTRAL else "leave it out"
        called = name if name.isidentifier() and len(name) < 40 else "a parameter"
        raise invalid(f"{called} is not supported with this value; {said}", called, "unsupported_parameter")


def error_body(error: TurnedAway) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    kind = TYPES.get(error.status, "invalid_request_error")
    return {"error": {"message": error.said, "type": kind, "param": error.param or None, "code": error.code}}


def usage_of(answer: ServedAnswer) -> dict[str, Any]:
    """Tokens of an answer."""
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    }


class Completion:
    """One answer of `/v1/chat/completions`, whole or in chunks."""

    def __init__(self, model: str) -> None:
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": model}

    def whole(self, answer: ServedAnswer) -> dict[str, Any]:
        """All of it."""
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": finish_of(answer), "logprobs": None}
        found = {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage_of(answer)}
        return found | _beside(answer)

    def chunk(self, text: str | None = None, answer: ServedAnswer | None = None, first: bool = False) -> dict[str, Any]:
        """A piece of it, or its end."""
        delta: dict[str, Any] = {"role": "assistant"} if first else {}
        delta |= {} if text is None else {"content": text}
        finish = None if answer is None else finish_of(answer)
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        found = {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
        return found | (_beside(answer) if answer else {})

    def usage(self, answer: ServedAnswer) -> dict[str, Any]:
        """The chunk that tells what it took."""
        return {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage_of(answer)}


def finish_of(answer: ServedAnswer) -> str:
    """Why it ended."""
    failure = answer.prediction.failure if answer.prediction else ""
    return "length" if failure == CUT_OFF else "content_filter" if failure else answer.finish


def _beside(answer: ServedAnswer) -> dict[str, Any]:
    """What an answer rests on, under a name of ours, which other clients pass over."""
    found = answer.prediction
    if found is None:
        return {}
    beside: dict[str, Any] = {"evidence": list(found.evidence), "confidence": found.confidence}
    if found.citations is not None:
        beside["citations"] = cited(found)
    return {"advisor": beside | _marks(answer)}


def _marks(answer: ServedAnswer) -> dict[str, Any]:
    """What a caller has to know of how the query was read."""
    if answer.prediction is None:
        return {}
    usage, failure = answer.prediction.usage, answer.prediction.failure
    return {"cut": usage.cut, "unread": usage.unread, **({"failure": failure} if failure else {})}


def answer_body(answer: ServedAnswer) -> dict[str, Any]:
    """An answer of `/answer`."""
    assert answer.prediction is not None
    found = answer_line(answer.prediction) | {"id": f"answer-{uuid.uuid4().hex}", "text": answer.text}
    return found | {"usage": usage_of(answer)} | _marks(answer)


def embeddings_body(model: str, answer: ServedAnswer, encoding: str) -> dict[str, Any]:
    """An answer of `/v1/embeddings`."""
    assert answer.vectors is not None
    rows = np.asarray(answer.vectors, dtype="<f4")
    told = [base64.b64encode(row.tobytes()).decode() if encoding == "base64" else row.tolist() for row in rows]
    data = [{"object": "embedding", "index": number, "embedding": one} for number, one in enumerate(told)]
    tokens = answer.prompt_tokens
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}
