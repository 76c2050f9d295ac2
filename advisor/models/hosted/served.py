"""A model behind an OpenAI-compatible server."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import quote

from advisor.errors import NotApplicable
from advisor.models.adaptation import Adaptation
from advisor.models.clock import clock
from advisor.models.embedder import Embedder
from advisor.models.hosted.asked import WINDOW, AskedModel, Asking, failure_of
from advisor.models.hosted.calls import Calls, Round
from advisor.models.hosted.client import ServerWire
from advisor.models.hosted.doors import AROUND, OF_ITSELF, Doors, Told, Walk, chosen
from advisor.models.hosted.fitting import Fitted
from advisor.models.hosted.reply import Call, Constraint, Reply
from advisor.models.hosted.trouble import Trouble
from advisor.models.hosted.window import slide
from advisor.models.language_model import Decided, Generation, LabelsBy, Scores, thought_room
from advisor.models.prompt import Prompt

R = TypeVar("R")
REFUSED = "refused"
NO_LABEL = "answered none of the labels"


class ServedModel(AskedModel):
    """A model on a server that speaks as OpenAI's does.

    Whatever it can beyond answering is tried before it is trusted; nothing is asked before it is needed.

    Args:
        wire: makes its requests.
        own: whether it is a server of somebody's own, of which more may be tried than of OpenAI's.
    """

    def __init__(self, calls: Calls, wire: ServerWire, embedder: Embedder, reasoning: bool, own: bool) -> None:
        super().__init__(calls, embedder, reasoning)
        self._wire = wire
        self._own = own
        self._looked = False
        self._ends: tuple[str, ...] = ()
        ways: tuple[Constraint, ...] = ("choice", "grammar", "schema") if own else ("schema",)
        self._doors = Doors(calls, wire, own and not reasoning, ways)

    @cached_property
    def context_window(self) -> int:  # type: ignore[override]
        """Tokens that prompt and answer may take together, where the server says it; else assumed.

        Raises:
            Interrupted: the server is gone.
            UserError: it takes no such key.
        """
        return window_in(self._served(), self.calls.peer.model) or WINDOW if self._own else WINDOW

    def assume_window(self, tokens: int) -> None:
        """Take the context window to be this, and do not ask for it."""
        self.context_window = tokens

    def assume_going_on(self) -> None:
        """Take the server to go on by itself with an answer that was begun, as llama.cpp does, and do not try."""
        self._doors.assume_going_on(OF_ITSELF)

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What a reader of the report must know."""
        return (*super().notes, *self._wire.manners.notes, *self._ends)

    def describe(self) -> dict[str, Any]:
        """What a record says of the model."""
        return {**super().describe(), "device_name": self._wire.client.address.host}

    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        """Log-likelihood of every choice after every prompt, in the order of `prompts`.

        Raises:
            NotApplicable: the server does not tell likelihoods of these.
        """
        self._as_it_is(adaptation)
        door = None if self._thinking else self._doors.likelihood(tuple(choices))
        if door is None:
            raise NotApplicable(f"{self.name} gives no likelihoods of labels")
        asking = self._asking(self._begins())
        calls = _requests(tuple(choices), door)
        found = self._each(prompts, lambda prompt, now: self._replies(prompt, calls, now, asking))
        return [_scores_of(tuple(choices), door, *one) for one in found]

    def choose(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Answer each prompt with one of the choices, and with nothing else, in the order of `prompts`.

        Raises:
            NotApplicable: the server does not hold answers to choices.
        """
        self._as_it_is(adaptation)
        way = self._constraint()
        if way is None:
            raise NotApplicable(f"{self.name} cannot be held to a choice of answers")
        asking = self._asking(self._doors.begins(way))
        most = max(map(self.most_tokens, choices)) + AROUND + asking.room.thought * self._thinking
        call = Call(most=most, choices=tuple(choices), by=way)
        return self._each(prompts, lambda prompt, now: self._choice(prompt, call, now, asking))

    def decides(self, choices: Sequence[str]) -> bool:
        """Whether the server has an endpoint for decisions that takes these choices; it is tried the first time."""
        return self._doors.decides(tuple(choices))

    def decide(self, prompts: Sequence[Prompt], choices: Sequence[str]) -> list[Decided]:
        """A probability for every choice behind every prompt, in one pass each, in the order of `prompts`.

        Raises:
            NotApplicable: the server has no endpoint for decisions.
        """
        if not self.decides(choices):
            raise NotApplicable(f"{self.name} has no endpoint for decisions")
        asking, call = self._asking(False), Call(most=0, choices=tuple(choices), decides=True)
        return self._each(prompts, lambda prompt, now: _decided(*asking.send(prompt, call, now), now))

    def _opens(self, way: LabelsBy, labels: tuple[str, ...]) -> bool:
        """Whether these labels are told in this way; tried the first time."""
        if way == "likelihood":
            return not self._thinking and self._doors.likelihood(labels) is not None
        return way == "text" or self._constraint() is not None

    def _constraint(self) -> Constraint | None:
        """How answers are held to choices, with room for a thought where there is one."""
        return self._doors.constraint(thought_room(self.context_window) if self._thinking else 0)

    def _begins(self) -> bool:
        return self._doors.goes_on

    def _choice(self, prompt: Prompt, call: Call, now: Round, asking: Asking) -> Generation:
        fitted, reply = asking.send(prompt, call, now)
        text = chosen(reply, call.choices)
        failure = "" if text in call.choices else failure_of(reply, "", self._thinking) or NO_LABEL
        return self._told(fitted, reply, now, text, failure)

    def _replies(
        self, prompt: Prompt, calls: Sequence[Call], now: Round, asking: Asking
    ) -> tuple[Fitted, list[Reply], float]:
        """What labels are told by behind one prompt, and the seconds since the model was called."""
        fitted, first = asking.send(prompt, calls[0], now)

        def ask(call: Call) -> Reply:
            return now.send(asking.request(fitted, call))

        # Of many prompts each is asked one thing after the other; of one alone somebody waits for the answer.
        at_once = self.calls.at_once if now.streamed else 1
        replies = [first, *slide(calls[1:], ask, at_once, now.stop, lambda _: None)]
        return fitted, replies, time.perf_counter() - now.began

    def _each(self, prompts: Sequence[Prompt], work: Callable[[Prompt, Round], R]) -> list[R]:
        """Do `work` for each prompt; behind the first answers the server is asked, once, how long it has the model."""
        found = super()._each(prompts, work)
        if not self._looked and self.calls.peer.place == "network":
            self._looked = True
            with clock.stopped(), suppress(Trouble):
                self._ends = ends_in(self._wire.client.look(f"/models/{quote(self.calls.peer.model)}"))
        return found

    def _served(self) -> Any:
        """What the server says that it serves; None where it does not say."""
        try:
            return self.calls.look(lambda: self._wire.client.look("/models"))
        except Trouble as trouble:
            if trouble.kind == "forbidden":
                raise self.calls.mistake(trouble) from None
            return None


def _decided(fitted: Fitted, reply: Reply, now: Round) -> Decided:
    return Decided(
        reply.values,
        reply.prompt,
        reply.completion,
        time.perf_counter() - now.began,
        dropped=fitted.dropped,
        cut=fitted.cut,
        cached_tokens=reply.cached,
        reasoning_tokens=reply.reasoning,
        estimated=reply.estimated,
        failure="" if reply.values else REFUSED,
    )


def _requests(labels: tuple[str, ...], door: Walk | Told) -> list[Call]:
    """The requests by which labels are told behind one prompt, but for its messages."""
    if isinstance(door, Told):
        return [Call((), 1, f" {label}", told=n) for label, n in zip(labels, door.lengths, strict=True)]
    if door.tree is None:
        return [Call((), 1, tokens=labels, whole=True)]
    tree = door.tree
    return [Call((), 1, start, tokens=tokens) for start, tokens in zip(tree.starts, tree.tokens, strict=True)]


def _scores_of(
    labels: tuple[str, ...], door: Walk | Told, fitted: Fitted, replies: Sequence[Reply], seconds: float
) -> Scores:
    values = [reply.values for reply in replies]
    if isinstance(door, Told):
        totals, lengths = tuple(map(sum, values)), door.lengths
    elif door.tree is None:
        totals, lengths = values[0], (1,) * len(labels)
    else:
        totals, lengths = door.tree.totals(values), door.tree.lengths
    return Scores(
        totals,
        lengths,
        sum(reply.prompt for reply in replies),
        seconds,
        fitted.dropped,
        fitted.cut,
        completion_tokens=sum(reply.completion for reply in replies),
        cached_tokens=sum(reply.cached for reply in replies),
        estimated=any(reply.estimated for reply in replies),
    )


def window_in(listed: Any, model: str) -> int | None:
    """The context window that a list of models states: vLLM and llama.cpp do."""
    rows = listed.get("data") if isinstance(listed, dict) else None
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    for row in [row for row in found if row.get("id") == model] or (found if len(found) == 1 else []):
        meta = row.get("meta")
        meta = meta if isinstance(meta, dict) else {}
        stated = (row.get("max_model_len"), meta.get("n_ctx"), meta.get("n_ctx_train"), row.get("context_length"))
        return next((one for one in stated if isinstance(one, int) and one > 0), None)
    return None


def ends_in(said: Any) -> tuple[str, ...]:
    """A sentence on when a model is to be shut down, where what a server says of it states a date."""
    for name in ("shutdown_date", "deprecation_date", "sunset_date"):
        value = said.get(name) if isinstance(said, dict) else None
        if isinstance(value, str) and (day := re.match(r"\d{4}-\d{2}-\d{2}", value)):
            return (f"Its provider is to shut it down on {day[0]}.",)
        if isinstance(value, int) and value > 0:
            return (f"Its provider is to shut it down on {time.strftime('%Y-%m-%d', time.gmtime(value))}.",)
    return ()
