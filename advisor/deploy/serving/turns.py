"""Whose turn it is to compute: one thread at a time, and who answers goes before who indexes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from advisor.models.clock import clock

PAUSE = 0.0005  # seconds between two looks at whether the others have begun
SHARE = 3  # so many times as long as its last turn took, who indexes waits while answers are decoded


class TakingTurns:
    """Models, tokenizers and indexes are no thread's but one at a time.

    Who answers takes the turn for a batch, and lets others who answer have it between two tokens. Who indexes lets them
    go before between two pieces of work (`clock.alarm`), as embedding and decoding have them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._wanted = 0  # by who answers
        self._indexing = False  # whether who indexes waits
        self._indexed = (0.0, 0.0)  # when its last turn ended, and what it took

    @contextmanager
    def answering(self) -> Iterator[None]:
        """The turn of who answers."""
        self._take()
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def away(self) -> Iterator[None]:
        """The turn is given up while the block runs, and taken again by who answers."""
        self._lock.release()
        try:
            yield
        finally:
            self._take()

    def give_way(self, again: Callable[[], object]) -> None:
        """Let others have the turn who answer and want it, and now and then who indexes.

        Args:
            again: puts things back as they were.
        """
        ended, took = self._indexed
        if self._wanted or (self._indexing and time.perf_counter() - ended > SHARE * took):
            self._pass_on(lambda: bool(self._wanted or self._indexing))
            again()

    @contextmanager
    def indexing(self, again: Callable[[], object]) -> Iterator[None]:
        """The turn of who indexes.

        Args:
            again: puts things back as they were before a turn was given away.
        """
        began = 0.0

        def take() -> None:
            nonlocal began
            self._indexing = True
            self._lock.acquire()
            self._indexing, began = False, time.perf_counter()

        def give() -> None:
            now = time.perf_counter()
            self._indexed = now, now - began
            self._lock.release()

        def let_go_before() -> None:
            if not self._wanted:
                return
            give()
            while self._wanted:
                time.sleep(PAUSE)
            take()
            again()

        take()
        try:
            with clock.of_a_run(), clock.ringing(let_go_before):
                yield
        finally:
            give()

    def _take(self) -> None:
        with self._counting:
            self._wanted += 1
        self._lock.acquire()
        with self._counting:
            self._wanted -= 1

    def _pass_on(self, wanted: Callable[[], bool]) -> None:
        """Give the turn up until whoever wants it has begun, and take it again."""
        self._lock.release()
        while wanted():
            time.sleep(PAUSE)
        self._take()
