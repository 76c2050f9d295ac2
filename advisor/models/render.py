"""The one renderer: from a prompt's parts to tokens, the same for every approach and for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from advisor.errors import UserError
from advisor.models.control import Tokens, common_start
from advisor.models.prompt import CUE, THOUGHT_OVER, Prompt
from advisor.models.template import Template

TEXTS_KEPT = 16
LABEL_SHARE = 8  # labels are named while they take at most this fraction of the context window


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt as tokens.

    Attributes:
        ids: the whole prompt.
        stem: how many leading tokens do not depend on the query, so that their computation can be shared.
        dropped: pieces of context left out to fit the context window.
        cut: tokens of the input left out because it did not fit even without context.
    """

    ids: tuple[int, ...]
    stem: int
    dropped: int = 0
    cut: int = 0


class Renderer:
    """Renders prompts for one tokenizer, by its chat template where it has one, else as plain text.

    Control tokens come from the template alone: what a task's own texts say is text, whatever it looks like.

    Args:
        tokenizer: a Hugging Face tokenizer.
        window: tokens that prompt and answer may take together.
        end_ids: tokens that end an answer according to the model's configuration.
        thinking: whether prompts end where the model is to think before it answers.

    Attributes:
        notes: what a reader of the report must know of the chat template, in full sentences.
        end_id: the token that ends an answer.

    Raises:
        UserError: the chat template cannot be used, or nothing says what ends an answer.
    """

    def __init__(self, tokenizer: Any, window: int, end_ids: Sequence[int], thinking: bool = False) -> None:
        self.tokenizer = tokenizer
        self.window = window
        self._thinking = thinking
        self.chat = bool(getattr(tokenizer, "chat_template", None))
        self.tokens = Tokens(tokenizer, str(tokenizer.chat_template) if self.chat else "")
        # What prompts have in common is tokenised once: with 77 labels that is two thirds of the work on a prompt.
        self._task_text = lru_cache(TEXTS_KEPT)(self._said_of_task)
        self._common_ids = lru_cache(TEXTS_KEPT)(self._ids)
        self._head_ids = lru_cache(TEXTS_KEPT)(self._ids_before)
        self._template = Template(self.tokens, thinking) if self.chat else None
        self.notes = self._template.notes if self._template else ()
        before, self._behind = self._frame()
        self._tail = len(self._behind) - len(self._begun(Prompt("", "")))
        self._marks = [token for token in self.tokens.control if token in before + self._behind]
        self._cue_ids = self.tokens.ids(self._behind)
        self.end_id = self._end_of_answer(end_ids)
        self.stop_ids = frozenset(end_ids) | {self.end_id}

    def for_thinking(self) -> Renderer | None:
        """Renders so that the model thinks before it answers; None where its chat template knows of no thoughts."""
        if self._template is None or not self._template.thinks:
            return None
        return Renderer(self.tokenizer, self.window, sorted(self.stop_ids), thinking=True)

    def thought(self, opened: Encoded, text: str, prompt: Prompt) -> Encoded:
        """A prompt of the renderer for thinking, with the thought that followed it, closed, up to where the answer
        begins: with the cue, as without a thought."""
        closed = f"{self.tokens.guarded(text)}\n{THOUGHT_OVER}\n\n{self.tokens.guarded(prompt.begun)}"
        return replace(opened, ids=(*opened.ids, *self.tokens.ids(closed)))

    @property
    def sample(self) -> tuple[int, ...]:
        """Tokens of a short prompt, on which a model can be tried."""
        return self._tokens(Prompt("Answer the question.", "What is the capital of France?")).ids[: self.window]

    @property
    def highest_id(self) -> int:
        """The highest token that a prompt or an answer can hold."""
        return max([self.tokens.highest(), self.end_id, *self._cue_ids, *self.sample])

    def encode(self, prompt: Prompt, room: int) -> Encoded:
        """Tokens of `prompt`, leaving `room` tokens of the context window for the answer.

        Context is dropped from its far end until the prompt fits; if the input alone is too long, its end is
        cut. Both are counted, neither happens silently.

        Raises:
            UserError: the instruction alone does not fit.
        """
        most = max(self.window - room, 16)
        dropped = 0
        encoded = self._tokens(prompt)
        while len(encoded.ids) > most and prompt.context.size:
            prompt = replace(prompt, context=prompt.context.without_last())
            dropped += 1
            encoded = self._tokens(prompt)
        if len(encoded.ids) > most:
            encoded = self._cut(prompt, encoded, most)
        return replace(encoded, dropped=dropped)

    def _cut(self, prompt: Prompt, encoded: Encoded, most: int) -> Encoded:
        words = self.tokens.of_text(prompt.input)
        kept = len(words)
        while len(encoded.ids) > most and kept:
            kept = max(0, kept - (len(encoded.ids) - most))
            text = self.tokenizer.decode(words[:kept]).rstrip("\ufffd")  # the cut may lie inside a character
            encoded = self._tokens(replace(prompt, input=text))
        if len(encoded.ids) > most:
            raise UserError(
                f"the instruction alone takes {len(encoded.ids)} tokens; the model's context window of {self.window} "
                f"tokens leaves {most} beside the answer",
                "shorten the instruction, or take a model with a larger context window",
            )
        return replace(encoded, cut=len(words) - kept)

    def encode_answer(self, text: str) -> list[int]:
        """Tokens of an answer as the model would write them behind its cue, without the token that ends it.

        Some tokenizers put a blank before what they are given: read alone, the answer would have one too many.
        """
        text = self.tokens.guarded(text)
        whole = self.tokens.ids(f"{self._behind} {text}")
        cue = len(self._cue_ids)
        if whole[:cue] == self._cue_ids:
            return whole[cue:]
        # The cue's end and the answer's beginning make one token, which the model is not asked for.
        alone = [self.tokens.ids(said) for said in (f" {text}", text)]
        written = self.tokenizer.decode(whole)
        return next((ids for ids in alone if self.tokenizer.decode(self._cue_ids + ids) == written), alone[0])

    def count(self, text: str) -> int:
        """Tokens of a text alone, without special tokens."""
        return len(self.tokens.of_text(text))

    def encode_text(self, text: str) -> Encoded:
        """Tokens of a text on its own. Its stem is a line break, with whatever the tokenizer puts first: something to
        predict the first word from, in every vocabulary.

        Raises:
            UserError: it does not fit the context window.
        """
        parts = ("\n", "\n" + self.tokens.guarded(text.strip()))
        lead, ids = (self.tokens.ids(part, special=True) for part in parts)
        stem = common_start(lead, ids)
        if len(ids) > self.window:
            seen = f"a text of {len(ids)} tokens does not fit the model's context window of {self.window} tokens"
            raise UserError(seen, "cut it, or take a model with a larger context window")
        return Encoded(tuple(ids), max(stem, 1))

    def encode_conversation(self, turns: Sequence[tuple[str, str]], room: int) -> Encoded:
        """Tokens of a conversation as it is, up to where the model's next turn begins; control tokens are the chat
        template's alone.

        Raises:
            UserError: there is no chat template, it refuses the turns, or they leave no `room`.
        """
        if self._template is None:
            raise UserError("the model has no chat template, so that it takes no conversations", "take a chat model")
        ids = self._ids(self._template.conversation([(role, self.tokens.guarded(said)) for role, said in turns]))
        if len(ids) > self.window - room:
            seen = f"a conversation of {len(ids):,} tokens leaves no room for an answer of {room:,}"
            raise UserError(f"{seen}: the context window has {self.window:,}", "shorten it, or ask for fewer tokens")
        return Encoded(ids, 0)

    def _tokens(self, prompt: Prompt) -> Encoded:
        text, stem = self.text(prompt)
        start, head = self._apart(text, stem)
        ids = head + self._ids(text[start:])
        return Encoded(ids, len(head) + common_start(ids[len(head) : -1], self._common_ids(text[start:stem])))

    def _apart(self, text: str, stem: int) -> tuple[int, tuple[int, ...]]:
        """The last place before the query where a text may be cut without another token coming out, and the tokens up
        to there, which other prompts have as well: nearly all of them behind worked examples."""
        start, mark = max(((text.rfind(mark, 0, stem), mark) for mark in self._marks), default=(0, ""))
        head = self._head_ids(text[:start], mark) if start > 0 else None
        return (0, ()) if head is None else (start, head)

    def _ids_before(self, head: str, mark: str) -> tuple[int, ...] | None:
        """Tokens of what comes before a special token, where that keeps it apart from what follows."""
        ids = self._ids(head)
        rest = mark + "a"
        return ids if self._ids(head + rest) == ids + self._ids(rest) else None

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokens.ids(text, special=not self.chat))

    def forget(self) -> None:
        """Start cold: drop what was tokenised for earlier prompts."""
        self._task_text.cache_clear()
        self._common_ids.cache_clear()
        self._head_ids.cache_clear()

    def text(self, prompt: Prompt) -> tuple[str, int]:
        """The prompt as text, guarded, and how many leading characters do not depend on the query."""
        own = self.tokens.guarded(prompt.asked)
        whole = self._whole(prompt, own)
        end = len(whole) - self._tail - len(self._begun(prompt))  # reasoning may repeat the input
        end_of_stem = whole.rfind(own, 0, end)
        if end_of_stem < 0:  # the template strips what it is given
            end_of_stem = whole.rfind(own.strip(), 0, end)
        if not prompt.context.fixed and prompt.context.shots:
            first = self.tokens.guarded(prompt.context.shots[-1].input)
            end_of_stem = max(whole.find(first, len(self._task(prompt))), 0) if first else 0
        elif prompt.context.fixed and prompt.context.passages and end_of_stem > 0:
            end_of_stem += len(self.tokens.guarded(prompt.documents))
        return whole, max(end_of_stem, 0)

    def _task(self, prompt: Prompt) -> str:
        return self._task_text(prompt.instruction, prompt.labels)

    def _said_of_task(self, instruction: str, labels: tuple[str, ...]) -> str:
        if not labels:
            return self.tokens.guarded(instruction)
        if self.count("Labels: " + ", ".join(labels)) > self.window // LABEL_SHARE:
            return self.tokens.guarded(instruction)
        return self.tokens.guarded(Prompt(instruction, "", labels).task)

    def _whole(self, prompt: Prompt, own: str) -> str:
        """The prompt as text, `own` being the query's part of it."""
        task, guarded = self._task(prompt), self.tokens.guarded
        shots = [(guarded(s.input), f"{CUE} {guarded(s.answer)}") for s in reversed(prompt.context.shots)]
        if self._template is not None:
            return self._template.text(task, shots, own) + self._begun(prompt)
        worked = (f"Input: {shown}\n{said}" for shown, said in shots)
        return "\n\n".join([task, *worked, f"Input: {own}\n{self._begun(prompt)}"])

    def _begun(self, prompt: Prompt) -> str:
        return "" if self._thinking else self.tokens.guarded(prompt.begun)

    def _frame(self) -> tuple[str, str]:
        """What a prompt without context says before and behind the query's own part."""
        mark = "advisor-query"
        before, _, behind = self._whole(Prompt("", mark), mark).rpartition(mark)
        return before, behind

    def _end_of_answer(self, end_ids: Sequence[int]) -> int:
        """The token that ends an answer: what the chat template puts behind it, else the end of text."""
        written = self._template.end if self._template else None
        for token in (written, self.tokenizer.eos_token_id, *end_ids):
            if token is not None:
                return int(token)
        folder = getattr(self.tokenizer, "name_or_path", "")
        raise UserError(
            f"{Path(str(folder)) / 'tokenizer_config.json'}: names no token that ends an answer, nor does config.json",
            'add "eos_token", as the model\'s own repository has it',
        )
