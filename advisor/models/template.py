"""A chat template, found out by trying it: what it can carry, where the answer begins, what ends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from advisor.errors import UserError
from advisor.models.control import Tokens
from advisor.models.prompt import THOUGHT, THOUGHT_OVER

Turn = tuple[str, str]  # role, content
# What stands for the parts of a prompt while a template is tried; no template writes such words itself.
TASK = "qzinstruction\nqzlabels"
SHOTS = (("qzfirst\nshot", "qzanswer one"), ("qzsecond", "qzanswer two"))
OWN = "Documents:\n\nqztitle: qzpassage\n\nQuery: qzinput"


@dataclass(frozen=True, slots=True)
class Form:
    """How the parts of a prompt are given to a template.

    Attributes:
        system: the task as a system message; else it opens the first turn.
        turns: worked examples as turns of their own; else they stand in the user's turn.
        parts: a turn's content as a list of parts; else as a text.
    """

    system: bool = True
    turns: bool = True
    parts: bool = False


class Template:
    """The chat template of a tokenizer.

    Every part of a prompt goes where it would naturally stand; where the template refuses or drops it, to where the
    template carries it.

    Args:
        tokens: of the tokenizer whose template it is.
        thinking: whether the model is to think first: a prompt then ends where its thought begins.

    Attributes:
        form: how it is given what a prompt holds.
        lead: what it writes between its generation prompt and an answer, or a thought.
        notes: what a reader of the report must know, in full sentences.

    Raises:
        UserError: it cannot be read, or loses the input.
    """

    def __init__(self, tokens: Tokens, thinking: bool = False) -> None:
        self.tokens = tokens
        self.thinking = thinking
        self.form = self._fitting()
        self.lead = ""
        self.lead, closed = self._lead()
        self.notes = tuple(self._notes(closed))

    def text(self, task: str, shots: Sequence[tuple[str, str]], own: str) -> str:
        """A prompt up to where its answer begins; texts are guarded, the last shot stands nearest to `own`."""
        return self._asked(self.form, task, shots, own) + self.lead

    def conversation(self, turns: Sequence[Turn]) -> str:
        """Turns as they are, up to where the model's next one begins; texts are guarded.

        Raises:
            UserError: the template refuses them, as some do a system message, or two turns of the same role.
        """
        text = self._tried(turns, asking=True)
        if text is None:
            roles = ", ".join(role for role, _ in turns[:8])
            raise UserError(
                f"the model's chat template refuses these turns: {roles}", "let user and assistant take turns"
            )
        return text

    @cached_property
    def thinks(self) -> bool:
        """Whether it knows of thoughts: it opens one, or is another where it is told that there are to be some."""
        question = [("user", "qzquestion")]
        asked = [self._tried(question, asking=True, thinking=thinking) or "" for thinking in (False, True)]
        return asked[0] != asked[1] or _opened(asked[1].rpartition("qzquestion")[2])

    @cached_property
    def end(self) -> int | None:
        """The token that it writes behind an answer; None where it writes none."""
        question, answer, again = ("user", "qzquestion"), ("assistant", "qzanswer"), ("user", "qzagain")
        for turns in ((question, answer), (question, answer, again)):
            text = self._tried(turns)
            if text is not None and answer[1] in text:
                behind = text.rpartition(answer[1])[2].partition(again[1])[0]
                if (token := self.tokens.first_control(behind)) is not None:
                    return token
        return None

    def place(self) -> Path:
        """The file that the template stands in."""
        folder = Path(str(getattr(self.tokens.tokenizer, "name_or_path", "") or ""))
        file = folder / "chat_template.jinja"
        return file if file.is_file() else folder / "tokenizer_config.json"

    def _fitting(self) -> Form:
        """The first form in which nothing is lost."""
        for parts, turns, system in product((False, True), (True, False), (True, False)):
            form = Form(system, turns, parts)
            if self._carries(form):
                return form
        raise self._refusal()

    def _carries(self, form: Form) -> bool:
        """Whether all parts stand in the prompt, whole and in order, with worked examples and without."""
        for shots in ((), SHOTS):
            try:
                text = self._asked(form, TASK, shots, OWN)
            except Exception:  # noqa: BLE001 - templates refuse with whatever error their author chose
                return False
            order = [text.find(part) for shot in shots for part in shot] + [text.find(OWN)]
            if TASK not in text or -1 in order or order != sorted(order):
                return False
        return True

    def _asked(self, form: Form, task: str, shots: Sequence[tuple[str, str]], own: str) -> str:
        turns: list[Turn] = []
        if form.turns:
            turns = [turn for shown, answer in shots for turn in (("user", shown), ("assistant", answer))]
        elif shots:
            own = "\n\n".join([*(f"Input: {shown}\n{answer}" for shown, answer in shots), f"Input: {own}"])
        turns.append(("user", own))
        if form.system:
            turns.insert(0, ("system", task))
        else:
            turns[0] = ("user", f"{task}\n\n{turns[0][1]}")
        return self._rendered(turns, form.parts, asking=True, thinking=self.thinking)

    def _rendered(self, turns: Sequence[Turn], parts: bool, asking: bool, thinking: bool) -> str:
        messages = [
            {"role": role, "content": [{"type": "text", "text": content}] if parts else content}
            for role, content in turns
        ]
        # Templates that know of thinking leave it out where they are told so; the others pass over it.
        text: str = self.tokens.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=asking, enable_thinking=thinking
        )
        return text

    def _tried(self, turns: Sequence[Turn], asking: bool = False, thinking: bool = False) -> str | None:
        try:
            return self._rendered(turns, self.form.parts, asking, thinking)
        except Exception:  # noqa: BLE001 - as above
            return None

    def _lead(self) -> tuple[str, bool]:
        """What stands between the generation prompt and an answer, and whether a thought is closed by it.

        An answer begins where the template puts one that was given before: some write no generation prompt, or a
        blank behind it, or open a thought in it, which is closed at once. A model that is to think finds a thought
        opened, by the template or by this.
        """
        question, answer, again = ("user", "qzquestion"), ("assistant", "qzanswer"), ("user", "qzagain")
        asked = self._tried([question], asking=True, thinking=self.thinking) or ""
        generation = asked.rpartition(question[1])[2]
        if self.thinking:
            return ("" if _opened(generation) else f"{THOUGHT}\n"), False
        if _opened(generation):
            return f"\n{THOUGHT_OVER}\n\n", True
        for turns in ((question, answer), (question, answer, again)):
            told = self._tried(turns)
            if told is not None and answer[1] in told:
                before = told.partition(answer[1])[0].rpartition(question[1])[2]
                return (before[len(generation) :] if before.startswith(generation) else ""), False
        return "", False

    def _notes(self, closed: bool) -> list[str]:
        found = []
        if not self.form.system:
            found.append(
                "The model's chat template carries no system message: the instruction stands in the first turn of the "
                "user."
            )
        if not self.form.turns:
            found.append(
                "The model's chat template carries no earlier answers: worked examples stand in the turn of the user."
            )
        if closed:
            found.append(
                "The model's chat template opens a thought, which was closed at once: answers were given without one."
            )
        return found

    def _refusal(self) -> UserError:
        """What is wrong with a template that carries a prompt in no form."""
        hint = "take the template from the model's own repository, or delete it: the model is then asked in plain text"
        try:
            text = self._rendered([("user", OWN)], False, asking=True, thinking=self.thinking)
        except Exception as error:  # noqa: BLE001 - as above
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            line = getattr(error, "lineno", None)
            where = f"{self.place()}:{line}" if line else str(self.place())
            return UserError(f"{where}: the chat template cannot be used: {reason}", hint)
        lost = "the instruction" if "qzinput" in text else "the input"
        return UserError(f"{self.place()}: the chat template leaves {lost} out of the prompt", hint)


def _opened(text: str) -> bool:
    """Whether a thought begins in a text and does not end."""
    return THOUGHT in text and THOUGHT_OVER not in text
