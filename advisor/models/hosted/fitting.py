"""Prompts that fit a context window whose tokenizer is not here: by estimate, then by what the server says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from advisor.errors import UserError
from advisor.models.hosted.reply import A_TURN, Messages
from advisor.models.language_model import thought_room
from advisor.models.prompt import Prompt
from advisor.models.render import LABEL_SHARE

KEPT = 0.75  # share of an input that is kept where it has to be cut and nothing says by how much


@dataclass(frozen=True, slots=True)
class Fitted:
    """A prompt that fits, or is believed to.

    Attributes:
        dropped, cut: as in `advisor.models.Generation`.
    """

    prompt: Prompt
    dropped: int = 0
    cut: int = 0

    def messages(self, begun: bool) -> Messages:
        """The conversation; where the model's turn is begun for it, its cue stands there, else in the question."""
        return tuple((one["role"], one["content"]) for one in self.prompt.messages(begun))


class PromptRoom:
    """Makes prompts fit.

    Args:
        window: tokens that prompt and answer may take together.
        count: tokens of a text.
    """

    def __init__(self, window: int, count: Callable[[str], int]) -> None:
        self.window = window
        self.count = count

    @property
    def thought(self) -> int:
        """Tokens that a model may reason for before it answers."""
        return thought_room(self.window)

    def fit(self, prompt: Prompt, answer: int) -> Fitted:
        """Drop context from its end until the prompt leaves room for the answer; then cut the input.

        Raises:
            UserError: the instruction alone does not fit.
        """
        if prompt.labels and self.count("Labels: " + ", ".join(prompt.labels)) > self.window // LABEL_SHARE:
            prompt = replace(prompt, labels=())
        fitted, most = Fitted(prompt), max(self.window - answer, 16)
        while self._size(fitted) > most:
            fitted = self.shorter(fitted, most / self._size(fitted))
        return fitted

    def shorter(self, fitted: Fitted, kept: float = KEPT) -> Fitted:
        """A piece of context less; where there is none, a part of the input less.

        Args:
            kept: share of the input that is kept, about.

        Raises:
            UserError: nothing is left to leave out.
        """
        prompt = fitted.prompt
        if prompt.context.size:
            return replace(
                fitted, prompt=replace(prompt, context=prompt.context.without_last()), dropped=fitted.dropped + 1
            )
        if not prompt.input:
            raise UserError(
                f"the instruction alone does not fit the model's context window of {self.window} tokens",
                "shorten the instruction, or take a model with a larger context window",
            )
        text = prompt.input[: int(min(kept, 0.95) * len(prompt.input))]
        lost = self.count(prompt.input) - self.count(text) if text else self.count(prompt.input)
        return replace(fitted, prompt=replace(prompt, input=text), cut=fitted.cut + max(lost, 1))

    def _size(self, fitted: Fitted) -> int:
        return sum(self.count(content) + A_TURN for _, content in fitted.messages(begun=False))
