"""How work says where it stands, without every signature on the way carrying a listener.

A run listens; tuners and models tell. What is told outside a run is heard by nobody.
"""

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

    def answered(self, prompts: int) -> None:
        """A model has answered so many more prompts, whatever they are asked for."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """While the block runs, `listener` hears what is told; whoever listened before does not."""
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


def answered(prompts: int) -> None:
    """Say that a model has answered so many more prompts."""
    if listener := _listener.get():
        listener.answered(prompts)
