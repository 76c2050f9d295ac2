"""Keys of servers: from the environment alone, and out of every text that is shown or kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from advisor.cleaning import plain
from advisor.errors import UserError

KEY = "ADVISOR_API_KEY"
PLACEHOLDER = "none"  # what is sent to a server for which no key was given
TELLING = 6  # characters of a key that are not shown, wherever they stand together
ECHO = 8  # the same in answers of models, which hold words of all kinds: and only where letters and digits are mixed
RANDOM = 16  # characters of which a secret is no word
LONGEST = 300  # characters of what a server said that are shown
_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|(^|_)PAT|_PWD)(_|$)", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"[\w+.-]+://[^\s/?#@:]*:([^\s/?#]+)@")
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


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment is handed to a program that needs no key: without what is called a secret, and without
    addresses that hold a password."""
    return {
        name: value for name, value in environment.items() if not (_SECRET.search(name) or _IN_ADDRESS.search(value))
    }


class Scrubber:
    """Takes keys out of texts: whole, in part, and as a server masks them.

    Args:
        keys: that were given; whatever else the environment calls a secret is taken out too.
    """

    def __init__(self, *keys: str) -> None:
        named = set(_secrets_in(os.environ))
        given = {key for key in keys if len(key) > TELLING}
        secrets = given | {value for value in named if len(value) > TELLING}
        self._pieces = _pieces(secrets)
        self._echoes = _pieces(given)
        random = {value for value in named if len(value) >= RANDOM and _is_mixed(value)}
        self._never = sorted(given | random, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text on one line, not too long, without any key."""
        clean = _MASKED.sub("[key]", _without(plain(text), self._pieces, bool))
        return clean if len(clean) <= LONGEST else clean[:LONGEST] + "..."

    def out_of(self, text: str) -> str:
        """A model's answer as it is, but for the key that was sent, whole or in part, and for what else looks like a
        key. Other secrets may be words, such as a password `postgres`, that an answer says of itself."""
        for secret in self._never:
            text = text.replace(secret, "[key]")
        return _without(text, self._echoes, lambda part: len(part) >= ECHO and _is_mixed(part))


def _secrets_in(environment: Mapping[str, str]) -> Iterator[str]:
    """Values that are called secrets, and passwords in addresses. The path of a file that holds one is none: its parts
    stand in many messages."""
    for name, value in environment.items():
        value = value.strip()
        if _SECRET.search(name) and not _is_there(value):
            yield value
        for found in _IN_ADDRESS.findall(value):
            yield from (found, unquote(found))


def _is_there(value: str) -> bool:
    """Whether a value is the path of something."""
    return Path(value).is_absolute() and os.path.exists(value)  # noqa: PTH110 - which takes too long a name


def _pieces(secrets: Iterable[str]) -> set[str]:
    """Whatever stands together in one of the secrets and tells of it."""
    small = [secret.lower() for secret in secrets]
    return {secret[at : at + TELLING] for secret in small for at in range(len(secret) - TELLING + 1)}


def _is_mixed(text: str) -> bool:
    """Whether letters and digits stand in one word."""
    letters, digits = any(map(str.isalpha, text)), any(map(str.isdigit, text))
    return letters and digits and not any(map(str.isspace, text))


def _without(text: str, pieces: Collection[str], tells: Callable[[str], bool]) -> str:
    """A text without the parts that are made of these pieces and tell of a secret."""
    lower = text.lower()
    if len(lower) != len(text):  # a letter whose small form is longer
        lower = text
    starts = [at for at in range(len(text) - TELLING + 1) if lower[at : at + TELLING] in pieces] if pieces else []
    parts, done = list[str](), 0
    for begin, end in _joined(starts):
        parts += [text[done:begin], "[key]" if tells(text[begin:end]) else text[begin:end]]
        done = end
    return "".join(parts) + text[done:]


def _joined(starts: Iterable[int]) -> list[tuple[int, int]]:
    """The stretches of a text that pieces cover which start there."""
    found = list[tuple[int, int]]()
    for start in starts:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], start + TELLING)
        else:
            found.append((start, start + TELLING))
    return found
