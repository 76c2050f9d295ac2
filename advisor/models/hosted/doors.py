"""What a server can do beyond answering, found out by trying: some accept what they then leave out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from advisor.models.clock import clock
from advisor.models.hosted.calls import Calls, Round
from advisor.models.hosted.client import ServerWire
from advisor.models.hosted.fitting import Fitted
from advisor.models.hosted.labels import MOST_NODES, LabelTree, begin_each_other, spelt, told_apart
from advisor.models.hosted.reply import Call, Constraint, Messages, Reply
from advisor.models.hosted.trouble import AGAIN, Trouble
from advisor.models.prompt import CUE, Prompt

T = TypeVar("T")
TRIED = Prompt("Name the colour of the thing. Answer in one word.", "the sky")
NONSENSE = ("qzvorb", "qzwelm")  # what no model answers unless it is held to it
OF_ITSELF: Mapping[str, Any] = {}
GOING_ON: tuple[Mapping[str, Any], ...] = (OF_ITSELF, {"add_generation_prompt": False, "continue_final_message": True})
"""What servers want to be told so that they go on with an answer that was begun: llama.cpp nothing, vLLM this."""
AS_LIKELY = 0.05  # nats by which two ways to tell a likelihood may differ
AROUND = 24  # tokens of the JSON around a label


@dataclass(frozen=True, slots=True)
class Walk:
    """Labels are told by the alternatives for each of their tokens.

    Attributes:
        tree: of the labels' tokens; None where the answer cannot be begun for the model, so that its first token has to
            tell.
    """

    tree: LabelTree | None


@dataclass(frozen=True, slots=True)
class Told:
    """The server tells how likely each token of a label is.

    Attributes:
        lengths: tokens of each label.
    """

    lengths: tuple[int, ...]


class Doors:
    """The doors of one server. Each is tried when it is first asked for, and what was found is kept.

    Args:
        begins: whether answers may be begun for the model at all; not for those that reason first.
        ways: in which answers may be held to choices, in the order in which they are tried.
    """

    def __init__(self, calls: Calls, wire: ServerWire, begins: bool, ways: Sequence[Constraint]) -> None:
        self._calls = calls
        self._wire = wire
        self._begins = begins
        self._ways = ways
        self._goes_on: bool | None = None
        self._tokenizes = True  # as far as is known
        self._likelihood: dict[tuple[str, ...], Walk | Told | None] = {}
        self._constraint: list[Constraint | None] = []
        self._decides: dict[tuple[str, ...], bool] = {}
        self._pieces: dict[int, str] = {}
        self._spelt: dict[str, list[tuple[str, int]]] = {}

    @property
    def goes_on(self) -> bool:
        """Whether the server goes on with an answer that was begun."""
        if self._goes_on is None:
            with clock.stopped():
                self._goes_on = self._begins and any(map(self._going_on, GOING_ON))
        return self._goes_on

    def assume_going_on(self, said: Mapping[str, Any]) -> None:
        """Take the server to go on with an answer that was begun when it is told this, and do not try."""
        self._wire.goes_on, self._goes_on = said, True

    def likelihood(self, labels: tuple[str, ...]) -> Walk | Told | None:
        """How likelihoods of these labels are told; None where they are not."""
        if labels not in self._likelihood:
            with clock.stopped():
                named = self._names(labels)
                self._likelihood[labels] = (None if named else self._told(labels)) or self._walked(labels)
        return self._likelihood[labels]

    def constraint(self, thought: int) -> Constraint | None:
        """How answers are held to choices; None where they are not.

        Args:
            thought: tokens that the model may think for before it answers.
        """
        if not self._constraint:
            with clock.stopped():
                self._constraint.append(next((way for way in self._ways if self._holds(way, thought)), None))
        return self._constraint[0]

    def decides(self, labels: tuple[str, ...]) -> bool:
        """Whether typed questions with these choices are answered."""
        if labels not in self._decides:
            tried = Call(Fitted(TRIED).messages(True), 0, choices=labels, decides=True)
            with clock.stopped():
                self._decides[labels] = self._tried(tried, needed=False) is not None
        return self._decides[labels]

    def begins(self, way: Constraint | None) -> bool:
        """Whether an answer is begun that is held to choices in this way; JSON begins by itself."""
        return way != "schema" and self.goes_on

    def _holds(self, way: Constraint, thought: int) -> bool:
        """Whether one of two words comes that nobody would answer."""
        begins = self.begins(way)
        tried = Call(Fitted(TRIED).messages(begins), 1, CUE if begins else "", choices=NONSENSE, by=way)
        reply = self._tried(replace(tried, most=2 * AROUND + thought))
        return reply is not None and chosen(reply, NONSENSE) in NONSENSE

    def _going_on(self, said: Mapping[str, Any]) -> bool:
        """Whether a prompt becomes longer by what an answer is begun with, and by nothing that would close it."""
        self._wire.goes_on, found, sizes = said, False, list[int]()
        try:
            for begun in ("", CUE, f"{CUE} {CUE}"):
                reply = self._tried(Call(Fitted(TRIED).messages(True), 1, begun))
                if reply is None or reply.estimated:
                    break
                sizes.append(reply.prompt)
            found = len(sizes) == 3 and 0 < sizes[1] - sizes[0] <= sizes[2] - sizes[1]
        finally:
            self._wire.goes_on = said if found else None
        return found

    def _names(self, labels: tuple[str, ...]) -> bool:
        """Whether the server tells how likely tokens are that are named by their ids: tried with one that it lists
        anyway, and one of a label that it does not list. It is the cheapest door to likelihoods that are exact."""
        if self._wire.named or not self.goes_on:
            return self._wire.named
        pieces = dict(piece for label in labels for piece in self._tokens(f" {label}"))
        messages = Fitted(TRIED).messages(True)
        listed = self._following(messages, CUE) if pieces else ()
        known = next((token for token in listed if len(self._tokens(token)) == 1), None)
        other = next((piece for piece in pieces if piece not in listed), None)
        if known is None or other is None:
            return False
        plain = self._tried(Call(messages, 1, CUE, tokens=(known,)))
        ids, found = {**pieces, **dict(self._tokens(known))}, False
        self._wire.ids, self._wire.named = ids, True
        try:
            named = self._tried(Call(messages, 1, CUE, tokens=(known, other)))
            alike = plain and named and not named.lacking and abs(plain.values[0] - named.values[0]) < AS_LIKELY
            found = bool(alike)
        finally:
            self._wire.ids, self._wire.named = ids if found else {}, found
        return found

    def _told(self, labels: tuple[str, ...]) -> Told | None:
        """The door of older vLLM: log-probabilities of the prompt's own tokens."""
        if not self.goes_on or begin_each_other(labels) or len(labels) > MOST_NODES:
            return None
        before = self._prompt_tokens(CUE)
        if not before:
            return None
        lengths = [self._prompt_tokens(f"{CUE} {label}") - before for label in labels]
        return Told(tuple(lengths)) if min(lengths) > 0 else None

    def _prompt_tokens(self, begun: str) -> int:
        """How many tokens of a prompt the server gives log-probabilities for."""
        reply = self._tried(Call(Fitted(TRIED).messages(True), 1, begun, told=0))
        return len(reply.values) if reply else 0

    def _walked(self, labels: tuple[str, ...]) -> Walk | None:
        """The door of alternatives."""
        prompt = Fitted(replace(TRIED, instruction="Answer with one of the labels.", labels=labels))
        if not self.goes_on:
            found = self._following(prompt.messages(False), "")
            return Walk(None) if told_apart(labels, found) else None
        messages, known = prompt.messages(True), dict[str, Sequence[str]]()

        def ask(begun: str) -> Sequence[str]:
            if begun not in known:
                known[begun] = self._following(messages, CUE + begun)
            return known[begun]

        if len(ask("")) < 2:
            return None
        tokens = [self._tokens(f" {label}") for label in labels]
        if all(tokens) and (self._wire.named or self._lifts(messages, ask(""))):
            self._wire.ids |= {piece: number for row in tokens for piece, number in row}
        pieces = [
            [piece for piece, _ in row] or spelt(f" {label}", ask) for label, row in zip(labels, tokens, strict=True)
        ]
        rows = [row for row in pieces if row]
        if len(rows) < len(labels):
            return None
        tree = LabelTree.of(rows)
        return Walk(tree) if len(tree.starts) <= MOST_NODES else None

    def _following(self, messages: Messages, begun: str) -> Sequence[str]:
        """The tokens that the server gives as alternatives; none where it gives none."""
        reply = self._tried(Call(messages, 1, begun, listed=True))
        return reply.listed if reply else ()

    def _lifts(self, messages: Messages, listed: Sequence[str]) -> bool:
        """Whether a token that is listed is told to be as likely by what a bias does to it."""
        token = next((token for token in listed if len(self._tokens(token)) == 1), None)
        if token is None:
            return False
        plain = self._tried(Call(messages, 1, CUE, tokens=(token,)))
        self._wire.ids = dict(self._tokens(token))
        try:  # one that is nowhere makes the server's word on this one lack something
            biased = self._tried(Call(messages, 1, CUE, tokens=(token, NONSENSE[0])))
        finally:
            self._wire.ids = {}
        if plain is None or biased is None:
            return False
        return abs(plain.values[0] - biased.values[0]) < AS_LIKELY

    def _tokens(self, text: str) -> list[tuple[str, int]]:
        """A text's tokens behind the cue and their ids, by the server's own tokenizer; none where it does not say."""
        for said in (CUE + text, CUE):
            if said not in self._spelt:
                self._spelt[said] = self._tokenized(said)
        whole, before = self._spelt[CUE + text], self._spelt[CUE]
        return whole[len(before) :] if whole and before and whole[: len(before)] == before else []

    def _tokenized(self, text: str) -> list[tuple[str, int]]:
        if not self._tokenizes:
            return []
        asked = {"content": text, "prompt": text, "with_pieces": True, "add_special_tokens": False}
        try:
            found = self._of_tokenizer("tokenize", asked)["tokens"]
            tokens = [
                (self._piece(one), one) if isinstance(one, int) else (str(one["piece"]), int(one["id"]))
                for one in found
            ]
        except (Trouble, KeyError, TypeError, ValueError):
            tokens = []
        self._tokenizes = bool(tokens)
        # Pieces that are no text by themselves make another one.
        return tokens if "".join(piece for piece, _ in tokens).strip() == text.strip() else []

    def _piece(self, number: int) -> str:
        """What a token is as a text, from a server whose tokenizer gives numbers alone, as vLLM's."""
        if number not in self._pieces:
            self._pieces[number] = str(self._of_tokenizer("detokenize", {"tokens": [number]})["prompt"])
        return self._pieces[number]

    def _of_tokenizer(self, what: str, asked: Mapping[str, Any]) -> Any:
        client = self._wire.client
        where, body = f"{client.address.root}/{what}", {"model": client.address.model, **asked}
        return _surely(self._calls, lambda: self._calls.look(lambda: client.post(where, body), hasty=True))

    def _tried(self, call: Call, needed: bool = True) -> Reply | None:
        """The answer to a request that a server may refuse.

        Args:
            needed: whether every server has what is asked for, so that what it says is missing is the model, and what
                it denies is the model too.

        Raises:
            Interrupted: the server fails, on whatever it is asked; nothing was found out.
            UserError: no request can be answered.
        """
        raised = ("forbidden", "denied", "missing", "moved") if needed else ("forbidden",)

        def ask(call: Call, now: Round) -> Reply | None:
            try:
                return _surely(self._calls, lambda: now.send(call, hasty=True))
            except Trouble as trouble:
                if trouble.kind in raised:
                    raise
                return None

        return self._calls.each([call], ask, trial=True)[0]


def chosen(reply: Reply, choices: Sequence[str]) -> str:
    """The choice that an answer is; the answer where it is none."""
    text = reply.text.strip()
    if text.startswith("{"):
        try:
            value = json.loads(text)
            text = value.get("answer", text) if isinstance(value, dict) else text
        except (ValueError, RecursionError):
            return text
    text = str(text).removeprefix(CUE).strip()
    return next((one for one in choices if one.strip() == text), text)


def _surely(calls: Calls, ask: Callable[[], T]) -> T:
    """What a trial finds. Where the server fails on it, it is tried once more behind a plain question that was
    answered, for which is waited: a server that is starting has no door shut for good.

    Raises:
        Trouble: it is this that the server refuses, or fails on.
        Interrupted: it fails on everything.
    """
    try:
        return ask()
    except Trouble as trouble:
        if trouble.kind not in AGAIN:
            raise

    def answer(call: Call, now: Round) -> None:
        with suppress(Trouble):  # who refuses is there
            now.send(call)

    calls.each([Call(Fitted(TRIED).messages(False), 1)], answer, trial=True)
    return ask()
