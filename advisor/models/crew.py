"""Calls in several threads whose answers are decoded together: rows join while others are being decoded, and leave.

A server has each of its threads answer within `decoding_together`. One of the calls that decode leads: it makes the
steps of all of them, and lets others have the turn between two steps. Whoever then comes to its own decoding hands its
rows over and waits until they have ended, or until it is to lead. All that is shared is touched by who has the turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, Protocol


class Turns(Protocol):
    """Whose turn it is to compute."""

    def give_way(self, again: Callable[[], object]) -> None:
        """Let others have the turn who want it; `again` puts things back as they were."""

    def away(self) -> AbstractContextManager[None]:
        """The turn is given up while the block runs."""


class Joint(Protocol):
    """Rows that are decoded together."""

    @property
    def empty(self) -> bool:
        """Whether all of them have ended."""

    def takes(self, other: Any) -> bool:
        """Whether others can join."""

    def join(self, other: Any) -> None:
        """Others join."""

    def step(self) -> None:
        """One token more for each."""


class Crew:
    """Those that decode together.

    Args:
        turns: whose they take.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._joint: Joint | None = None
        self._led = False
        self._error: BaseException | None = None
        self._barred = 0  # calls whose rows cannot join; until they are done, none do
        self._changed = threading.Condition()

    def decode(self, own: Joint, done: Callable[[], bool], again: Callable[[], object]) -> None:
        """Decode until `done`, together with others; called by who has the turn.

        Args:
            again: makes the model compute as it has to for these rows, whatever others did meanwhile.
        """
        joint = self._joined(own)
        while not done():
            if self._joint is not joint:
                raise self._error or RuntimeError("what is decoded together was lost")
            if self._led:
                self._wait(lambda: done() or not self._led or self._joint is not joint)
            else:
                again()
                self._lead(joint, done, again)
        if self._joint is joint and joint.empty:
            self._joint = None
        self._tell()

    def _joined(self, own: Joint) -> Joint:
        """What `own` is decoded with: others, if there are any whom it can join."""
        while (there := self._joint) is not None:
            if not self._barred and there.takes(own):
                there.join(own)
                return there
            self._barred += 1
            self._wait(lambda: self._joint is None)
            self._barred -= 1
        self._joint = own
        return own

    def _lead(self, joint: Joint, done: Callable[[], bool], again: Callable[[], object]) -> None:
        self._led = True
        try:
            while not done():
                joint.step()
                self._tell()
                if not done():
                    self._turns.give_way(again)
        except BaseException as error:
            self._joint, self._error = None, error  # the others learn of it
            raise
        finally:
            self._led = False
            self._tell()

    def _wait(self, true: Callable[[], bool]) -> None:
        with self._turns.away(), self._changed:
            self._changed.wait_for(true)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()


_crew: ContextVar[Crew | None] = ContextVar("crew", default=None)


@contextmanager
def decoding_together(crew: Crew) -> Iterator[None]:
    """While the block runs, answers are decoded together with those of the crew's other threads."""
    token = _crew.set(crew)
    try:
        yield
    finally:
        _crew.reset(token)


def crew() -> Crew | None:
    """Those with whom this thread decodes; None where it does alone."""
    return _crew.get()
