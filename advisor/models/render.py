"""The one renderer: from a prompt's parts to tokens, the same for every approach and for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from advisor.errors import UserError
from advisor.models.prompt import Prompt

# The answer's cue, in the model's turn. Without it a small chat model talks about the answer instead of giving it:
# with SmolLM2-135M-Instruct zero-shot accuracy on trec6 rose from 0.20 to 0.43, few-shot from 0.43 to 0.55.
CUE = "Answer:"
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

    Args:
        tokenizer: a Hugging Face tokenizer.
        window: tokens that prompt and answer may take together.
        end_ids: tokens that end an answer according to the model's configuration.
    """

    def __init__(self, tokenizer: Any, window: int, end_ids: Sequence[int]) -> None:
        self.tokenizer = tokenizer
        self.window = window
        self.chat = bool(getattr(tokenizer, "chat_template", None))
        # What prompts have in common is tokenised once: with 77 labels that is two thirds of the work on a prompt.
        self._task_text = lru_cache(TEXTS_KEPT)(self._said_of_task)
        self._common_ids = lru_cache(TEXTS_KEPT)(self._ids)
        self._head_ids = lru_cache(TEXTS_KEPT)(self._ids_before)
        self._system = self.chat and self._takes_system_role()
        before, behind = self._frame()
        self._tail = len(behind)
        added = map(str, tokenizer.added_tokens_decoder.values()) if self.chat else ()
        self._marks = [token for token in added if token in before or token in behind]
        self.end_id = self._end_of_answer(end_ids)
        self.stop_ids = frozenset(end_ids) | {self.end_id}

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
        words: list[int] = self.tokenizer(prompt.input, add_special_tokens=False)["input_ids"]
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
        """Tokens of an answer as it continues a prompt, without the token that ends it."""
        ids: list[int] = self.tokenizer(" " + text, add_special_tokens=False)["input_ids"]
        return ids

    def encode_text(self, text: str) -> Encoded:
        """Tokens of a text on its own. Its stem is a line break, with whatever the tokenizer puts first: something to
        predict the first word from, in every vocabulary.

        Raises:
            UserError: it does not fit the context window.
        """
        lead, ids = (self.tokenizer(part)["input_ids"] for part in ("\n", "\n" + text.strip()))
        stem = 0
        while stem < min(len(lead), len(ids)) and lead[stem] == ids[stem]:
            stem += 1
        if len(ids) > self.window:
            seen = f"a text of {len(ids)} tokens does not fit the model's context window of {self.window} tokens"
            raise UserError(seen, "cut it, or take a model with a larger context window")
        return Encoded(tuple(ids), max(stem, 1))

    def _tokens(self, prompt: Prompt) -> Encoded:
        text, stem = self.text(prompt)
        start, head = self._apart(text, stem)
        ids = head + self._ids(text[start:])
        shared = len(head)
        for left, right in zip(ids[shared:-1], self._common_ids(text[start:stem]), strict=False):
            if left != right:
                break
            shared += 1
        return Encoded(ids, shared)

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
        return tuple(self.tokenizer(text, add_special_tokens=not self.chat)["input_ids"])

    def forget(self) -> None:
        """Start cold: drop what was tokenised for earlier prompts."""
        self._task_text.cache_clear()
        self._common_ids.cache_clear()
        self._head_ids.cache_clear()

    def text(self, prompt: Prompt) -> tuple[str, int]:
        """The prompt as text, and how many leading characters do not depend on the query."""
        own = _own_part(prompt)
        whole = self._chat_text(prompt, own) if self.chat else self._plain_text(prompt, own)
        end = len(whole) - self._tail
        end_of_stem = whole.rfind(own, 0, end)
        if end_of_stem < 0:  # the template strips what it is given
            end_of_stem = whole.rfind(own.strip(), 0, end)
        if not prompt.context.fixed and prompt.context.shots:
            first = prompt.context.shots[-1].input
            end_of_stem = max(whole.find(first, len(self._task(prompt))), 0) if first else 0
        return whole, max(end_of_stem, 0)

    def _task(self, prompt: Prompt) -> str:
        return self._task_text(prompt.instruction, prompt.labels)

    def _said_of_task(self, instruction: str, labels: tuple[str, ...]) -> str:
        if not labels:
            return instruction
        line = "Labels: " + ", ".join(labels)
        if len(self.tokenizer(line, add_special_tokens=False)["input_ids"]) > self.window // LABEL_SHARE:
            return instruction
        return f"{instruction}\n{line}"

    def _chat_text(self, prompt: Prompt, own: str) -> str:
        task = self._task(prompt)
        messages: list[dict[str, str]] = []
        for shot in reversed(prompt.context.shots):
            messages.append({"role": "user", "content": shot.input})
            messages.append({"role": "assistant", "content": f"{CUE} {shot.answer}"})
        messages.append({"role": "user", "content": own})
        if self._system:
            messages.insert(0, {"role": "system", "content": task})
        else:
            messages[0]["content"] = f"{task}\n\n{messages[0]['content']}"
        text: str = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text + CUE

    def _plain_text(self, prompt: Prompt, own: str) -> str:
        shots = [f"Input: {s.input}\n{CUE} {s.answer}" for s in reversed(prompt.context.shots)]
        return "\n\n".join([self._task(prompt), *shots, f"Input: {own}\n{CUE}"])

    def _takes_system_role(self) -> bool:
        messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
        try:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False)
        except Exception:  # noqa: BLE001 - templates refuse roles with whatever error their author chose
            return False
        return "a" in text

    def _frame(self) -> tuple[str, str]:
        """What a prompt without context says before and behind the query's own part."""
        mark = "advisor-query"
        prompt = Prompt("", mark)
        text = self._chat_text(prompt, mark) if self.chat else self._plain_text(prompt, mark)
        before, _, behind = text.rpartition(mark)
        return before, behind

    def _end_of_answer(self, end_ids: Sequence[int]) -> int:
        """The token that ends an answer: what the chat template puts behind it, else the end of text."""
        if self.chat:
            mark = "advisor-answer"
            messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": mark}]
            text = self.tokenizer.apply_chat_template(messages, tokenize=False)
            after = text[text.rfind(mark) + len(mark) :]
            ids = self.tokenizer(after, add_special_tokens=False)["input_ids"]
            if ids:
                return int(ids[0])
        eos = self.tokenizer.eos_token_id
        return int(eos if eos is not None else end_ids[0])


def _own_part(prompt: Prompt) -> str:
    """The query's own part: passages, if any, then the input."""
    if not prompt.context.passages:
        return prompt.input
    texts = [f"{p.title}: {p.text}" if p.title else p.text for p in prompt.context.passages]
    return "\n\n".join(["Documents:", *texts, f"Query: {prompt.input}"])
