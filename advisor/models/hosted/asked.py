"""What all models have in common that are asked over a connection, whatever library does it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from advisor.errors import NotApplicable
from advisor.models.adaptation import Adaptation
from advisor.models.embedder import Embedder
from advisor.models.hosted.calls import Calls, Round
from advisor.models.hosted.fitting import Fitted, PromptRoom
from advisor.models.hosted.reply import Call, Reply, estimated_tokens
from advisor.models.hosted.trouble import Trouble
from advisor.models.language_model import (
    CUT_OFF,
    Capabilities,
    Decoding,
    Generation,
    LanguageModel,
    at_most_tokens,
)
from advisor.models.prompt import Prompt

R = TypeVar("R")
WINDOW = 32_768  # tokens, where nobody says how many a model takes
BATCH = 256  # prompts; part of what makes records comparable, so that it does not depend on the requests at once
FILTERED = "refused by a content filter"
HOSTED = "A hosted model may change from one day to the next under the same name."
UNASKED = "It reasons before it answers although it was told not to, and was given room for that."
_PIECE = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Asking:
    """How prompts become requests.

    Attributes:
        room: what they have to fit.
        begins: whether the model's turn is begun for it.
    """

    room: PromptRoom
    begins: bool

    def send(self, prompt: Prompt, call: Call, now: Round) -> tuple[Fitted, Reply]:
        """The answer to a prompt, of which is left out what does not fit.

        Args:
            call: the request, but for its messages and how the model's turn is begun.

        Raises:
            Trouble, UserError, Interrupted: there is none.
        """
        fitted = self.room.fit(prompt, call.most)
        while True:
            try:
                return fitted, now.send(self.request(fitted, call))
            except Trouble as trouble:
                if trouble.kind != "long":
                    raise
            fitted = self.room.shorter(fitted)

    def request(self, fitted: Fitted, call: Call) -> Call:
        """What is sent for a prompt that fits."""
        started = fitted.prompt.begun if self.begins else ""
        messages = fitted.messages(self.begins or call.decides)
        return replace(call, messages=messages, started=started + call.started)


class AskedModel(LanguageModel):
    """A model that is asked over a connection. It answers and no more; what else it can is for others to add.

    Args:
        calls: by which it is asked.
        embedder: the sentence embedder that goes with it.
        reasoning: whether it is to reason before it answers.
    """

    def __init__(self, calls: Calls, embedder: Embedder, reasoning: bool) -> None:
        self.calls = calls
        self.name = calls.peer.name
        self.embedder = embedder
        self.reasoning = reasoning
        self._thinks = False

    @property
    def can(self) -> Capabilities:  # type: ignore[override]
        """Answers alone, for sure. What else a server can is found out by trying: `tells_labels_by`, `decides`."""
        return Capabilities(rows_at_once=BATCH, remote=True)

    @property
    def answered_by(self) -> tuple[str, ...]:  # type: ignore[override]
        """Versions that answered so far."""
        return tuple(self.calls.versions)

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What a reader of the report must know, in full sentences; more may be found as it answers."""
        hosted = (HOSTED,) if self.calls.peer.place == "network" else ()
        return (*hosted, UNASKED) if self._thinks else hosted

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Answer each prompt, in the order of `prompts`.

        Raises:
            NotApplicable: it was to answer with adapted weights.
            UserError: the server does not take the requests.
            Interrupted: it is gone, or what may be spent is spent.
        """
        self._as_it_is(adaptation)
        asking = self._asking(self._begins())
        return self._each(prompts, lambda prompt, now: self._generation(prompt, decoding, now, asking))

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, estimated: by its bytes, and no fewer than it has words and marks."""
        return max(1, estimated_tokens(text), len(_PIECE.findall(text)))

    def most_tokens(self, text: str) -> int:
        """Tokens of a text at most, estimated on the high side."""
        return at_most_tokens(text)

    @contextmanager
    def keeping_answers(self, path: Path) -> Iterator[None]:
        """While the block runs, answers are kept in `path` and vectors beside; what is there is not asked again."""
        with super().keeping_answers(path), self.calls.kept(path):
            yield

    def describe(self) -> dict[str, Any]:
        """What a record says of the model."""
        peer = self.calls.peer
        return {
            **super().describe(),
            "source": "api",
            "place": peer.place,
            "provider": peer.provider,
            "reasoning": self.reasoning,
        }

    def close(self) -> None:
        """Give back the connections."""
        self.calls.close()

    def _each(self, prompts: Sequence[Prompt], work: Callable[[Prompt, Round], R]) -> list[R]:
        """Do `work` for each prompt, several at once."""
        return self.calls.each(prompts, work)

    def _as_it_is(self, adaptation: Adaptation | None) -> None:
        if adaptation is not None:
            raise NotApplicable(f"{self.name} is served as it is: its weights are not here to be adapted")

    def _begins(self) -> bool:
        """Whether its turn is begun for it."""
        return False

    @property
    def _thinking(self) -> bool:
        return self.reasoning or self._thinks

    def _asking(self, begins: bool) -> Asking:
        """How a prompt becomes a request. What has to be asked of the server for it is asked here, before threads
        begin."""
        return Asking(PromptRoom(self.context_window, self.count_tokens), begins)

    def _generation(self, prompt: Prompt, decoding: Decoding, now: Round, asking: Asking) -> Generation:
        while True:
            thinks = self._thinking
            asking = replace(asking, begins=False) if thinks else asking
            most = decoding.max_tokens + asking.room.thought * thinks
            # A stop text would end a thought as well.
            call = Call(most=most, stop=() if thinks else decoding.stop)
            fitted, reply = asking.send(prompt, call, now)
            if call.stop and not reply.text.strip() and reply.finish == "stop" and not reply.thought:
                # The answer may begin with what ends it, such as a line break: that is no answer yet.
                fitted, reply = asking.send(prompt, replace(call, stop=()), now)
            if thinks or not _only_thought(reply):
                text = decoding.ended(reply.text.strip().removeprefix(prompt.cue))
                return self._told(fitted, reply, now, text, failure_of(reply, text, thinks))
            self._thinks = True

    def _told(self, fitted: Fitted, reply: Reply, now: Round, text: str, failure: str) -> Generation:
        """A reply as an answer, with the times of a caller."""
        arrived = time.perf_counter() - now.began
        streamed = now.streamed
        return Generation(
            text,
            reply.prompt,
            reply.completion,
            ttft_seconds=reply.ttft_seconds if streamed else arrived,
            seconds=reply.seconds if streamed else arrived,
            dropped=fitted.dropped,
            cut=fitted.cut,
            cached_tokens=reply.cached,
            reasoning_tokens=reply.reasoning,
            estimated=reply.estimated,
            failure=failure,
        )


def _only_thought(reply: Reply) -> bool:
    """Whether a model that was told not to reason has not come to its answer for it."""
    return not reply.text.strip() and (reply.thought or (reply.reasoning > 0 and reply.finish == "length"))


def failure_of(reply: Reply, text: str, thinks: bool) -> str:
    """Why there is no answer; empty where there is one. An answer that reached its cap is one, as it is for a model in
    this process; a thought that did is none."""
    if reply.finish == "filter":
        return FILTERED
    thought = reply.thought or reply.reasoning > 0
    # Where nothing tells thought and answer apart, what ends at the cap of both is still the thought.
    in_thought = (thinks and not thought) or (not text and (thinks or thought))
    return CUT_OFF if reply.finish == "length" and in_thought else ""
