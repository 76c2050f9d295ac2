"""What a model wrote, told apart into thought and answer."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.models.hosted.reply import estimated_tokens
from advisor.models.prompt import THOUGHT, THOUGHT_OVER


@dataclass(frozen=True, slots=True)
class Written:
    """A text of a model.

    Attributes:
        answer: what follows the thought, all of it where there is none.
        thought: between its marks; what a server gives apart comes first.
    """

    answer: str
    thought: str = ""

    @classmethod
    def of(cls, text: str, apart: str = "", started: str = "") -> Written:
        """Tell a text apart.

        Args:
            apart: thought that the server gives beside the text.
            started: how the answer was begun; some servers repeat it.
        """
        text = text.removeprefix(started) if started else text
        before, over, behind = text.rpartition(THOUGHT_OVER)
        if over:
            return cls(behind, apart + before.replace(THOUGHT, ""))
        before, opened, behind = text.partition(THOUGHT)
        if opened and not before.strip():
            return cls("", apart + behind)
        return cls(text, apart)

    def share(self, tokens: int) -> int:
        """How many of the tokens that were written are thought, by the lengths of both."""
        thought, answer = estimated_tokens(self.thought), estimated_tokens(self.answer)
        return round(tokens * thought / (thought + answer)) if thought else 0
