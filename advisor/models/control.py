"""Control tokens come from the template alone: in a task's own texts their letters are text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from transformers import AddedToken

# Breaks a text where it stands and is no text itself: noncharacters of Unicode, which nothing is written with.
BREAK = "\ufdd0advisor\ufdd1"


class Tokens:
    """A tokenizer that can be given texts which name its control tokens.

    Args:
        tokenizer: a Hugging Face tokenizer, fast or slow; it learns one token more, which never reaches a model.
        template: text of its chat template; tokens named there are control tokens even if they are not marked as
            special (`<think>`). Blank ones are not: templates write those as ordinary text.

    Attributes:
        control: the control tokens.
    """

    def __init__(self, tokenizer: Any, template: str = "") -> None:
        self.tokenizer = tokenizer
        added = [token for token in tokenizer.added_tokens_decoder.values() if str(token) != BREAK]
        names = {str(token) for token in added if token.special or str(token) in template}
        self.control = frozenset(name for name in {*names, *tokenizer.all_special_tokens} - {BREAK} if name.strip())
        tokenizer.add_tokens([AddedToken(BREAK, normalized=False, special=True)], special_tokens=True)
        self._break_id = tokenizer.convert_tokens_to_ids(BREAK)
        longest_first = sorted(self.control, key=len, reverse=True)
        # In any case of letters, since some tokenizers look for their tokens in the lowered text.
        self._named = re.compile("|".join(map(re.escape, longest_first)) or "(?!)", re.IGNORECASE)

    def guarded(self, text: str) -> str:
        """The text, broken inside every control token that it names; one that names none is given back as it is."""
        text = text.replace(BREAK, "") if BREAK in text else text
        start, pieces = 0, []
        while found := self._named.search(text, start):
            pieces.append(text[start : found.start() + 1])
            start = found.start() + 1
        return BREAK.join([*pieces, text[start:]]) if pieces else text

    def ids(self, text: str, special: bool = False) -> list[int]:
        """Tokens of a text of which what is not to be control has been guarded.

        Args:
            special: whether the tokenizer puts first and last what it puts around a text of its own.
        """
        found: list[int] = self.tokenizer(text, add_special_tokens=special)["input_ids"]
        return [token for token in found if token != self._break_id] if BREAK in text else found

    def of_text(self, text: str) -> list[int]:
        """Tokens of a text in which nothing is control."""
        return self.ids(self.guarded(text))

    def first_control(self, text: str) -> int | None:
        """The control token that a text begins with, blanks aside."""
        text = text.lstrip()
        names = [name for name in self.control if text.startswith(name)]
        token = self.tokenizer.convert_tokens_to_ids(max(names, key=len)) if names else None
        return None if token is None or token == self.tokenizer.unk_token_id else int(token)

    def highest(self) -> int:
        """The highest id that ordinary text can be read as."""
        added = self.tokenizer.added_tokens_decoder.items()
        ordinary = [number for number, token in added if str(token) not in self.control and str(token) != BREAK]
        return max([int(self.tokenizer.vocab_size) - 1, *map(int, ordinary)])


def common_start(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two texts begin with alike."""
    for place, (left, right) in enumerate(zip(first, second, strict=False)):
        if left != right:
            return place
    return min(len(first), len(second))
