"""How a long fit says where it stands, without every signature on the way carrying a listener."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Listener(Protocol):
    """Is told each step and how far it has come."""

    def step(self, name: str, total: int | None) -> None:
        """A step starts, of `total` examples if that is known."""

    def advance(self, n: int = 1) -> None:
        """`n` more examples of the step are done."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """While the block runs, `listener` hears what `step` and `advance` say."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def step(name: str, total: int | None) -> None:
    """Say that a step starts."""
    if listener := _listener.get():
        listener.step(name, total)


def advance(n: int = 1) -> None:
    """Say that `n` more examples of the step are done."""
    if listener := _listener.get():
        listener.advance(n)
