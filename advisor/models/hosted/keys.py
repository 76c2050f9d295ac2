"""Keys of servers: from the environment alone, and out of every text that is shown or kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from advisor.cleaning import plain
from advisor.errors import UserError

KEY = "ADVISOR_API_KEY"
PLACEHOLDER = "none"  # what is sent to a server for which no key was given
TELLING = 6  # characters of a key that are not shown, wherever they stand together
LONGEST = 300  # characters of what a server said that are shown
_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)(_|$)")
_MASKED = re.compile(r"[^\s\"',;:()]*\*{3,}[^\s\"',;:()]*")


def variables_of(alias: str, own: str = "", typed: bool = True) -> list[str]:
    """The variables that may hold a key, the first that is set first.

    Args:
        alias: of the model among those of a comparison.
        own: the provider's own variable, where it may be used.
        typed: whether the user named the model: a name that stands in a file takes no key that is meant for any.
    """
    called = re.sub(r"[^A-Z0-9]", "_", alias.upper())
    return [name for name in (f"{KEY}_{called}" if called else "", KEY if typed else "", own) if name]


def key_in(variables: Sequence[str]) -> str:
    """The key that the first of these variables holds which is set; empty where none is.

    Raises:
        UserError: what the environment holds cannot be a key.
    """
    for name in variables:
        if key := os.environ.get(name, "").strip():
            if not (key.isascii() and key.isprintable() and " " not in key):
                raise UserError(f"{name} holds characters that no key has", f"export {name}=... anew, on one line")
            return key
    return ""


class Scrubber:
    """Takes keys out of texts: whole, in part, and as a server masks them.

    Args:
        keys: that were given; whatever else the environment calls a secret is taken out too.
    """

    def __init__(self, *keys: str) -> None:
        named = (value.strip() for name, value in os.environ.items() if _SECRET.search(name))
        self._secrets = {key for key in (*keys, *named) if len(key) > TELLING}
        self._pieces = {piece for secret in self._secrets for piece in _pieces(secret.lower())}

    def __call__(self, text: str) -> str:
        """The text on one line, not too long, without any key."""
        clean = _MASKED.sub("[key]", self._without(plain(text)))
        return clean if len(clean) <= LONGEST else clean[:LONGEST] + "..."

    def out_of(self, text: str) -> str:
        """A text as it is, but for whole keys: what a server answers is kept, even where it says them."""
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return text

    def _without(self, text: str) -> str:
        lower = text.lower()
        if len(lower) != len(text):  # a letter whose small form is longer
            lower = text
        hidden = [False] * len(text)
        for at in range(len(text) - TELLING + 1):
            if lower[at : at + TELLING] in self._pieces:
                hidden[at : at + TELLING] = [True] * TELLING
        return "".join(_shown(text, hidden))


def _pieces(secret: str) -> Iterable[str]:
    return (secret[at : at + TELLING] for at in range(len(secret) - TELLING + 1))


def _shown(text: str, hidden: list[bool]) -> Iterable[str]:
    for at, letter in enumerate(text):
        if not hidden[at]:
            yield letter
        elif at == 0 or not hidden[at - 1]:
            yield "[key]"
