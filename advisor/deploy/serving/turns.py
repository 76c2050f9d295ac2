"""Whose turn it is to compute: one thread at a time, and who answers goes before who indexes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from advisor.models.clock import clock

PAUSE = 0.0005  # seconds between two looks at whether the other has begun


class TakingTurns:
    """Models, tokenizers and indexes are no thread's but one at a time.

    Who answers takes the turn for a batch. Who indexes keeps it, and lets who answers go before between two pieces of
    work (`clock.alarm`), as embedding and decoding have them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = threading.Event()

    @contextmanager
    def answering(self) -> Iterator[None]:
        """The turn of who answers."""
        self._wanted.set()
        with self._lock:
            self._wanted.clear()
            yield

    @contextmanager
    def indexing(self, again: Callable[[], object]) -> Iterator[None]:
        """The turn of who indexes.

        Args:
            again: puts things back as they were before a turn was given away.
        """

        def give_way() -> None:
            if not self._wanted.is_set():
                return
            self._lock.release()
            try:
                while self._wanted.is_set():
                    time.sleep(PAUSE)
            finally:
                self._lock.acquire()
            again()

        with self._lock, clock.of_a_run(), clock.ringing(give_way):
            yield
