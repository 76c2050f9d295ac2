"""How work says where it stands, without every signature on the way carrying a listener.

A command listens, and a run within it; tuners, models and whoever waits for others tell. What is told while nobody
listens is heard by nobody.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

MOMENT = 1.0  # seconds; of what is done within, nothing is told
AGAIN = 0.2  # seconds after which it is told how far something is

T = TypeVar("T")


class Listener(Protocol):
    """Is told each step and how far it has come."""

    def step(self, name: str, total: int | None) -> None:
        """A step starts, of `total` examples if that is known."""

    def advance(self, n: int = 1) -> None:
        """`n` more examples of the step are done."""

    def answered(self, prompts: int) -> None:
        """A model has answered so many more prompts, whatever they are asked for."""

    def wait(self, what: str, seconds: float) -> None:
        """Nothing goes on but waiting for `what`, since so many seconds; told again and again until it is over."""


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
    if hears := _listener.get():
        hears.step(name, total)


def advance(n: int = 1) -> None:
    """Say that `n` more examples of the step are done."""
    if hears := _listener.get():
        hears.advance(n)


def counted(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The items one by one; where they take longer than a moment, that is a step of which it is told how far it is.

    Args:
        what: the step.
        total: how many items there are, if that is known.
    """
    told = time.monotonic()
    said, done = False, 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - told < (AGAIN if said else MOMENT):
            continue
        if not said:
            step(what, total)
            said = True
        advance(done)
        told, done = now, 0
    if said:
        advance(done)


def answered(prompts: int) -> None:
    """Say that a model has answered so many more prompts."""
    if hears := _listener.get():
        hears.answered(prompts)


def wait(what: str, seconds: float) -> bool:
    """Say that nothing goes on but waiting for `what`, since so many seconds; whether anybody listens."""
    hears = _listener.get()
    if hears:
        hears.wait(what, seconds)
    return hears is not None


def listener() -> Listener | None:
    """Whoever listens now, for work that goes on in other threads, which no context reaches."""
    return _listener.get()
