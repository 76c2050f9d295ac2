"""How an answer is heard while it is written, without every signature on the way carrying whoever hears it.

A server listens while it has queries answered. Whoever asks a model for what will be the answer opens its ears, and
closes them again: what a model writes for other ends, a thought or another wording of the query, is not heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Hearer(Protocol):
    """Hears answers grow."""

    def wrote(self, asked: object, text: str, tokens: int) -> bool:
        """The answer to `asked` is this so far, of so many tokens; whether anybody wants more of it.

        Args:
            asked: what it answers: the `Prompt`, or the conversation.
            text: as the whole answer would be if it ended here; its end may yet change.
        """


_listening: ContextVar[Hearer | None] = ContextVar("listening", default=None)
_open: ContextVar[Hearer | None] = ContextVar("open", default=None)


@contextmanager
def listening(hearer: Hearer) -> Iterator[None]:
    """While the block runs, `hearer` listens."""
    token = _listening.set(hearer)
    try:
        yield
    finally:
        _listening.reset(token)


@contextmanager
def answering() -> Iterator[None]:
    """While the block runs, what a model writes are answers, which whoever listens hears."""
    token = _open.set(_listening.get())
    try:
        yield
    finally:
        _open.reset(token)


def hearer() -> Hearer | None:
    """Who hears what is written now; None where nobody listens, or it is no answer."""
    return _open.get()
