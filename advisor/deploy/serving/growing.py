"""A text that grows, and what of it can be said already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

Finish = Literal["stop", "length"]
"""Why an answer ends: by itself or at a stop text, or because no more tokens were asked for."""
_HALF = "\ufffd"  # what a tokenizer makes of the first bytes of a character


class GrowingText:
    """The answer to one request while it is written.

    What has been said cannot be taken back: blanks at the end, the first bytes of a character and what a stop text
    may begin with are held back until it is known what follows.

    Args:
        most: tokens after which it ends.
        stops: texts before which it ends.

    Attributes:
        finish: why it ended before the model did; None while it has not.
    """

    def __init__(self, most: int, stops: Sequence[str] = ()) -> None:
        self.most = most
        self.stops = tuple(stops)
        self.finish: Finish | None = None
        self._said = ""
        self._whole = ""

    def grown(self, text: str, tokens: int) -> str:
        """The text is this by now; returns what can be said of it beyond what has been."""
        if self.finish is not None:
            return ""
        cut = self._cut(text)
        if cut is not None:
            self.finish, self._whole = "stop", cut
        elif tokens >= self.most:
            self.finish, self._whole = "length", text
        return self._beyond(self._sure(text) if self.finish is None else self._whole)

    def ended(self, text: str) -> tuple[str, str]:
        """All of the text, the model having ended it with this, and what of it has not been said."""
        if self.finish is None:
            cut = self._cut(text)
            self._whole = text if cut is None else cut
            self.finish = "stop"
        return self._whole, self._beyond(self._whole)

    def _cut(self, text: str) -> str | None:
        places = [at for stop in self.stops if (at := text.find(stop)) >= 0]
        return text[: min(places)].rstrip() if places else None

    def _sure(self, text: str) -> str:
        text = text.rstrip(_HALF)
        begun = max((_begun(text, stop) for stop in self.stops), default=0)
        return text[: len(text) - begun].rstrip()

    def _beyond(self, text: str) -> str:
        if not text.startswith(self._said):  # a batch that is done again, in parts, is not there yet
            return ""
        more = text[len(self._said) :]
        self._said = text
        return more


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of a text a stop text may have begun with."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if stop.startswith(text[-n:])), 0)


def shortened(text: str, most: int, count: Callable[[str], int]) -> str:
    """As much of a text as has at most so many tokens; all of it where it has no more.

    Args:
        count: tells the tokens of a text.
    """
    if count(text) <= most:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle]) <= most else (low, middle - 1)
    return text[:low].rstrip()
