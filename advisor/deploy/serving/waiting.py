"""From the event loop to the engine's thread and back: a request waits for its answer, or is given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from advisor.deploy.serving.engine import Engine
from advisor.deploy.serving.tickets import Event, Inquiry, ServedAnswer

LOOK = 0.5  # seconds between two looks at whether the caller is still there


class Waiting:
    """A request in the engine, as its handler sees it.

    Args:
        left: whether the caller has gone.

    Raises:
        TurnedAway: the engine does not take it.
    """

    def __init__(self, engine: Engine, asked: Inquiry, left: Callable[[], Awaitable[bool]]) -> None:
        self._engine = engine
        self._left = left
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._deadline = time.monotonic() + engine.bounds.timeout
        self._ticket = engine.submit(asked, self._post)

    def _post(self, event: Event) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody there
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def next(self) -> Event:
        """The next piece of the answer, or how it ends."""
        while True:
            try:
                return await asyncio.wait_for(
                    self._events.get(), min(LOOK, max(self._deadline - time.monotonic(), 0.0))
                )
            except TimeoutError:
                if time.monotonic() >= self._deadline:
                    self._engine.give_up(self._ticket, "timeout")
                elif await self._left():
                    self._engine.give_up(self._ticket, "cancelled")
                else:
                    continue
                return await self._outcome()

    async def answer(self) -> ServedAnswer:
        """The whole answer.

        Raises:
            TurnedAway: there is none.
        """
        while isinstance(event := await self.next(), str):
            pass
        if not isinstance(event, ServedAnswer):
            raise event
        return event

    def give_up(self) -> None:
        """The caller left."""
        self._engine.give_up(self._ticket, "cancelled")

    async def _outcome(self) -> Event:
        while isinstance(event := await self._events.get(), str):
            pass
        return event
